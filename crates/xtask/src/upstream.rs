//! `cargo xtask upstream`: upstream's own tests, with quaymaster in place of their controllers.

mod events;
mod integration;
mod judge;
mod report;
mod shims;
mod table;
mod trial;
mod verdict;

use anyhow::Result;
use clap::{Args, Subcommand};
use quaymaster_testkit::assets::Minor;

/// Run upstream's own tests against quaymaster
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Integration(integration::Arguments),
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.what {
        What::Integration(arguments) => integration::run(arguments),
    }
}

/// Whether it is recorded what upstream's tests give on this minor.
pub(crate) fn is_recorded(minor: Minor) -> bool {
    table::Table::path(minor).is_file()
}
