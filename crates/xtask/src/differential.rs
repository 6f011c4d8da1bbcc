//! `cargo xtask differential`: the same clusters under kube-controller-manager and under quaymaster.

use std::ops::Range;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use quaymaster_differential::{Options, Size};
use quaymaster_testkit::assets::{Minor, Places};

use crate::{planted, workspace};

/// Compare quaymaster with kube-controller-manager over generated clusters
///
/// Left is kube-controller-manager, right quaymaster. Ends with `N clusters, D differences`, and with exit code 1 when
/// something differs, does not hold at some revision, or was not compared. The same seed and size give the same
/// cluster on every machine. Of a difference the smallest cluster that still shows it is looked for and printed.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Seeds of the clusters, the last one excluded
    #[arg(long, value_name = "A..B", default_value = "0..200", value_parser = seeds)]
    seeds: Range<u64>,
    /// How large each cluster is
    #[arg(long, value_enum, default_value_t = Size::Small)]
    size: Size,
    /// A Kubernetes minor, such as 1.33, or all; may be given several times [default: the newest, or the one
    /// in `KUBEBUILDER_ASSETS` where that is set]
    #[arg(long, value_name = "MINOR|all", value_parser = minors)]
    minor: Vec<Minors>,
    /// In how many parts the changes come, with a rest, a restart and a comparison after each
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// The program to compare, instead of one built from this work tree
    #[arg(long, value_name = "PATH", value_parser = workspace::program_file)]
    quaymaster: Option<PathBuf>,
    /// Build a quaymaster with errors in it, switch each on in turn, and fail when one is not found
    #[arg(long, conflicts_with = "quaymaster")]
    planted: bool,
}

#[derive(Clone)]
enum Minors {
    One(Minor),
    All,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let places = Places::from_env()?;
    let minors = chosen(&arguments.minor, &places)?;
    if arguments.planted && minors.len() > 1 {
        bail!("--planted takes one --minor: what is shown is that errors are found, not where they are");
    }
    for minor in &minors {
        workspace::control_plane(Some(*minor), &places)?;
    }
    let built = workspace::build()?;
    let options = Options {
        seeds: arguments.seeds.clone(),
        size: arguments.size,
        minors: minors.iter().map(ToString::to_string).collect(),
        rounds: arguments.rounds.into(),
        binary: match &arguments.quaymaster {
            Some(path) => path.clone(),
            None if arguments.planted => planted::build()?,
            None => built.quaymaster,
        },
        planted: arguments.planted,
    };
    let options = serde_json::to_string(&options).context("passing the options on")?;
    // A program of its own, optimised: it reads and compares as much as both control planes write.
    let mut command = Command::new(built.differential);
    command.arg(options);
    workspace::run(command)
}

/// The minors to compare on.
fn chosen(asked: &[Minors], places: &Places) -> Result<Vec<Minor>> {
    let mut minors = Vec::new();
    for minor in asked {
        match minor {
            Minors::One(minor) => minors.push(*minor),
            Minors::All => minors.extend(Minor::known(&places.modules)?),
        }
    }
    if asked.is_empty() {
        let newest = || Minor::known(&places.modules).map(|known| known.last().copied());
        let given = workspace::minor_of_given_programs(places)?;
        minors.extend(given.map_or_else(newest, |given| Ok(Some(given)))?);
    }
    Ok(minors)
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    const FORM: &str = "seeds are given as A..B, two numbers, of which the second is not among them";
    let (first, end) = text.split_once("..").ok_or(FORM)?;
    let number = |text: &str| text.parse::<u64>().map_err(|_| FORM.to_owned());
    let seeds = number(first)?..number(end)?;
    if seeds.is_empty() {
        return Err("no seed is in this range".to_owned());
    }
    Ok(seeds)
}

fn minors(text: &str) -> Result<Minors> {
    match text {
        "all" => Ok(Minors::All),
        minor => workspace::known_minor(minor).map(Minors::One),
    }
}
