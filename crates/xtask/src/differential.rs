//! `cargo xtask differential`: the same clusters under kube-controller-manager and under quaymaster.

use std::ops::Range;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use quaymaster_differential::Options;
use quaymaster_testkit::assets::Minor;

use crate::workspace;

/// Compare quaymaster with kube-controller-manager over generated clusters
///
/// Left is kube-controller-manager, right quaymaster. Ends with `N clusters, D differences`, and with exit code 1 when
/// something differs. The same seed and size give the same cluster on every machine.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Seeds of the clusters, the last one excluded
    #[arg(long, value_name = "A..B", default_value = "0..200", value_parser = seeds)]
    seeds: Range<u64>,
    /// How large each cluster is
    #[arg(long, value_enum, default_value_t = Size::Small)]
    size: Size,
    /// The Kubernetes minor, such as 1.33 [default: the newest]
    #[arg(long, value_name = "MINOR", value_parser = workspace::known_minor)]
    minor: Option<Minor>,
    /// In how many parts the changes come, with a rest, a restart and a comparison after each
    #[arg(long, value_name = "N", default_value_t = 1)]
    rounds: usize,
    /// The program to compare, instead of one built from this work tree
    #[arg(long, value_name = "PATH")]
    quaymaster: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Size {
    Small,
    Medium,
    Large,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    use quaymaster_oracle::generate::Size as Generated;
    let options = Options {
        seeds: arguments.seeds.clone(),
        size: match arguments.size {
            Size::Small => Generated::Small,
            Size::Medium => Generated::Medium,
            Size::Large => Generated::Large,
        },
        minor: arguments.minor.map(|minor| minor.to_string()),
        rounds: arguments.rounds,
        binary: match &arguments.quaymaster {
            Some(path) => path.clone(),
            None => workspace::build_quaymaster()?,
        },
    };
    let report = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("starting threads")?
        .block_on(quaymaster_differential::run(&options))?;
    if report.differences > 0 {
        bail!("quaymaster differs from kube-controller-manager");
    }
    if report.violations > 0 {
        bail!("what must hold at every revision, or at a take-over, did not hold");
    }
    if !report.never_met.is_empty() {
        bail!("no cluster met some rules, so they were not compared");
    }
    if report.refusals > 0 {
        bail!("an apiserver refused steps, so the clusters were not those intended");
    }
    Ok(())
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let (first, end) = text.split_once("..").ok_or("seeds are given as A..B")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| error.to_string());
    let seeds = number(first)?..number(end)?;
    if seeds.is_empty() {
        return Err("no seed is in this range".to_owned());
    }
    Ok(seeds)
}
