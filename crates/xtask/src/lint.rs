//! `cargo xtask lint`: everything about the code that can be judged without running it.

mod clock;
mod dependencies;
mod markdown;
mod sources;

use std::fmt::Display;

use anyhow::{Result, bail};
use clap::Args;

use crate::stages::Stages;
use crate::{crds, docs, named, workspace};
pub(crate) use sources::below;

/// Check form, lints, the direction of dependencies, stray files and documents
#[derive(Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_: &Arguments) -> Result<()> {
    let mut stages = Stages::begin();
    stages.run("format", || cargo(&["fmt", "--all", "--check"], &[]));
    stages.run("dependencies", || none_of(&dependencies::check()?));
    stages.run("clocks", || none_of(&clock::check()?));
    stages.run("source files", || none_of(&sources::check()?));
    stages.run("documents", || none_of(&markdown::check()?));
    stages.run("tests that documents name", || none_of(&named::missing()?));
    stages.run("manifests of custom resources", || none_of(&crds::outdated()?));
    stages.run("clippy", || {
        cargo(
            &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
            &[],
        )
    });
    stages.run("rustdoc", || {
        cargo(
            &["doc", "--workspace", "--no-deps"],
            &[("RUSTDOCFLAGS", "-D warnings")],
        )
    });
    stages.run("generated documents", || {
        let outdated = docs::outdated()?;
        if outdated.is_empty() {
            return Ok(String::new());
        }
        bail!(
            "{} differ from the program: run cargo xtask docs",
            outdated.join(" and ")
        )
    });
    stages.end()
}

fn cargo(arguments: &[&str], environment: &[(&str, &str)]) -> Result<String> {
    let mut command = workspace::cargo();
    command.args(arguments).envs(environment.iter().copied());
    workspace::run(command)?;
    Ok(String::new())
}

/// Prints each finding; an error if there is one.
pub(crate) fn none_of(findings: &[impl Display]) -> Result<String> {
    for finding in findings {
        eprintln!("{finding}");
    }
    match findings.len() {
        0 => Ok(String::new()),
        1 => bail!("1 finding"),
        count => bail!("{count} findings"),
    }
}
