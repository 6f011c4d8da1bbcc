//! `cargo xtask differential`: the same clusters under kube-controller-manager and under quaymaster.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use clap::builder::PossibleValuesParser;
use quaymaster_differential::planted::faults;
use quaymaster_differential::{Options, Size, controller_names};
use quaymaster_testkit::assets::{Minor, Places};
use quaymaster_testkit::process;

use crate::{planted, workspace};

/// Every error that can be planted.
const ALL: &str = "all";

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
    /// The controllers to compare, by kube-controller-manager's names, with commas between [default: all that the
    /// program has]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = controller())]
    controllers: Vec<String>,
    /// Compare kube-controller-manager with itself: what differs then is the harness's doing
    #[arg(long, conflicts_with_all = ["quaymaster", "planted"])]
    against_kcm: bool,
    /// Leave this controller out on the right side, with --against-kcm: that is to be found, so exit code 0 then says that
    /// clusters differed, and 1 that none did, or that not all was compared
    #[arg(long, value_name = "NAME", requires = "against_kcm", value_parser = controller())]
    leave_out: Option<String>,
    /// Build a quaymaster with errors in it, switch each on in turn, or those that are named, and fail when one is not
    /// found; may be given several times
    #[arg(
        long,
        value_name = "NAME",
        num_args = 0..=1,
        default_missing_value = ALL,
        value_delimiter = ',',
        conflicts_with = "quaymaster",
        value_parser = fault
    )]
    planted: Vec<String>,
}

#[derive(Clone)]
enum Minors {
    One(Minor),
    All,
}

/// Gives the exit code of the run, which has said what there is to say.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    if let Some(left_out) = &arguments.leave_out
        && !arguments.controllers.is_empty()
        && !arguments.controllers.contains(left_out)
    {
        bail!("--leave-out {left_out}: it is not among --controllers, so nothing would be left out");
    }
    let places = Places::from_env()?;
    let minors = chosen(&arguments.minor, &places)?;
    if !arguments.planted.is_empty() && minors.len() > 1 {
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
            None if !arguments.planted.is_empty() => planted::build()?,
            None => built.quaymaster,
        },
        given: arguments.quaymaster.is_some(),
        controllers: arguments.controllers.clone(),
        against_kcm: arguments.against_kcm,
        left_out: arguments.leave_out.clone(),
        planted: named(&arguments.planted),
    };
    let options = serde_json::to_string(&options).context("passing the options on")?;
    // A program of its own, optimised: it reads and compares as much as both control planes write.
    let mut command = Command::new(built.differential);
    command.arg(options);
    let status = process::tied(command).and_then(|mut child| child.wait());
    let status = status.context("running quaymaster-differential")?;
    match status.code() {
        Some(0) => Ok(ExitCode::SUCCESS),
        Some(code) => Ok(ExitCode::from(u8::try_from(code).unwrap_or(1))),
        None => bail!("quaymaster-differential ended with {status}"),
    }
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
    let mut seen = BTreeSet::new();
    minors.retain(|minor| seen.insert(minor.number()));
    if asked.is_empty() {
        let newest = || Minor::known(&places.modules).map(|known| known.last().copied());
        let given = workspace::minor_of_given_programs(places)?;
        minors.extend(given.map_or_else(newest, |given| Ok(Some(given)))?);
    }
    Ok(minors)
}

/// The errors that are asked for, each once.
fn named(asked: &[String]) -> Vec<String> {
    let all = faults().map(|fault| fault.name);
    let wanted = |name: &str| asked.iter().any(|one| one == ALL || one == name);
    all.filter(|name| wanted(name)).map(str::to_owned).collect()
}

/// The name of a controller that can be compared.
fn controller() -> PossibleValuesParser {
    controller_names().into()
}

/// The name of an error that can be planted.
fn fault(text: &str) -> Result<String, String> {
    if text == ALL || faults().any(|fault| fault.name == text) {
        return Ok(text.to_owned());
    }
    let names: Vec<&str> = faults().map(|fault| fault.name).collect();
    Err(format!("there is no such error; known: {}", names.join(", ")))
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

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser};

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn parse(arguments: &[&str]) -> Result<Arguments, clap::Error> {
        let line = ["differential"].iter().chain(arguments);
        Line::try_parse_from(line).map(|line| line.arguments)
    }

    #[test]
    fn errors_may_be_named_or_all_are_planted_each_once() {
        let planted = |arguments: &[&str]| named(&parse(arguments).unwrap().planted);
        assert_eq!(planted(&[]), [""; 0]);
        let all: Vec<&str> = faults().map(|fault| fault.name).collect();
        assert_eq!(planted(&["--planted", "--seeds", "0..20"]), all);
        assert_eq!(planted(&["--planted", "fragment"]), ["fragment"]);
        let several = ["--planted", "cidr-let-go,fragment", "--planted", "fragment"];
        assert_eq!(planted(&several), ["fragment", "cidr-let-go"]);
        let error = parse(&["--planted", "fragment,nonsense"])
            .map(drop)
            .unwrap_err()
            .to_string();
        assert!(error.contains("skip-ignored"), "{error}");
    }

    #[test]
    fn a_controller_that_is_not_known_is_told_at_once_with_those_that_are() {
        for line in [
            &["--controllers", "endpoints-controller,endpointslices"][..],
            &["--against-kcm", "--leave-out", "endpoints"],
        ] {
            let error = parse(line).map(drop).unwrap_err().to_string();
            for name in controller_names() {
                assert!(error.contains(name), "{error}");
            }
        }
        let both = parse(&["--controllers", "endpoints-controller,service-cidr-controller"]).unwrap();
        assert_eq!(
            both.controllers,
            ["endpoints-controller", "service-cidr-controller"]
        );
        let help = Line::command().render_long_help().to_string();
        assert!(help.contains("endpointslice-mirroring-controller"), "{help}");
    }

    #[test]
    fn only_what_would_run_can_be_left_out() {
        let line = [
            "--controllers",
            "endpoints-controller",
            "--against-kcm",
            "--leave-out",
        ];
        let arguments = parse(&[&line[..], &["service-cidr-controller"]].concat()).unwrap();
        let error = run(&arguments).unwrap_err().to_string();
        assert!(error.contains("not among --controllers"), "{error}");
    }

    #[test]
    fn a_minor_that_is_given_twice_is_compared_once() {
        let arguments = parse(&["--minor", "1.33", "--minor", "all"]).unwrap();
        let places = Places::from_env().unwrap();
        let minors = chosen(&arguments.minor, &places).unwrap();
        assert_eq!(
            minors,
            [&minors[..1], &chosen(&[Minors::All], &places).unwrap()[1..]].concat()
        );
        assert_eq!(minors[0].to_string(), "1.33");
    }
}
