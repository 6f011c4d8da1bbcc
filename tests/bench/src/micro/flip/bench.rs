//! World and controller as the core holds them, and a flip taken through both.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use quaymaster_endpointslice::{EndpointSlices, Options};
use quaymaster_engine::controller::{Object, Stored};
use quaymaster_engine::{Answer, Controller as _, Dirty, Moment, Verdict};
use quaymaster_model::rules::NEWEST_TESTED;
use quaymaster_model::{
    Interner, NodeRecord, ObjectKey, PodRecord, ResourceVersion, ServiceRecord, SliceRecord, Text, Timestamp,
    UpstreamRules,
};
use quaymaster_runtime::metrics::Registry;
use quaymaster_slices::Settings;
use quaymaster_wire::json::Json;
use quaymaster_world::{Delta, Kind, World};
use serde_json::json;

use super::{decode, frame, pod_json, server};
use crate::micro::table::Cost;

/// The Service's name.
const SERVICE: &str = "web";
/// The default of `--max-endpoints-per-slice`.
const MAX_ENDPOINTS: usize = 100;
/// More than are ever in flight.
const ROOM: usize = 1_000;
/// Steps through the Pods, prime to every size.
const STRIDE: usize = 37;

/// What each step cost.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Steps {
    decode_pod: Cost,
    world: Cost,
    plan: Cost,
    encode: Cost,
    decode_answer: Cost,
    answer: Cost,
    plan_again: Cost,
    decode_echo: Cost,
    echo: Cost,
}

impl Steps {
    /// Steps with their names, in order, and whether the core task does them.
    pub(super) fn named(self) -> [(&'static str, Cost, bool); 9] {
        [
            ("Pod event: decode", self.decode_pod, false),
            ("Pod event: world, membership, mark", self.world, true),
            ("plan: review the slice, issue the write", self.plan, true),
            ("write: encode the slice", self.encode, false),
            ("answer: decode the slice", self.decode_answer, false),
            ("answer: world, held state", self.answer, true),
            ("plan: nothing more to do", self.plan_again, true),
            ("echo: decode the slice", self.decode_echo, false),
            ("echo: world, known already", self.echo, true),
        ]
    }

    /// The least of both for each step.
    pub(super) fn min(self, other: Self) -> Self {
        Self {
            decode_pod: self.decode_pod.min(other.decode_pod),
            world: self.world.min(other.world),
            plan: self.plan.min(other.plan),
            encode: self.encode.min(other.encode),
            decode_answer: self.decode_answer.min(other.decode_answer),
            answer: self.answer.min(other.answer),
            plan_again: self.plan_again.min(other.plan_again),
            decode_echo: self.decode_echo.min(other.decode_echo),
            echo: self.echo.min(other.echo),
        }
    }

    pub(super) fn total(self) -> Cost {
        self.named()
            .into_iter()
            .fold(Cost::default(), |sum, (_, cost, _)| sum.plus(cost))
    }
}

/// A Service whose slices are right.
pub(super) struct Bench {
    world: World,
    controller: EndpointSlices,
    pods: Json<PodRecord>,
    slices: Json<SliceRecord>,
    service: ObjectKey,
    ready: Vec<bool>,
    version: u64,
}

impl Bench {
    /// A Service of this many ready Pods.
    pub(super) fn new(size: usize) -> Result<Self> {
        let interner = Arc::new(Interner::new());
        let settings = Settings {
            max_endpoints: MAX_ENDPOINTS,
            rules: UpstreamRules::of(NEWEST_TESTED),
            rebalance_after: None,
        };
        let options = Options {
            settings,
            batch_period: Duration::ZERO,
        };
        let mut bench = Self {
            world: World::new(),
            controller: EndpointSlices::new(options, &Registry::new()),
            pods: Json::new(Arc::clone(&interner)),
            slices: Json::new(Arc::clone(&interner)),
            service: ObjectKey::new(Text::new("ns"), Text::new(SERVICE)),
            ready: vec![true; size],
            version: 10,
        };
        bench.read(&interner, size)?;
        bench.controller.start(&bench.world, &mut Dirty::default());
        let steps = bench.write(&mut Steps::default())?;
        ensure!(
            steps == size.div_ceil(MAX_ENDPOINTS),
            "{steps} slices were written"
        );
        Ok(bench)
    }

    fn read(&mut self, interner: &Arc<Interner>, size: usize) -> Result<()> {
        let mut ignore = |_: &World, _: &Delta<'_>| {};
        let kinds = [Kind::Service, Kind::Node, Kind::Pod, Kind::Slice];
        for kind in kinds {
            self.world.begin(kind);
        }
        let service = json!({
            "metadata": {"name": SERVICE, "namespace": "ns", "uid": "20000000-0000-4000-8000-000000000000",
                "resourceVersion": "1", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"selector": {"app": SERVICE}, "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"],
                "ipFamilies": ["IPv4"], "type": "ClusterIP",
                "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}]},
        });
        let services = Json::<ServiceRecord>::new(Arc::clone(interner));
        self.world
            .apply_service(services.object(service.to_string().as_bytes())?, &mut ignore);
        let node = json!({"metadata": {"name": "node-000", "resourceVersion": "1",
            "labels": {"topology.kubernetes.io/zone": "zone-a"}}});
        let nodes = Json::<NodeRecord>::new(Arc::clone(interner));
        self.world
            .apply_node(nodes.object(node.to_string().as_bytes())?, &mut ignore);
        for number in 0..size {
            let pod = pod_json(SERVICE, number, true, 1);
            self.world
                .apply_pod(self.pods.object(pod.as_bytes())?, &mut ignore);
        }
        for kind in kinds {
            self.world.end(kind, &ResourceVersion::new("10"), &mut ignore);
        }
        Ok(())
    }

    /// Flips Pods one after the other; each must give exactly one write.
    pub(super) fn flips(&mut self, run: usize, flips: usize) -> Result<Steps> {
        let mut steps = Steps::default();
        for flip in 0..flips {
            let number = (run * flips + flip) * STRIDE % self.ready.len();
            self.ready[number] = !self.ready[number];
            self.version += 1;
            let version = usize::try_from(self.version)?;
            let event = frame(
                "MODIFIED",
                &pod_json(SERVICE, number, self.ready[number], version),
            );
            let pod: PodRecord = steps.decode_pod.of(|| decode(&self.pods, event.as_bytes()))?;
            steps.world.of(|| {
                let (controller, mut dirty) = (&mut self.controller, Dirty::default());
                self.world
                    .apply_pod(pod, &mut |world: &World, delta: &Delta<'_>| {
                        controller.on(world, delta, &mut dirty);
                    });
            });
            let writes = self.write(&mut steps)?;
            ensure!(writes == 1, "a flip of Pod {number} gave {writes} writes");
        }
        Ok(steps)
    }

    /// Plans and answers until nothing is left to be written; returns the number of writes.
    fn write(&mut self, steps: &mut Steps) -> Result<usize> {
        let now = Moment {
            at: Instant::now(),
            wall: Timestamp(0),
        };
        let mut planned = steps
            .plan
            .of(|| self.controller.plan(&self.world, &self.service, ROOM, now));
        let mut writes = 0;
        let mut events = Vec::new();
        while !planned.requests.is_empty() {
            let mut again = false;
            for mut request in planned.requests {
                writes += 1;
                self.version += 1;
                let empty = quaymaster_runtime::pool::Payload::Ready(bytes::Bytes::new());
                let body = server::encode(std::mem::replace(&mut request.body, empty), &mut steps.encode)?;
                let (answer, event) = server::store(&request, &body, self.version)?;
                events.push(event);
                let slice = steps
                    .decode_answer
                    .of(|| self.slices.object(&answer).map(Arc::new))?;
                let verdict = steps.answer.of(|| {
                    let controller = &mut self.controller;
                    let mut dirty = Dirty::default();
                    self.world
                        .observe_written(&slice, &mut |world: &World, delta: &Delta<'_>| {
                            controller.on(world, delta, &mut dirty);
                        });
                    let stored = self.world.slice(&request.object).map_or(Stored::Gone, |slice| {
                        Stored::Object(Object::Slice(Arc::clone(slice)))
                    });
                    let answer = Answer {
                        key: &self.service,
                        object: &request.object,
                        verb: request.verb,
                        write: request.write,
                        result: Ok(stored),
                    };
                    controller.answered(&self.world, &answer)
                });
                ensure!(
                    !matches!(verdict, Verdict::Retry { .. }),
                    "an answer was taken for a failure"
                );
                again |= verdict == Verdict::Again;
            }
            planned = if again {
                steps
                    .plan_again
                    .of(|| self.controller.plan(&self.world, &self.service, ROOM, now))
            } else {
                break;
            };
        }
        for event in events {
            let slice: SliceRecord = steps.decode_echo.of(|| decode(&self.slices, &event))?;
            steps.echo.of(|| {
                let (controller, mut dirty) = (&mut self.controller, Dirty::default());
                self.world.apply(slice, &mut |world: &World, delta: &Delta<'_>| {
                    controller.on(world, delta, &mut dirty);
                });
            });
        }
        Ok(writes)
    }
}
