//! Many clusters side by side on a pair of control planes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use quaymaster_oracle::Exceptions;
use quaymaster_oracle::generate::{Cluster, Kind};
use quaymaster_testkit::assets::Minor;

use crate::audit;
use crate::controllers::Controllers;
use crate::coverage::Coverage;
use crate::edits::EditCounts;
use crate::handover::{self, Handover};
use crate::pair::Pair;
use crate::plane::{Holder, Subject};
use crate::report::add;
use crate::trace::{self, Given};
use crate::world::World;

/// One of so many steps comes while neither controller runs.
const AWAY: usize = 5;
/// After a start: kube-controller-manager syncs once more a second after it has listed the slices.
const SETTLED: Duration = Duration::from_millis(2500);
/// A difference is looked at again after this much quiet: a busy machine may have been late.
pub(crate) const SECOND_LOOK: Duration = Duration::from_secs(8);
/// After steps, before a restart: what quaymaster has not written by then is told. Only what others undo for the sixth time
/// within a minute is repaired after a longer pause.
pub(crate) const RESTED: Duration = Duration::from_millis(2500);

/// What one batch gave.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Why it did not come to its end, so that not everything was compared. [`crate::failure::is_of_subject`] tells whose
    /// doing that is.
    pub(crate) failure: Option<anyhow::Error>,
    /// Clusters that differ.
    pub(crate) differences: Vec<Finding>,
    pub(crate) exceptions: Exceptions,
    /// Requests that an apiserver refused, in words; each means that the generator asks for what cannot be.
    pub(crate) refusals: Vec<String>,
    /// What became of steps that edit what controllers keep.
    pub(crate) edits: EditCounts,
    /// Changes of what is kept on the side of kube-controller-manager and of the subject, by kind.
    pub(crate) kept_events: BTreeMap<Kind, [usize; 2]>,
    /// What did not hold under quaymaster, on either control plane.
    pub(crate) violations: Vec<String>,
    /// What did not hold under kube-controller-manager.
    pub(crate) violations_of_kcm: Vec<String>,
    /// Revisions replayed on both sides.
    pub(crate) revisions: usize,
    /// Rules met under kube-controller-manager, and under quaymaster.
    pub(crate) coverage: [Coverage; 2],
    pub(crate) handover: Vec<Handover>,
    /// Writes of each side after its restart at rest. One of quaymaster's is a violation: it had missed something
    /// before.
    pub(crate) restart_writes: [usize; 2],
    /// Slices of Services that are looked after, summed over all looks.
    pub(crate) slices: [usize; 2],
    /// Clusters that were equal only at the second look.
    pub(crate) late: usize,
    /// How long each part took.
    pub(crate) laps: String,
}

/// A difference of one cluster at one time.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    /// What names of the cluster begin with.
    pub(crate) prefix: String,
    pub(crate) seed: u64,
    pub(crate) when: String,
    pub(crate) what: Vec<String>,
    /// What edits of these had hit on each side by then.
    pub(crate) edits: Vec<String>,
    /// `namespace/name` of the Services that differ, and names of ServiceCIDRs, as they are on the control planes.
    pub(crate) owners: Vec<String>,
}

/// How a batch is run.
#[derive(Debug, Clone)]
pub(crate) struct Settings<'a> {
    pub(crate) minor: Minor,
    pub(crate) subject: Subject,
    pub(crate) controllers: &'a Controllers,
    pub(crate) max_endpoints: usize,
    /// Most endpoints that are mirrored of a subset.
    pub(crate) max_mirrored: usize,
    pub(crate) rounds: usize,
    /// Whether the controllers change places in the end.
    pub(crate) handover: bool,
    /// Whether logs stay where something is wrong: not those of each attempt to make a difference smaller, or to see an error
    /// that was planted.
    pub(crate) keep_logs: bool,
    /// After how much more quiet a difference is looked at again.
    pub(crate) again: Duration,
}

/// Whatever goes wrong is in the outcome, with what was found before.
pub(crate) async fn run(worlds: &[World], settings: &Settings<'_>) -> Outcome {
    let mut outcome = Outcome::default();
    let mut pair = match Pair::start(settings).await {
        Ok(pair) => pair,
        Err(error) => {
            outcome.failure = Some(error);
            return outcome;
        }
    };
    if let Err(error) = rounds(&mut pair, worlds, settings, &mut outcome).await {
        outcome.failure = Some(error);
    }
    outcome.refusals = pair.take_refusals();
    outcome.edits = pair.edit_counts();
    let wrong = outcome.failure.is_some()
        || !outcome.differences.is_empty()
        || !outcome.violations.is_empty()
        || outcome
            .handover
            .iter()
            .any(|handover| !handover.faults().is_empty());
    if wrong && settings.keep_logs {
        let seeds: Vec<u64> = worlds.iter().map(|world| world.seed).collect();
        pair.keep_logs(&seeds);
    }
    outcome
}

async fn rounds(
    pair: &mut Pair<'_>,
    worlds: &[World],
    settings: &Settings<'_>,
    outcome: &mut Outcome,
) -> Result<()> {
    let rounds = settings.rounds;
    let mut clock = Clock::start();
    pair.populate(worlds).await?;
    clock.lap("populated");
    // Over a finished cluster, so that even the number of slices is the same.
    pair.hold().await?;
    pair.settle(SETTLED).await?;
    clock.lap("settled");
    pair.compare(worlds, "over the finished cluster", true, outcome)
        .await?;
    clock.lap("compared");
    let mut clusters: Vec<Cluster> = worlds.iter().map(|world| world.cluster.clone()).collect();
    for round in 0..rounds {
        // Of the steps of each round, the last ones come while nobody looks.
        let from = |count: usize| count * round / rounds;
        let to = |count: usize| count * (round + 1) / rounds;
        let away = |count: usize| to(count) - (to(count) - from(count)) / AWAY;
        pair.churn(worlds, &mut clusters, |count| from(count)..away(count))
            .await;
        clock.lap("churned");
        pair.settle(RESTED).await?;
        pair.release().await?;
        let marks = pair.marks()?;
        pair.hold().await?;
        pair.settle(SETTLED).await?;
        clock.lap("restarted");
        let when = format!("after round {} of {rounds}", round + 1);
        let writes = pair.kept_writes(marks)?;
        add(&mut outcome.restart_writes, writes.each_ref().map(Vec::len));
        let [_, missed] = writes;
        let missed = pair.missed(missed).await?.into_iter().map(|write| {
            let write = handover::words(&write);
            format!("{when}: what changed was not written until a restart: {write}")
        });
        outcome.violations.extend(missed);
        pair.compare(worlds, &when, false, outcome).await?;
        clock.lap("compared");
        pair.release().await?;
        pair.churn(worlds, &mut clusters, |count| away(count)..to(count))
            .await;
        pair.hold().await?;
        pair.settle(SETTLED).await?;
        let when = format!(
            "after changes while both were away, in round {} of {rounds}",
            round + 1
        );
        pair.compare(worlds, &when, false, outcome).await?;
        clock.lap("back");
    }
    pair.release().await?;
    for (side, plane) in pair.planes.iter().enumerate() {
        for (kind, count) in plane.recorder.kept_events() {
            outcome.kept_events.entry(kind).or_default()[side] += count;
        }
    }
    if settings.handover {
        let [left, right] = &mut pair.planes;
        let (left, right) = futures::try_join!(
            handover::from_kcm(left, SETTLED),
            handover::from_subject(right, SETTLED)
        )?;
        outcome.handover = vec![left, right];
        clock.lap("handed over");
    }
    replay(pair, settings, outcome).await?;
    clock.lap("replayed");
    outcome.laps = clock.laps.join(", ");
    Ok(())
}

/// Looks at every revision of both control planes, and at every write.
async fn replay(pair: &Pair<'_>, settings: &Settings<'_>, outcome: &mut Outcome) -> Result<()> {
    for plane in &pair.planes {
        let events = plane.recorder.finish().map_err(anyhow::Error::msg)?;
        // Seconds of work, and more for large clusters: the other pair must go on meanwhile.
        let (edits, holds, controllers) = (
            plane.edits().clone(),
            plane.holds.clone(),
            settings.controllers.clone(),
        );
        let (max_endpoints, max_mirrored) = (settings.max_endpoints, settings.max_mirrored);
        let minor = settings.minor.number();
        let replay = move || {
            let given = Given {
                edits: &edits,
                holds: &holds,
                controllers: &controllers,
                max_endpoints,
                max_mirrored,
                minor,
            };
            trace::replay(&events, given)
        };
        let trace = tokio::task::spawn_blocking(replay).await?;
        for (holder, violation) in trace.violations {
            match holder {
                Holder::Kcm => outcome.violations_of_kcm.push(violation),
                Holder::Subject => outcome.violations.push(violation),
            }
        }
        let writes = plane.writes()?;
        let subject = &settings.subject;
        outcome
            .violations
            .extend(audit::outside_of_holds(&writes, &plane.holds, subject));
        let seen = trace.updates[Holder::Subject.side()];
        outcome
            .violations
            .extend(audit::violations(&writes, seen, subject, settings.controllers));
        outcome.revisions += trace.revisions;
        for (total, coverage) in outcome.coverage.iter_mut().zip(&trace.coverage) {
            total.add(coverage);
        }
    }
    if settings.subject.is_kcm() {
        // What kube-controller-manager does wrong is not what is asked.
        let violations = std::mem::take(&mut outcome.violations);
        outcome.violations_of_kcm.extend(violations);
    }
    Ok(())
}

/// How long each part took.
struct Clock {
    last: Instant,
    laps: Vec<String>,
}

impl Clock {
    fn start() -> Self {
        Self {
            last: Instant::now(),
            laps: Vec::new(),
        }
    }

    fn lap(&mut self, what: &str) {
        let seconds = self.last.elapsed().as_secs_f64();
        self.laps.push(format!("{what} {seconds:.1} s"));
        self.last = Instant::now();
    }
}
