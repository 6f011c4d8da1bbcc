//! Many clusters side by side on a pair of control planes.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use futures::stream::{StreamExt as _, TryStreamExt as _, iter};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::PostParams;
use quaymaster_oracle::generate::{Action, Cluster, Step};

use crate::apply::{self, Edited};
use crate::compare::{Exceptions, Snapshot, compare};
use crate::coverage::Coverage;
use crate::handover::{self, Handover};
use crate::plane::{Holder, Plane};
use crate::trace;
use crate::world::World;

/// Requests at once to each side; more only wait in the apiserver.
const PARALLEL: usize = 32;
/// After a start: kube-controller-manager syncs once more a second after it has listed the slices.
const SETTLED: Duration = Duration::from_millis(2500);
/// After steps, before a restart.
const RESTED: Duration = Duration::from_millis(1200);
/// A difference is looked at again after this much quiet: a busy machine may have been late.
const SECOND_LOOK: Duration = Duration::from_secs(8);
const QUIET_LIMIT: Duration = Duration::from_mins(2);

/// What one batch gave.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Clusters that differ: seed, when, and what.
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
    pub(crate) restart_writes: [u64; 2],
    /// Clusters that were equal only at the second look.
    pub(crate) late: usize,
}

/// A difference of one cluster at one time.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    pub(crate) seed: u64,
    pub(crate) when: String,
    pub(crate) what: Vec<String>,
}

/// How a batch is run.
#[derive(Debug, Clone)]
pub(crate) struct Settings<'a> {
    pub(crate) minor: Option<&'a str>,
    pub(crate) binary: &'a Path,
    pub(crate) max_endpoints: usize,
    pub(crate) rounds: usize,
    /// 37 for 1.37.
    pub(crate) minor_number: u32,
}

/// The two control planes: kube-controller-manager keeps the slices of the first, quaymaster those of the second.
struct Pair {
    planes: [Plane; 2],
    refusals: Arc<Mutex<Vec<String>>>,
}

const HOLDERS: [Holder; 2] = [Holder::Kcm, Holder::Quaymaster];

pub(crate) async fn run(worlds: &[World], settings: &Settings<'_>) -> Result<Outcome> {
    let start = || Plane::start(settings.minor, settings.binary, settings.max_endpoints);
    let (kcm, quaymaster) = futures::try_join!(start(), start())?;
    let mut pair = Pair {
        planes: [kcm, quaymaster],
        refusals: Arc::default(),
    };
    let result = rounds(&mut pair, worlds, settings).await;
    if result.is_err() {
        for plane in &pair.planes {
            plane.keep_logs();
        }
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
    clock.lap("controllers started");
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
        clock.lap("rested");
        pair.release().await?;
        let before = pair.slice_writes().await?;
        pair.hold().await?;
        clock.lap("restarted");
        pair.settle(SETTLED).await?;
        clock.lap("settled");
        let after = pair.slice_writes().await?;
        for (total, (after, before)) in outcome
            .restart_writes
            .iter_mut()
            .zip(after.into_iter().zip(before))
        {
            *total += after - before;
        }
        let when = format!("after round {} of {rounds}", round + 1);
        pair.compare(worlds, &when, false, &mut outcome).await?;
    }
    pair.release().await?;
    outcome.slice_events = pair.planes.each_ref().map(|plane| plane.recorder.slice_events());
    let [left, right] = &mut pair.planes;
    let (left, right) = futures::try_join!(
        handover::from_kcm(left, SETTLED),
        handover::from_quaymaster(right, SETTLED)
    )?;
    outcome.handover = vec![left, right];
    clock.lap("handed over and back");
    for (plane, violations) in pair.planes.iter().zip(&mut outcome.violations) {
        let events = plane.recorder.finish().map_err(anyhow::Error::msg)?;
        let edits = plane.edits.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let trace = trace::replay(&events, &edits, settings.max_endpoints, settings.minor_number);
        *violations = trace.violations;
        outcome.revisions += trace.revisions;
        outcome.coverage.add(&trace.coverage);
    }
    clock.lap("replayed");
    outcome.refusals = std::mem::take(&mut *pair.refusals.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(outcome)
}

impl Pair {
    async fn hold(&mut self) -> Result<()> {
        let [left, right] = &mut self.planes;
        futures::try_join!(left.hold(HOLDERS[0]), right.hold(HOLDERS[1]))?;
        Ok(())
    }

    async fn release(&mut self) -> Result<()> {
        let [left, right] = &mut self.planes;
        futures::try_join!(left.release(), right.release())?;
        Ok(())
    }

    async fn slice_writes(&self) -> Result<[u64; 2]> {
        let [left, right] = &self.planes;
        let (left, right) = futures::try_join!(left.slice_writes(), right.slice_writes())?;
        Ok([left, right])
    }

    async fn settle(&self, quiet: Duration) -> Result<()> {
        let [left, right] = &self.planes;
        let both = futures::join!(
            left.recorder.quiet(quiet, QUIET_LIMIT),
            right.recorder.quiet(quiet, QUIET_LIMIT)
        );
        match both {
            (true, true) => Ok(()),
            (false, _) => bail!("kube-controller-manager still writes slices after {QUIET_LIMIT:?}"),
            _ => bail!("quaymaster still writes slices after {QUIET_LIMIT:?}"),
        }
    }

    /// Everything there is at the start; nodes and Services before Pods.
    async fn populate(&self, worlds: &[World]) -> Result<()> {
        let mut steps: [Vec<Action>; 2] = [Vec::new(), Vec::new()];
        let mut namespaces = Vec::new();
        for world in worlds {
            namespaces.extend(world.namespaces());
            let cluster = &world.cluster;
            let nodes = cluster.nodes.values();
            steps[0].extend(nodes.map(|node| Action::PutNode(Box::new(node.clone()))));
            let services = cluster.services.values();
            steps[0].extend(services.map(|service| Action::PutService(Box::new(service.clone()))));
            let pods = cluster.pods.values();
            steps[1].extend(pods.map(|pod| Action::PutPod(Box::new(pod.clone()))));
        }
        let create = async |plane: &Plane| -> Result<()> {
            let api: Api<Namespace> = Api::all(plane.client.clone());
            iter(&namespaces)
                .map(|name| {
                    let mut namespace = Namespace::default();
                    namespace.metadata.name = Some(name.clone());
                    let api = api.clone();
                    async move { api.create(&PostParams::default(), &namespace).await.map(drop) }
                })
                .buffer_unordered(PARALLEL)
                .try_collect::<Vec<()>>()
                .await
                .context("creating namespaces")?;
            let nothing = Cluster::default();
            for actions in &steps {
                iter(actions)
                    .map(|action| {
                        let step = Step {
                            kind: quaymaster_oracle::generate::StepKind::PodAdded,
                            action: action.clone(),
                        };
                        self.step(plane, &nothing, step)
                    })
                    .buffer_unordered(PARALLEL)
                    .collect::<Vec<()>>()
                    .await;
            }
            Ok(())
        };
        let [left, right] = &self.planes;
        futures::try_join!(create(left), create(right))?;
        Ok(())
    }

    async fn step(&self, plane: &Plane, before: &Cluster, step: Step) {
        let locked = || plane.edits.lock().unwrap_or_else(PoisonError::into_inner);
        match apply::step(&plane.client, before, &step).await {
            Ok(Edited::Nothing) => {}
            Ok(Edited::At(revision)) => _ = locked().revisions.insert(revision),
            Ok(Edited::Deleted(uid)) => _ = locked().deleted.insert(uid),
            Err(error) => {
                let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
                refusals.push(format!("{:?}: {error}", step.kind));
            }
        }
    }

    /// The steps of one round: those of a cluster one after the other, the clusters beside each other.
    async fn churn(&self, worlds: &[World], clusters: &mut [Cluster], round: usize, rounds: usize) {
        let each = worlds
            .iter()
            .zip(clusters.iter_mut())
            .map(async |(world, cluster)| {
                let count = world.steps.len();
                let steps = &world.steps[count * round / rounds..count * (round + 1) / rounds];
                for step in steps {
                    let [left, right] = &self.planes;
                    futures::join!(
                        self.step(left, cluster, step.clone()),
                        self.step(right, cluster, step.clone())
                    );
                    cluster.apply(step);
                }
            });
        iter(each).buffer_unordered(PARALLEL).collect::<Vec<()>>().await;
    }

    async fn compare(
        &self,
        worlds: &[World],
        when: &str,
        slice_count: bool,
        outcome: &mut Outcome,
    ) -> Result<()> {
        let first = self.look(worlds, slice_count).await?;
        let suspects = first.0.len();
        let (found, exceptions) = if suspects > 0 {
            self.settle(SECOND_LOOK).await?;
            self.look(worlds, slice_count).await?
        } else {
            first
        };
        outcome.late += suspects.saturating_sub(found.len());
        for (exception, count) in exceptions {
            *outcome.exceptions.entry(exception).or_default() += count;
        }
        outcome
            .differences
            .extend(found.into_iter().map(|(seed, what)| Finding {
                seed,
                when: when.to_owned(),
                what,
            }));
        Ok(())
    }

    async fn look(
        &self,
        worlds: &[World],
        slice_count: bool,
    ) -> Result<(Vec<(u64, Vec<String>)>, Exceptions)> {
        let [left, right] = &self.planes;
        let (left, right) = futures::try_join!(Snapshot::read(&left.client), Snapshot::read(&right.client))?;
        let mut exceptions = Exceptions::new();
        let mut found = Vec::new();
        for world in worlds {
            let differences: Vec<String> = world
                .namespaces()
                .iter()
                .flat_map(|namespace| compare(&left, &right, namespace, slice_count, &mut exceptions))
                .map(|difference| difference.to_string())
                .collect();
            if !differences.is_empty() {
                found.push((world.seed, differences));
            }
        }
        Ok((found, exceptions))
    }
}

/// Says how long each part took, on standard error.
struct Clock {
    last: Instant,
}

impl Clock {
    fn start() -> Self {
        Self { last: Instant::now() }
    }

    fn lap(&mut self, what: &str) {
        eprintln!("    {:6.1} s  {what}", self.last.elapsed().as_secs_f64());
        self.last = Instant::now();
    }
}
