//! Everything a contributor runs: `cargo xtask COMMAND`.

mod assets;
mod bench;
mod crds;
mod demo;
mod differential;
mod docs;
mod lint;
mod named;
mod planted;
mod stages;
mod test;
mod upstream;
mod workspace;

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
    Demo(demo::Arguments),
    Differential(differential::Arguments),
    Test(test::Arguments),
    Lint(lint::Arguments),
    Docs(docs::Arguments),
    Crds(crds::Arguments),
    Bench(bench::Arguments),
    Upstream(upstream::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Assets(arguments) => assets::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Differential(arguments) => match differential::run(&arguments) {
            Ok(code) => return code,
            Err(error) => Err(error),
        },
        Command::Test(arguments) => test::run(&arguments),
        Command::Lint(arguments) => lint::run(&arguments),
        Command::Docs(arguments) => docs::run(&arguments),
        Command::Crds(arguments) => crds::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Upstream(arguments) => upstream::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
