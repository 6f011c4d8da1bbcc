//! The smallest cluster that still shows a difference, found on control planes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use quaymaster_oracle::generate::generate;
use quaymaster_testkit::assets::Minor;

use crate::batch::{self, Finding, Settings};
use crate::run::{Options, listed};
use crate::show;
use crate::shrink::{Search, concerning, only, units};
use crate::world::World;

/// Pairs of control planes started for one seed, at most. Each tries up to some twenty candidates.
const RUNS: usize = 12;
/// Most candidates have no difference left; those are not waited for so long.
const SECOND_LOOK: Duration = Duration::from_secs(3);

/// Looks for it, and prints it. `beside` are the seeds that shared its control planes.
pub(crate) async fn print(finding: &Finding, beside: &[u64], options: &Options, settings: &Settings<'_>) {
    let begun = Instant::now();
    let scenario = generate(finding.seed, options.size.generated());
    let services: BTreeSet<String> = without_prefix(finding).collect();
    let settings = Settings {
        again: SECOND_LOOK,
        ..settings.clone()
    };
    let all = units(&scenario).len();
    let concerned: Vec<String> = services.iter().cloned().collect();
    let mut search = Search::new(vec![concerning(&scenario, &concerned), units(&scenario)]);
    let (mut runs, mut tried, mut best, mut ended) = (0, 0, None, false);
    while runs < RUNS {
        let candidates = search.candidates();
        if candidates.is_empty() {
            ended = true;
            break;
        }
        let worlds: Vec<World> = candidates
            .iter()
            .enumerate()
            .map(|(index, units)| {
                let prefix = format!("s{}r{runs}c{index}-", finding.seed);
                World::of(
                    only(&scenario, units),
                    prefix,
                    index,
                    settings.minor.number(),
                    settings.controllers,
                )
            })
            .collect();
        let outcome = Box::pin(batch::run(&worlds, &settings)).await;
        if let Some(failure) = &outcome.failure {
            println!(
                "seed {}: it was made no smaller, since a run failed: {failure:#}",
                finding.seed
            );
            break;
        }
        // Another Service may differ for another reason.
        let found = |world: &World| {
            let mut findings = outcome.differences.iter();
            findings
                .find(|finding| {
                    finding.prefix == world.prefix
                        && without_prefix(finding).any(|one| services.contains(&one))
                })
                .cloned()
        };
        let shows: Vec<bool> = worlds.iter().map(|world| found(world).is_some()).collect();
        let before = search.best().map(<[_]>::len);
        search.answer(&shows);
        let left = search.best().map(<[_]>::len);
        if left != before {
            let showing = worlds.into_iter().zip(&candidates).filter_map(|(world, units)| {
                let finding = found(&world)?;
                Some((units.len(), world, finding))
            });
            best = showing.min_by_key(|(count, ..)| *count);
        }
        runs += 1;
        tried += candidates.len();
        let seconds = begun.elapsed().as_secs_f64();
        let left = left.unwrap_or(all);
        eprintln!(
            "{seconds:5.0} s  seed {}, made smaller: run {runs} of at most {RUNS}, {left} of {all} objects and steps left",
            finding.seed
        );
    }
    let seed = finding.seed;
    let Some((count, world, shown)) = best else {
        println!("seed {seed}: did not show again alone, so it hangs on timing or on the clusters beside it");
        println!("# those were the seeds {}", listed(beside));
        println!("# alone: {}", command(seed, options, settings.minor));
        return;
    };
    show_smallest(
        &format!(
            "{count} of {all} objects and steps still show it ({tried} clusters tried; {})",
            rest(ended)
        ),
        &world,
        &shown,
        &settings,
    );
    println!(
        "# the whole cluster again: {}",
        command(seed, options, settings.minor)
    );
}

const fn rest(ended: bool) -> &'static str {
    if ended {
        "nothing more can be left out"
    } else {
        "more might be left out"
    }
}

fn show_smallest(size: &str, world: &World, shown: &Finding, settings: &Settings<'_>) {
    println!("seed {}: {size}:", shown.seed);
    println!("# to be read, not applied: the harness makes the cluster from its seed");
    print!("{}", show::scenario(&world.cluster, &world.steps));
    println!(
        "# Kubernetes {}, at most {} endpoints in a slice; left is kube-controller-manager, right {}",
        settings.minor,
        settings.max_endpoints,
        settings.subject.name()
    );
    println!("# {}:", shown.when);
    for what in &shown.what {
        println!("#   {what}");
    }
    for edit in &shown.edits {
        println!("# {edit}");
    }
}

/// The Services and ServiceCIDRs of a finding as the generator names them.
fn without_prefix(finding: &Finding) -> impl Iterator<Item = String> {
    let owners = finding.owners.iter();
    owners.filter_map(|owner| owner.strip_prefix(&finding.prefix).map(str::to_owned))
}

/// What to type to see the cluster of a seed again, by itself.
pub(crate) fn command(seed: u64, options: &Options, minor: Minor) -> String {
    let size = format!("{:?}", options.size).to_lowercase();
    let given = if options.given {
        format!(" --quaymaster {}", options.binary.display())
    } else {
        String::new()
    };
    let mut sides = String::new();
    if !options.controllers.is_empty() {
        sides.push_str(" --controllers ");
        sides.push_str(&options.controllers.join(","));
    }
    if options.against_kcm {
        sides.push_str(" --against-kcm");
    }
    if let Some(left_out) = &options.left_out {
        sides.push_str(" --leave-out ");
        sides.push_str(left_out);
    }
    format!(
        "cargo xtask differential --seeds {seed}..{} --size {size} --rounds {} --minor {minor}{given}{sides}",
        seed + 1,
        options.rounds
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Size;

    #[test]
    fn the_command_to_see_a_cluster_again_names_everything_that_decides() {
        let mut options = Options {
            seeds: 0..200,
            size: Size::Medium,
            minors: vec!["1.33".to_owned(), "1.37".to_owned()],
            rounds: 2,
            binary: "/bin/quaymaster".into(),
            given: false,
            controllers: Vec::new(),
            against_kcm: false,
            left_out: None,
            planted: Vec::new(),
        };
        let minor = "1.33".parse().unwrap();
        let built = "cargo xtask differential --seeds 17..18 --size medium --rounds 2 --minor 1.33";
        assert_eq!(command(17, &options, minor), built);
        options.given = true;
        let given = format!("{built} --quaymaster /bin/quaymaster");
        assert_eq!(command(17, &options, minor), given);
        options.given = false;
        options.controllers = vec!["a".to_owned(), "b".to_owned()];
        options.against_kcm = true;
        options.left_out = Some("b".to_owned());
        let sides = format!("{built} --controllers a,b --against-kcm --leave-out b");
        assert_eq!(command(17, &options, minor), sides);
    }
}
