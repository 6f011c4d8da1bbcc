//! Two equal control planes, and everything that is done to both.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures::stream::{StreamExt as _, TryStreamExt as _, iter};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::PostParams;
use quaymaster_oracle::Exceptions;
use quaymaster_oracle::generate::{Action, Cluster, Kind, Step, StepKind};
use quaymaster_oracle::minors::LEFT_BY_APISERVER;
use quaymaster_testkit::audit::{Entry, Mark};

use crate::apply::{self, Hit};
use crate::batch::{Finding, Outcome, Settings};
use crate::controllers::Controller;
use crate::edits::{EditCounts, TwoEdits};
use crate::failure::SubjectFailure;
use crate::kept::{Difference, ENDPOINTS, Look, compare};
use crate::plane::{Holder, Plane};
use crate::report::add;
use crate::run::listed;
use crate::world::World;

/// Requests at once to each side; more only wait in the apiserver.
const PARALLEL: usize = 32;
const QUIET_LIMIT: Duration = Duration::from_mins(2);

/// The two control planes: kube-controller-manager keeps the objects of the first, the subject those of the second.
pub(crate) struct Pair<'a> {
    pub(crate) planes: [Plane; 2],
    refusals: Mutex<Vec<String>>,
    edits: Mutex<Vec<TwoEdits>>,
    settings: Settings<'a>,
}

const HOLDERS: [Holder; 2] = [Holder::Kcm, Holder::Subject];

impl<'a> Pair<'a> {
    /// Starts two control planes, without slice controllers.
    pub(crate) async fn start(settings: &Settings<'a>) -> Result<Self> {
        let (kcm, quaymaster) = futures::try_join!(Plane::start(settings), Plane::start(settings))?;
        Ok(Self {
            planes: [kcm, quaymaster],
            refusals: Mutex::default(),
            edits: Mutex::default(),
            settings: settings.clone(),
        })
    }

    /// Copies the logs to where they stay, and tells where.
    pub(crate) fn keep_logs(&self, seeds: &[u64]) {
        eprintln!("logs of the control planes of seeds {}:", listed(seeds));
        for (plane, holder) in self.planes.iter().zip(HOLDERS) {
            let name = plane.subject().name_of(holder);
            match plane.keep_logs() {
                Ok(kept) => eprintln!("  {name} side: {}", kept.display()),
                Err(error) => eprintln!("  those of the {name} side could not be kept: {error}"),
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

    /// The writes of what is kept that each side's controller asked for since.
    pub(crate) fn kept_writes(&self, since: [Mark; 2]) -> Result<[Vec<Entry>; 2]> {
        let [left, right] = &self.planes;
        Ok([
            left.kept_writes(since[0], HOLDERS[0])?,
            right.kept_writes(since[1], HOLDERS[1])?,
        ])
    }

    /// Those of the subject's writes after a restart at rest that it had to make before: Endpoints without a Service are
    /// looked for at a start and not earlier (kubernetes `checkLeftoverEndpoints`).
    pub(crate) async fn missed(&self, mut writes: Vec<Entry>) -> Result<Vec<Entry>> {
        let services = self.planes[1].snapshot().await?;
        writes.retain(|write| {
            let sweep = write.verb == "delete" && write.resource() == ENDPOINTS;
            !sweep
                || services
                    .service(&format!("{}/{}", write.namespace(), write.name()))
                    .is_some()
        });
        Ok(writes)
    }

    /// Waits until neither side has changed anything that is kept for so long.
    pub(crate) async fn settle(&self, quiet: Duration) -> Result<()> {
        let [left, right] = &self.planes;
        let both = futures::join!(
            left.recorder.quiet(quiet, QUIET_LIMIT),
            right.recorder.quiet(quiet, QUIET_LIMIT)
        );
        match both {
            (true, true) => Ok(()),
            (false, _) => bail!("kube-controller-manager still writes after {QUIET_LIMIT:?}"),
            _ => Err(SubjectFailure::NeverRests { limit: QUIET_LIMIT }.into()),
        }
    }

    /// Everything there is at the start, kind by kind.
    pub(crate) async fn populate(&self, worlds: &[World]) -> Result<()> {
        let namespaces: Vec<String> = worlds.iter().flat_map(World::namespaces).collect();
        let of_kind = |kind: &Kind| -> Vec<Action> {
            let objects = worlds.iter().flat_map(|world| world.cluster.objects());
            let objects = objects.filter(|object| object.kind() == *kind);
            objects.cloned().map(Action::Put).collect()
        };
        let steps: Vec<Vec<Action>> = Kind::ALL.iter().map(of_kind).collect();
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
                    .collect::<Vec<Hit>>()
                    .await;
            }
            Ok(())
        };
        let [left, right] = &self.planes;
        futures::try_join!(create(left), create(right))?;
        Ok(())
    }

    async fn step(&self, plane: &Plane, before: &Cluster, step: Step) -> Hit {
        match apply::step(&plane.client, before, &step).await {
            Ok((edits, hit)) => {
                plane.edits().add(edits);
                hit
            }
            Err(error) => {
                let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
                refusals.push(format!("{:?} of {}: {error}", step.kind, step.action.path()));
                Hit::Nothing
            }
        }
    }

    /// Remembers what an edit hit.
    fn edited(&self, index: usize, action: &Action, hit: [Hit; 2]) {
        let Some(what) = action.edit() else { return };
        let mut edits = self.edits.lock().unwrap_or_else(PoisonError::into_inner);
        edits.push(TwoEdits {
            owner: action.path(),
            what: format!("step {}: {what}", index + 1),
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
                    self.edited(index, &step.action, hit.into());
                    cluster.apply(step);
                }
            });
        iter(each).buffer_unordered(PARALLEL).collect::<Vec<()>>().await;
    }

    /// Compares all clusters. What differs is looked at a second time, when kube-controller-manager has been started once more:
    /// where it does not know its nodes yet as it looks first, it gives no hints by annotation, and looks no more.
    pub(crate) async fn compare(
        &mut self,
        worlds: &[World],
        when: &str,
        fresh: bool,
        outcome: &mut Outcome,
    ) -> Result<()> {
        let first = self.look(worlds, fresh, outcome).await?;
        let suspects = first.0.len();
        let (found, exceptions) = if suspects > 0 {
            let [left, _] = &mut self.planes;
            left.release().await?;
            left.hold(HOLDERS[0]).await?;
            self.settle(self.settings.again).await?;
            self.look(worlds, fresh, outcome).await?
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
                let owners = differences.iter().map(|difference| difference.owner.clone());
                let owners: Vec<String> = owners.collect();
                let concern = edits.iter().filter(|edit| owners.contains(&edit.owner));
                Finding {
                    prefix: world.prefix.clone(),
                    seed: world.seed,
                    when: when.to_owned(),
                    what: differences.iter().map(ToString::to_string).collect(),
                    edits: concern.map(TwoEdits::words).collect(),
                    owners,
                }
            }));
        Ok(())
    }

    async fn look<'w>(
        &self,
        worlds: &'w [World],
        fresh: bool,
        outcome: &mut Outcome,
    ) -> Result<(Vec<(&'w World, Vec<Difference>)>, Exceptions)> {
        let [left, right] = &self.planes;
        let (left, right) = futures::try_join!(left.snapshot(), right.snapshot())?;
        let settings = &self.settings;
        if settings.controllers.has(Controller::EndpointSlice) {
            add(&mut outcome.slices, [left.kept_slices(), right.kept_slices()]);
        }
        let alone = left.services_of_one_side(&right);
        if let Some(first) = alone.first() {
            bail!(
                "{} Services are on one control plane only, such as {first}",
                alone.len()
            );
        }
        let minor = settings.minor.number();
        let mut recreated = BTreeSet::new();
        if minor >= LEFT_BY_APISERVER {
            let planes = self.planes.iter();
            recreated.extend(planes.flat_map(|plane| plane.recorder.recreated(Kind::Service)));
        }
        let remade = self.planes[0].recorder.recreated(Kind::Endpoints);
        let kept_once: BTreeSet<String> = self
            .planes
            .iter()
            .flat_map(|plane| plane.recorder.kept_endpoints())
            .collect();
        let refused = [self.planes[0].refused()?, self.planes[1].refused()?];
        let look = Look {
            left: &left,
            right: &right,
            fresh,
            controllers: settings.controllers,
            minor,
            max_mirrored: settings.max_mirrored,
            upstream: [true, settings.subject.is_kcm()],
            recreated: &recreated,
            remade: &remade,
            kept_once: &kept_once,
            refused: refused.each_ref().map(|refused| &refused.slices),
        };
        let mut exceptions = Exceptions::new();
        let mut found = Vec::new();
        for world in worlds {
            let differences = compare(&look, world, &mut exceptions);
            if !differences.is_empty() {
                found.push((world, differences));
            }
        }
        Ok((found, exceptions))
    }
}
