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
        /// Given to the benchmark, such as --pods 20000 --services 1000 --minor 1.37 --kcm --assert; --help lists all
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// The steps of a flip without servers: time and allocations of each
    Micro {
        /// Given to the benchmark; --help lists all
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
            println!("quaymaster is built with the profile {}", profile.name());
            let binary = workspace::build_quaymaster_by(workspace::cargo(), profile.name())?;
            let mut all = vec![OsString::from("--quaymaster"), binary.into()];
            all.extend(arguments.iter().cloned());
            benchmark("flip", Profile::Fast, &all)
        }
        What::Micro { arguments } => benchmark("micro", Profile::Release, arguments),
    }
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
