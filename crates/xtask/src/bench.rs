//! `cargo xtask bench`: what Quaymaster costs.

use std::ffi::OsString;

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};

use crate::workspace;

/// Measure what Quaymaster costs
///
/// docs/benchmarks.md says what the figures mean.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Readiness flips on a real control plane: controller CPU, latency, memory
    Flip {
        /// How quaymaster is built
        #[arg(long, value_enum, default_value_t = Profile::Fast)]
        profile: Profile,
        /// Given to the benchmark, such as --pods 20000 --services 1000 --minor 1.37 --kcm --assert;
        /// `cargo xtask bench flip -- --help` lists all
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// The steps of a flip without servers: time and allocations of each
    Micro {
        /// Given to the benchmark; `cargo xtask bench micro -- --help` lists all
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Profile {
    /// What tests drive: optimised, quickly built
    Fast,
    /// What is shipped
    Release,
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Release => "release",
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.what {
        What::Flip { profile, arguments } => {
            // Without a binary the benchmark only looks at its arguments: before anything else is built.
            benchmark("flip", Profile::Fast, arguments)?;
            if asks_for_help(arguments) {
                return Ok(());
            }
            println!("quaymaster is built with the profile {}", profile.name());
            let binary = workspace::build_quaymaster_by(workspace::cargo(), profile.name())?;
            let mut all = vec![OsString::from("--quaymaster"), binary.into()];
            all.extend(arguments.iter().cloned());
            benchmark("flip", Profile::Fast, &all)
        }
        What::Micro { arguments } => benchmark("micro", Profile::Release, arguments),
    }
}

/// Whether the benchmark ends after its help.
fn asks_for_help(arguments: &[OsString]) -> bool {
    arguments
        .iter()
        .any(|argument| argument == "--help" || argument == "-h")
}

/// Builds one of the benchmarks and runs it.
fn benchmark(name: &str, profile: Profile, arguments: &[OsString]) -> Result<()> {
    let mut command = workspace::cargo();
    command
        .args(["run", "--profile", profile.name()])
        .args(["--package", "quaymaster-bench", "--bin", name, "--"])
        .args(arguments);
    workspace::run(command)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    #[test]
    fn help_behind_two_dashes_is_the_benchmarks_and_help_before_them_says_so() {
        let flip = |line: &[&str]| {
            let line = ["bench", "flip"].iter().chain(line);
            Line::try_parse_from(line).map(|line| match line.arguments.what {
                What::Flip { arguments, .. } => asks_for_help(&arguments),
                What::Micro { .. } => false,
            })
        };
        assert!(flip(&["--", "--help"]).unwrap());
        assert!(flip(&["--pods", "40", "-h"]).unwrap());
        assert!(!flip(&["--pods", "40"]).unwrap());
        let Err(help) = flip(&["--help"]) else {
            panic!("no help")
        };
        assert!(
            help.to_string().contains("cargo xtask bench flip -- --help"),
            "{help}"
        );
    }
}
