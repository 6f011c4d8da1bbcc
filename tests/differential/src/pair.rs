//! Two equal control planes, and everything that is done to both.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures::stream::{StreamExt as _, TryStreamExt as _, iter};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::PostParams;
use quaymaster_oracle::Difference;
use quaymaster_oracle::generate::{Action, Cluster, SliceEdit, Step, StepKind};
use quaymaster_testkit::audit::{Entry, Mark};

use crate::apply::{self, Edited};
use crate::batch::{Finding, Outcome, Settings};
use crate::compare::{Exceptions, compare};
use crate::plane::{Holder, Plane};
use crate::report::add;
use crate::run::listed;
use crate::world::World;

/// Requests at once to each side; more only wait in the apiserver.
const PARALLEL: usize = 32;
const QUIET_LIMIT: Duration = Duration::from_mins(2);

/// The two control planes: kube-controller-manager keeps the slices of the first, quaymaster those of the second.
pub(crate) struct Pair {
    pub(crate) planes: [Plane; 2],
    refusals: Mutex<Vec<String>>,
    edits: Mutex<Vec<TwoEdits>>,
    again: Duration,
}

/// A step that edits a slice, and what it hit on each side: packing differs, so it may be another one.
#[derive(Debug)]
struct TwoEdits {
    /// `namespace/name` of the Service.
    service: String,
    /// What was done, in words.
    what: String,
    hit: [Edited; 2],
}

impl TwoEdits {
    fn same(&self) -> bool {
        let [left, right] = &self.hit;
        left.hit() == right.hit()
    }

    fn overtaken(&self) -> bool {
        self.hit.contains(&Edited::Overtaken)
    }

    fn words(&self) -> String {
        let [left, right] = self.hit.each_ref().map(Edited::hit);
        if self.same() {
            format!("{} hit on both sides {left}", self.what)
        } else {
            format!("{} hit left {left}; right {right}", self.what)
        }
    }
}

/// What became of the edits of slices by others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct EditCounts {
    /// Those that hit the same on both sides.
    pub(crate) same: usize,
    /// Those that hit slices of different content.
    pub(crate) different: usize,
    /// Those that were given up on a side, since its controller was faster each time.
    pub(crate) overtaken: usize,
}

impl EditCounts {
    /// Adds the counts of another.
    pub(crate) fn add(&mut self, other: Self) {
        self.same += other.same;
        self.different += other.different;
        self.overtaken += other.overtaken;
    }

    fn of(edits: &[TwoEdits]) -> Self {
        let overtaken = edits.iter().filter(|edit| edit.overtaken()).count();
        let same = edits
            .iter()
            .filter(|edit| !edit.overtaken() && edit.same())
            .count();
        Self {
            same,
            different: edits.len() - same - overtaken,
            overtaken,
        }
    }
}

const HOLDERS: [Holder; 2] = [Holder::Kcm, Holder::Quaymaster];

impl Pair {
    /// Starts two control planes, without slice controllers.
    pub(crate) async fn start(settings: &Settings<'_>) -> Result<Self> {
        let (kcm, quaymaster) = futures::try_join!(Plane::start(settings), Plane::start(settings))?;
        Ok(Self {
            planes: [kcm, quaymaster],
            refusals: Mutex::default(),
            edits: Mutex::default(),
            again: settings.again,
        })
    }

    /// Copies the logs to where they stay, and tells where.
    pub(crate) fn keep_logs(&self, seeds: &[u64]) {
        eprintln!("logs of the control planes of seeds {}:", listed(seeds));
        for (plane, holder) in self.planes.iter().zip(HOLDERS) {
            match plane.keep_logs() {
                Ok(kept) => eprintln!("  {} side: {}", holder.name(), kept.display()),
                Err(error) => eprintln!("  those of the {} side could not be kept: {error}", holder.name()),
            }
        }
    }

    pub(crate) fn edit_counts(&self) -> EditCounts {
        EditCounts::of(&self.edits.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn take_refusals(&self) -> Vec<String> {
        std::mem::take(&mut *self.refusals.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Starts both controllers.
    pub(crate) async fn hold(&mut self) -> Result<()> {
        let [left, right] = &mut self.planes;
        futures::try_join!(left.hold(HOLDERS[0]), right.hold(HOLDERS[1]))?;
        Ok(())
    }

    /// Ends both controllers.
    pub(crate) async fn release(&mut self) -> Result<()> {
        let [left, right] = &mut self.planes;
        futures::try_join!(left.release(), right.release())?;
        Ok(())
    }

    /// The ends of both audit logs.
    pub(crate) fn marks(&self) -> Result<[Mark; 2]> {
        let [left, right] = &self.planes;
        Ok([left.mark()?, right.mark()?])
    }

    /// The writes of slices that each controller asked for since.
    pub(crate) fn slice_writes(&self, since: [Mark; 2]) -> Result<[Vec<Entry>; 2]> {
        let [left, right] = &self.planes;
        Ok([
            left.slice_writes(since[0], HOLDERS[0])?,
            right.slice_writes(since[1], HOLDERS[1])?,
        ])
    }

    /// Waits until neither side has changed a slice for so long.
    pub(crate) async fn settle(&self, quiet: Duration) -> Result<()> {
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
    pub(crate) async fn populate(&self, worlds: &[World]) -> Result<()> {
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
                            kind: StepKind::PodAdded,
                            action: action.clone(),
                        };
                        self.step(plane, &nothing, step)
                    })
                    .buffer_unordered(PARALLEL)
                    .collect::<Vec<Edited>>()
                    .await;
            }
            Ok(())
        };
        let [left, right] = &self.planes;
        futures::try_join!(create(left), create(right))?;
        Ok(())
    }

    async fn step(&self, plane: &Plane, before: &Cluster, step: Step) -> Edited {
        let edited = match apply::step(&plane.client, before, &step).await {
            Ok(edited) => edited,
            Err(error) => {
                let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
                refusals.push(format!("{:?} of {}: {error}", step.kind, step.action.path()));
                Edited::Nothing
            }
        };
        match &edited {
            Edited::Nothing | Edited::Overtaken => {}
            Edited::At { revision, .. } => _ = plane.edits().revisions.insert(*revision),
            Edited::Deleted { uid, .. } => _ = plane.edits().deleted.insert(uid.clone()),
        }
        edited
    }

    fn edited(&self, index: usize, edit: &SliceEdit, hit: [Edited; 2]) {
        let mut edits = self.edits.lock().unwrap_or_else(PoisonError::into_inner);
        edits.push(TwoEdits {
            service: format!("{}/{}", edit.namespace, edit.service),
            what: format!("step {}: {:?}", index + 1, edit.kind),
            hit,
        });
    }

    /// Some steps of each cluster, given by a part of all: those of a cluster one after the other, the clusters beside each
    /// other.
    pub(crate) async fn churn(
        &self,
        worlds: &[World],
        clusters: &mut [Cluster],
        part: impl Fn(usize) -> Range<usize>,
    ) {
        let part = &part;
        let each = worlds
            .iter()
            .zip(clusters.iter_mut())
            .map(async |(world, cluster)| {
                for index in part(world.steps.len()) {
                    let step = &world.steps[index];
                    let [left, right] = &self.planes;
                    let hit = futures::join!(
                        self.step(left, cluster, step.clone()),
                        self.step(right, cluster, step.clone())
                    );
                    if let Action::EditSlice(edit) = &step.action {
                        self.edited(index, edit, hit.into());
                    }
                    cluster.apply(step);
                }
            });
        iter(each).buffer_unordered(PARALLEL).collect::<Vec<()>>().await;
    }

    /// Compares all clusters; what differs is looked at a second time.
    pub(crate) async fn compare(
        &self,
        worlds: &[World],
        when: &str,
        slice_count: bool,
        outcome: &mut Outcome,
    ) -> Result<()> {
        let first = self.look(worlds, slice_count, outcome).await?;
        let suspects = first.0.len();
        let (found, exceptions) = if suspects > 0 {
            self.settle(self.again).await?;
            self.look(worlds, slice_count, outcome).await?
        } else {
            first
        };
        outcome.late += suspects.saturating_sub(found.len());
        for (exception, count) in exceptions {
            *outcome.exceptions.entry(exception).or_default() += count;
        }
        let edits = self.edits.lock().unwrap_or_else(PoisonError::into_inner);
        outcome
            .differences
            .extend(found.into_iter().map(|(world, differences)| {
                let services = differences
                    .iter()
                    .map(|difference| difference.service().to_owned());
                let services: Vec<String> = services.collect();
                let concern = edits.iter().filter(|edit| services.contains(&edit.service));
                Finding {
                    prefix: world.prefix.clone(),
                    seed: world.seed,
                    when: when.to_owned(),
                    what: differences.iter().map(ToString::to_string).collect(),
                    edits: concern.map(TwoEdits::words).collect(),
                    services,
                }
            }));
        Ok(())
    }

    async fn look<'a>(
        &self,
        worlds: &'a [World],
        slice_count: bool,
        outcome: &mut Outcome,
    ) -> Result<(Vec<(&'a World, Vec<Difference>)>, Exceptions)> {
        let [left, right] = &self.planes;
        let (left, right) = futures::try_join!(left.snapshot(), right.snapshot())?;
        add(&mut outcome.slices, [left.kept_slices(), right.kept_slices()]);
        let alone = left.services_of_one_side(&right);
        if let Some(first) = alone.first() {
            bail!(
                "{} Services are on one control plane only, such as {first}",
                alone.len()
            );
        }
        let mut exceptions = Exceptions::new();
        let mut found = Vec::new();
        for world in worlds {
            let differences: Vec<Difference> = world
                .namespaces()
                .iter()
                .flat_map(|namespace| compare(&left, &right, namespace, slice_count, &mut exceptions))
                .collect();
            if !differences.is_empty() {
                found.push((world, differences));
            }
        }
        Ok((found, exceptions))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_that_hit_other_slices_or_none_is_told_of_both_sides() {
        let at = |slice: &str| Edited::At {
            revision: 1,
            slice: slice.to_owned(),
        };
        let edits = |hit| TwoEdits {
            service: "ns/web".to_owned(),
            what: "step 3: DropEndpoint".to_owned(),
            hit,
        };
        let deleted = Edited::Deleted {
            uid: "1".to_owned(),
            slice: "a".to_owned(),
        };
        let all = [
            edits([at("a"), at("a")]),
            edits([deleted.clone(), deleted]),
            edits([at("a"), at("b")]),
            edits([at("a"), Edited::Nothing]),
            edits([Edited::Overtaken, Edited::Overtaken]),
            edits([at("a"), Edited::Overtaken]),
        ];
        let counts = EditCounts {
            same: 2,
            different: 2,
            overtaken: 2,
        };
        assert_eq!(EditCounts::of(&all), counts);
        assert_eq!(all[0].words(), "step 3: DropEndpoint hit on both sides a");
        assert_eq!(all[2].words(), "step 3: DropEndpoint hit left a; right b");
    }
}
