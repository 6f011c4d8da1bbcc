//! Time and allocations of each step of a readiness flip, without servers. Run by `cargo xtask bench micro`.

use std::process::ExitCode;

use clap::Parser;
use quaymaster_bench::micro;

#[global_allocator]
static ALLOCATOR: micro::Counting = micro::Counting;

/// Time and allocations of each step of a readiness flip, without servers
#[derive(Parser)]
#[command(bin_name = "cargo xtask bench micro")]
struct Arguments {
    #[command(flatten)]
    options: micro::Options,
}

fn main() -> ExitCode {
    match micro::run(&Arguments::parse().options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
