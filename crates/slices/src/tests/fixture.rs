//! A Service with its held state, among what surrounds it.

mod objects;
mod world;

use std::sync::Arc;
use std::time::Instant;

use quaymaster_model::{
    IpFamily, KubernetesVersion, PodRecord, ResourceVersion, ServiceRecord, SliceRecord, Text, Timestamp,
    UpstreamRules,
};

pub(super) use self::objects::{named_port, node, not_ready, pod, pod_name, port, service, with_port};
pub(super) use self::world::{Stored, World, stored};
use crate::{
    Context, Finished, Op, Outcome, Plan, ServiceSlices, Settings, SliceDraft, Summary, Turns, Write,
};

pub(super) const NAMESPACE: &str = "test";

/// A Service with its held state and everything around it.
pub(super) struct Fixture {
    pub(super) service: ServiceRecord,
    pub(super) world: World,
    pub(super) settings: Settings,
    pub(super) state: ServiceSlices,
    /// The time, which stands still unless a test lets it pass.
    pub(super) now: Instant,
    pub(super) turns: Turns,
    /// All writes so far, in the order in which they were issued.
    pub(super) log: Vec<Write>,
}

impl Fixture {
    /// A single-stack IPv4 Service with port 80 and no Pods; all Pods of the world match its selector.
    pub(super) fn new() -> Self {
        let service = service();
        let state = ServiceSlices::new(service.uid.clone(), service.created);
        let mut world = World::default();
        world.set_node(node("n", Some("z")));
        let rules = UpstreamRules::of(KubernetesVersion { minor: 37 });
        Self {
            service,
            world,
            settings: Settings {
                max_endpoints: 100,
                rules,
                rebalance_after: None,
            },
            state,
            now: Instant::now(),
            turns: Turns::default(),
            log: Vec::new(),
        }
    }

    pub(super) fn with_pods(mut self, count: usize) -> Self {
        for n in 0..count {
            self.world.add(pod(n));
        }
        self
    }

    /// A Service of the port `web` of these Pods, whatever its number; its slices are written.
    pub(super) fn of_named_port(pods: &[(usize, i32)]) -> Self {
        let mut fixture = Self::new();
        let target = quaymaster_model::TargetPort::Name("web".into());
        fixture.service.ports = vec![port("http", 80, target)];
        for (n, number) in pods {
            fixture.world.add(with_port(*n, *number));
        }
        fixture.start();
        fixture
    }

    /// Stores a slice, as if it had been there before.
    pub(super) fn store(&mut self, draft: SliceDraft, name: &str) {
        let slice = self.world.store(draft, &Text::new(name), None);
        self.world.slices.insert(slice.key.name.clone(), slice);
    }

    /// A slice of this Service that holds Pods by number, as a finished controller would have left it.
    pub(super) fn store_pods(&mut self, name: &str, pods: std::ops::Range<usize>) {
        let ports = self.ports();
        let endpoints = pods
            .filter_map(|n| {
                let pod = pod(n);
                let node = self.world.nodes.get(pod.node.as_ref()?);
                crate::convert::endpoint(
                    &self.service,
                    &pod,
                    node,
                    IpFamily::V4,
                    crate::convert::HintMode::Off,
                )
            })
            .collect();
        let draft = SliceDraft {
            labels: crate::labels::wanted(&self.service),
            annotations: Vec::new(),
            trigger: None,
            owners: vec![quaymaster_model::OwnerRef {
                api_version: "v1".into(),
                kind: "Service".into(),
                name: self.service.key.name.clone(),
                uid: self.service.uid.clone(),
                controller: Some(true),
                block_owner_deletion: Some(true),
            }],
            finalizers: Vec::new(),
            address_type: quaymaster_model::AddressType::IPv4,
            ports,
            endpoints: Arc::new(endpoints),
            unknown: None,
        };
        self.store(draft, name);
    }

    fn ports(&self) -> Vec<quaymaster_model::EndpointPort> {
        crate::convert::ports(&self.service, &pod(0)).ports().to_vec()
    }

    /// A new process: the state is built from what is stored.
    pub(super) fn restart(&mut self) {
        self.restart_numbered_from(0);
    }

    /// A new state that numbers its writes from here on.
    pub(super) fn restart_numbered_from(&mut self, first: u64) {
        self.state = ServiceSlices::new(self.service.uid.clone(), self.service.created).numbered_from(first);
        let cx = Context {
            service: &self.service,
            cluster: &self.world,
            settings: &self.settings,
        };
        for slice in self.world.slices.values() {
            self.state.slice_seen(cx, Arc::clone(slice));
        }
        self.state.refresh(cx);
    }

    /// A new process that has written what there was to write.
    pub(super) fn start(&mut self) {
        self.restart();
        self.settle();
    }

    pub(super) fn refresh(&mut self) {
        let cx = Context {
            service: &self.service,
            cluster: &self.world,
            settings: &self.settings,
        };
        self.state.refresh(cx);
    }

    /// Adds or changes a Pod and tells the state.
    pub(super) fn set_pod(&mut self, pod: PodRecord) {
        self.set_pod_at(pod, None);
    }

    /// The same with a trigger time.
    pub(super) fn set_pod_at(&mut self, pod: PodRecord, trigger: Option<Timestamp>) {
        let name = pod.key.name.clone();
        self.world.add(pod);
        let cx = Context {
            service: &self.service,
            cluster: &self.world,
            settings: &self.settings,
        };
        let pod = self.world.pods.get(&name);
        self.state.pod_changed(cx, &name, pod, trigger);
    }

    pub(super) fn remove_pod(&mut self, n: usize) {
        let name = Text::new(&pod_name(n));
        self.world.pods.remove(&name);
        self.tell(&name);
    }

    pub(super) fn tell(&mut self, name: &Text) {
        let cx = Context {
            service: &self.service,
            cluster: &self.world,
            settings: &self.settings,
        };
        let pod = self.world.pods.get(name);
        self.state.pod_changed(cx, name, pod, None);
    }

    /// Changes or removes a Pod, and says how urgent that is.
    pub(super) fn urgency_of(&mut self, pod: Option<PodRecord>, n: usize) -> crate::Urgency {
        let name = Text::new(&pod_name(n));
        match pod {
            Some(pod) => self.world.add(pod),
            None => drop(self.world.pods.remove(&name)),
        }
        let cx = Context {
            service: &self.service,
            cluster: &self.world,
            settings: &self.settings,
        };
        let pod = self.world.pods.get(&name);
        self.state.pod_changed(cx, &name, pod, None)
    }

    pub(super) fn summary(&self) -> Summary {
        let cx = Context {
            service: &self.service,
            cluster: &self.world,
            settings: &self.settings,
        };
        self.state.summary(cx)
    }

    pub(super) fn plan(&mut self, limit: usize) -> Vec<Write> {
        self.plan_whole(limit).writes
    }

    pub(super) fn plan_whole(&mut self, limit: usize) -> Plan {
        let cx = Context {
            service: &self.service,
            cluster: &self.world,
            settings: &self.settings,
        };
        let plan = self.state.plan(cx, limit, self.now, &mut self.turns);
        let plan = plan.expect("the Service selects Pods");
        self.log.extend(plan.writes.iter().cloned());
        plan
    }

    /// Carries a write out and tells the state.
    pub(super) fn perform(&mut self, write: &Write) {
        let outcome = self.world.perform(write);
        self.finish(write, outcome);
    }

    /// Answers a write.
    pub(super) fn finish(&mut self, write: &Write, outcome: Outcome) -> Finished {
        let cx = Context {
            service: &self.service,
            cluster: &self.world,
            settings: &self.settings,
        };
        self.state.finished(cx, &write.key.name, write.id, outcome)
    }

    /// Changes a slice before the state is built.
    pub(super) fn edit(&mut self, name: &str, change: impl FnOnce(&mut SliceRecord)) {
        change(Arc::make_mut(self.world.slices.get_mut(name).unwrap()));
    }

    /// Somebody else changes a slice; the watch has not told yet.
    pub(super) fn touch(&mut self, name: &str, change: impl FnOnce(&mut SliceRecord)) -> Arc<SliceRecord> {
        self.world.versions += 1;
        let version = ResourceVersion::new(&self.world.versions.to_string());
        let slice = self.world.slices.get_mut(name).unwrap();
        change(Arc::make_mut(slice));
        Arc::make_mut(slice).resource_version = version;
        Arc::clone(slice)
    }

    /// The watch tells a slice. Whether it is another's doing that is to be looked at.
    pub(super) fn see(&mut self, slice: Arc<SliceRecord>) -> bool {
        let cx = Context {
            service: &self.service,
            cluster: &self.world,
            settings: &self.settings,
        };
        self.state.slice_seen(cx, slice)
    }

    /// The watch tells a slice as it is stored.
    pub(super) fn see_stored(&mut self, name: &str) -> bool {
        self.see(Arc::clone(&self.world.slices[name]))
    }

    /// The watch tells that a slice is gone. Whether it is another's doing that is to be put right.
    pub(super) fn gone(&mut self, name: &str) -> bool {
        let cx = Context {
            service: &self.service,
            cluster: &self.world,
            settings: &self.settings,
        };
        self.state.slice_gone(cx, &Text::new(name))
    }

    /// Names of the Pods in slices, sorted; repeated ones repeatedly.
    pub(super) fn published(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .world
            .slices
            .keys()
            .flat_map(|name| self.order(name))
            .collect();
        names.sort();
        names
    }

    /// Names of the Pods in a slice, in order.
    pub(super) fn order(&self, name: &str) -> Vec<String> {
        let endpoints = self.world.slices[name].endpoints.iter();
        endpoints
            .map(|endpoint| endpoint.target.as_ref().unwrap().name.to_string())
            .collect()
    }

    /// Plans and writes until there is nothing left to write. Returns what was written.
    pub(super) fn settle(&mut self) -> Vec<Write> {
        let start = self.log.len();
        for _ in 0..1000 {
            let writes = self.plan(16);
            if writes.is_empty() {
                assert_eq!(self.state.in_flight(), 0);
                return self.log[start..].to_vec();
            }
            for write in writes {
                self.perform(&write);
            }
        }
        panic!("never settles: {:#?}", &self.log[self.log.len() - 4..]);
    }

    /// Numbers of endpoints of all slices, largest first.
    pub(super) fn sizes(&self) -> Vec<usize> {
        let mut sizes: Vec<usize> = self
            .world
            .slices
            .values()
            .map(|slice| slice.endpoints.len())
            .collect();
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        sizes
    }
}

/// Numbers of creates, updates and deletes.
pub(super) fn counts(writes: &[Write]) -> (usize, usize, usize) {
    let count = |is: fn(&Op) -> bool| writes.iter().filter(|write| is(&write.op)).count();
    (
        count(|op| matches!(op, Op::Create(_))),
        count(|op| matches!(op, Op::Update { .. })),
        count(|op| matches!(op, Op::Delete { .. })),
    )
}

/// The number of updates, of which all writes must be.
pub(super) fn updates(writes: &[Write]) -> usize {
    let (creates, updates, deletes) = counts(writes);
    assert_eq!((creates, deletes), (0, 0), "{writes:#?}");
    updates
}

/// What a write puts into its slice.
pub(super) fn draft(write: &Write) -> &SliceDraft {
    match &write.op {
        Op::Create(draft) | Op::Update { draft, .. } => draft,
        Op::Delete { .. } => panic!("{write:#?}"),
    }
}

/// The endpoint of a Service that has one.
pub(super) fn only_endpoint(fixture: &Fixture) -> quaymaster_model::EndpointRecord {
    let slices = fixture.world.slices.values();
    let endpoints: Vec<_> = slices.flat_map(|slice| &slice.endpoints).collect();
    let [only] = endpoints.as_slice() else {
        panic!("{endpoints:#?}")
    };
    (*only).clone()
}
