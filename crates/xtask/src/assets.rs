//! `cargo xtask assets`: the programs of a control plane, built where missing.

use anyhow::Result;
use clap::Args;
use quaymaster_testkit::assets::{Assets, Minor, Places};

use crate::workspace;

/// Find or build etcd, kube-apiserver, kube-controller-manager and kubectl, and print their folder
///
/// Programs are built with Go into a cache folder (`QUAYMASTER_CACHE`, else `quaymaster` below `XDG_CACHE_HOME` or
/// ~/.cache); a first build of a minor takes minutes, later calls nothing. `KUBEBUILDER_ASSETS`, where set, wins.
/// Standard output gets the folders only, one a line; progress goes to standard error.
#[derive(Args)]
pub(crate) struct Arguments {
    /// A Kubernetes minor such as 1.33; may be given several times [default: the newest]
    #[arg(long, value_name = "MINOR", value_parser = workspace::known_minor)]
    minor: Vec<Minor>,
    /// Every minor that tests/controlplane holds
    #[arg(long, conflicts_with = "minor")]
    all: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let places = Places::from_env()?;
    let minors: Vec<Option<Minor>> = if arguments.all {
        Minor::known(&places.modules)?.into_iter().map(Some).collect()
    } else if arguments.minor.is_empty() {
        vec![None]
    } else {
        arguments.minor.iter().copied().map(Some).collect()
    };
    for minor in minors {
        let assets = Assets::find(minor, &places)?;
        println!("{}", assets.folder().display());
    }
    Ok(())
}
