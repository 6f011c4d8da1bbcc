//! The path of a readiness flip without servers, step by step, and that of an address.

mod allocation;
mod counting;
mod flip;
mod membership;
mod table;

use anyhow::Result;
use clap::Args;

pub use counting::Counting;

/// What is measured.
#[derive(Debug, Args)]
pub struct Options {
    /// Flips of each size; the best of five runs is shown for each step
    #[arg(long, default_value_t = 2_000)]
    flips: usize,
    /// Numbers of Pods of the Services
    #[arg(long, value_delimiter = ',', default_value = "20,100,1000,5000")]
    sizes: Vec<usize>,
}

/// Runs it and prints a table.
///
/// # Errors
/// A step does not what it should: a flip that gives no write, a write whose answer cannot be read.
pub fn run(options: &Options) -> Result<()> {
    flip::run(&options.sizes, options.flips)?;
    membership::run(options.flips)?;
    allocation::run(options.flips * 50)
}
