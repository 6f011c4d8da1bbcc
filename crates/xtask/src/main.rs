//! Everything a contributor runs: `cargo xtask COMMAND`.

mod assets;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "What contributors to Quaymaster run"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// One variant and one file for each command.
#[derive(Subcommand)]
enum Command {
    Assets(assets::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Assets(arguments) => assets::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
