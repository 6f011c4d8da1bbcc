//! Many clusters side by side on a pair of control planes.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use quaymaster_oracle::generate::Cluster;

use crate::compare::Exceptions;
use crate::coverage::Coverage;
use crate::handover::{self, Handover};
use crate::pair::Pair;
use crate::trace;
use crate::world::World;

/// After a start: kube-controller-manager syncs once more a second after it has listed the slices.
const SETTLED: Duration = Duration::from_millis(2500);
/// A difference is looked at again after this much quiet: a busy machine may have been late.
pub(crate) const SECOND_LOOK: Duration = Duration::from_secs(8);
/// After steps, before a restart.
const RESTED: Duration = Duration::from_millis(1200);

/// What one batch gave.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Clusters that differ.
    pub(crate) differences: Vec<Finding>,
    pub(crate) exceptions: Exceptions,
    /// Requests that an apiserver refused, in words; each means that the generator asks for what cannot be.
    pub(crate) refusals: Vec<String>,
    /// Changes of slices on the side of kube-controller-manager and of quaymaster.
    pub(crate) slice_events: [usize; 2],
    /// What did not hold at some revision under quaymaster, and how much did not under kube-controller-manager.
    pub(crate) violations: [Vec<String>; 2],
    /// Revisions replayed on both sides.
    pub(crate) revisions: usize,
    pub(crate) coverage: Coverage,
    pub(crate) handover: Vec<Handover>,
    /// Writes of each side after its restart at rest.
    pub(crate) restart_writes: [usize; 2],
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
    /// `namespace/name` of the Services that differ, as they are on the control planes.
    pub(crate) services: Vec<String>,
}

/// How a batch is run.
#[derive(Debug, Clone)]
pub(crate) struct Settings<'a> {
    pub(crate) minor: Option<&'a str>,
    pub(crate) binary: &'a Path,
    /// Environment of quaymaster.
    pub(crate) environment: &'a [(String, String)],
    pub(crate) max_endpoints: usize,
    pub(crate) rounds: usize,
    /// Whether the controllers change places in the end.
    pub(crate) handover: bool,
    /// After how much more quiet a difference is looked at again.
    pub(crate) again: Duration,
    /// 37 for 1.37.
    pub(crate) minor_number: u32,
}

pub(crate) async fn run(worlds: &[World], settings: &Settings<'_>) -> Result<Outcome> {
    let mut pair = Pair::start(settings).await?;
    let result = rounds(&mut pair, worlds, settings).await;
    if result.is_err() {
        pair.keep_logs();
    }
    result
}

async fn rounds(pair: &mut Pair, worlds: &[World], settings: &Settings<'_>) -> Result<Outcome> {
    let rounds = settings.rounds;
    let mut outcome = Outcome::default();
    let mut clock = Clock::start();
    pair.populate(worlds).await?;
    clock.lap("populated");
    // Over a finished cluster, so that even the number of slices is the same.
    pair.hold().await?;
    pair.settle(SETTLED).await?;
    clock.lap("settled");
    pair.compare(worlds, "over the finished cluster", true, &mut outcome)
        .await?;
    clock.lap("compared");
    let mut clusters: Vec<Cluster> = worlds.iter().map(|world| world.cluster.clone()).collect();
    for round in 0..rounds {
        pair.churn(worlds, &mut clusters, round, rounds).await;
        clock.lap("churned");
        pair.settle(RESTED).await?;
        pair.release().await?;
        let marks = pair.marks()?;
        pair.hold().await?;
        pair.settle(SETTLED).await?;
        clock.lap("restarted");
        let writes = pair.slice_writes(marks)?;
        for (total, writes) in outcome.restart_writes.iter_mut().zip(writes) {
            *total += writes;
        }
        let when = format!("after round {} of {rounds}", round + 1);
        pair.compare(worlds, &when, false, &mut outcome).await?;
        clock.lap("compared");
    }
    pair.release().await?;
    outcome.slice_events = pair.planes.each_ref().map(|plane| plane.recorder.slice_events());
    if settings.handover {
        let [left, right] = &mut pair.planes;
        let (left, right) = futures::try_join!(
            handover::from_kcm(left, SETTLED),
            handover::from_quaymaster(right, SETTLED)
        )?;
        outcome.handover = vec![left, right];
        clock.lap("handed over");
    }
    for (plane, violations) in pair.planes.iter().zip(&mut outcome.violations) {
        let events = plane.recorder.finish().map_err(anyhow::Error::msg)?;
        let trace = trace::replay(
            &events,
            &plane.edits(),
            settings.max_endpoints,
            settings.minor_number,
        );
        *violations = trace.violations;
        outcome.revisions += trace.revisions;
        outcome.coverage.add(&trace.coverage);
    }
    clock.lap("replayed");
    outcome.refusals = pair.take_refusals();
    outcome.laps = clock.laps.join(", ");
    Ok(outcome)
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
