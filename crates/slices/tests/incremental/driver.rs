//! The states of all Services over a world, and the apiserver they write to. Everything crosses as JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::discovery::v1::EndpointSlice;
use quaymaster_model::{
    Interner, KubernetesVersion, NodeRecord, ObjectKey, PodRecord, ResourceVersion, ServiceRecord,
    SliceRecord, Text, Uid, UpstreamRules, names,
};
use quaymaster_oracle::generate::{Change, ChangeKind, Cluster as Objects, Object};
use quaymaster_oracle::sim::{ApiServer, Preconditions};
use quaymaster_slices::topology::Zones;
use quaymaster_slices::{
    Cluster, Context, Finished, Op, Outcome, ServiceSlices, Settings, SliceDraft, Write,
};
use quaymaster_wire::json::{NodeDecoder, PodDecoder, ServiceDecoder, SliceBody, SliceDecoder, encode_slice};
use quaymaster_world::{self as world, Delta, Origin, ServiceId, World};

/// Numbers of creates, updates and deletes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) creates: usize,
    pub(crate) updates: usize,
    pub(crate) deletes: usize,
}

/// What is held of the Services.
pub(crate) struct Held {
    pub(crate) services: BTreeMap<u32, ServiceSlices>,
    zones: Zones,
    settings: Settings,
}

struct Backing<'a> {
    world: &'a World,
    service: ServiceId,
    namespace: &'a Text,
    zones: &'a Zones,
}

impl Cluster for Backing<'_> {
    fn members(&self) -> impl Iterator<Item = &PodRecord> {
        let members = self.world.membership().pods_of(self.service);
        members.filter_map(|id| self.world.pod(id))
    }

    fn member(&self, name: &Text) -> Option<&PodRecord> {
        let key = ObjectKey::new(self.namespace.clone(), name.clone());
        let id = self.world.pod_id(&key)?;
        let is_member = self.world.membership().contains(self.service, id);
        self.world.pod(id).filter(|_| is_member)
    }

    fn node(&self, name: &Text) -> Option<&NodeRecord> {
        self.world.node(name)
    }

    fn slice_exists(&self, name: &str) -> bool {
        let key = ObjectKey::new(self.namespace.clone(), Text::new(name));
        self.world.slice(&key).is_some()
    }

    fn zones(&self) -> &Zones {
        self.zones
    }
}

impl Held {
    pub(crate) fn new(max: usize, minor: u32) -> Self {
        Self {
            services: BTreeMap::new(),
            zones: Zones::default(),
            settings: Settings {
                max_endpoints: max,
                rules: UpstreamRules::of(KubernetesVersion { minor }),
            },
        }
    }

    fn with<T>(
        &mut self,
        world: &World,
        id: ServiceId,
        act: impl FnOnce(&mut ServiceSlices, Context<'_, Backing<'_>>) -> T,
    ) -> Option<T> {
        let service = world.service(id)?;
        let state = self.services.get_mut(&id.0)?;
        let backing = Backing {
            world,
            service: id,
            namespace: &service.key.namespace,
            zones: &self.zones,
        };
        let cx = Context {
            service,
            cluster: &backing,
            settings: &self.settings,
        };
        Some(act(state, cx))
    }

    fn on(&mut self, world: &World, delta: &Delta<'_>) {
        match delta {
            Delta::Pod { change, moved, .. } => {
                let name = &change.latest().key.name;
                let trigger = change.after().and_then(|pod| pod.ready_since);
                for id in moved.left.iter().chain(&moved.stayed).chain(&moved.joined) {
                    self.with(world, *id, |state, cx| state.pod_changed(cx, name, trigger));
                }
            }
            Delta::Service { id, change, .. } => match change.after() {
                Some(service) => self.service(world, *id, service),
                None => _ = self.services.remove(&id.0),
            },
            Delta::Node { change } => {
                let node = change.latest().name.clone();
                for pod in world.pods_on(&node).collect::<Vec<_>>() {
                    let Some(name) = world.pod(pod).map(|pod| pod.key.name.clone()) else {
                        continue;
                    };
                    for id in world.membership().services_of(pod).to_vec() {
                        self.with(world, id, |state, cx| state.pod_changed(cx, &name, None));
                    }
                }
                if self.zones.node_changed(change.before(), change.after()) {
                    self.services.values_mut().for_each(ServiceSlices::look_again);
                }
            }
            Delta::Slice {
                change,
                origin: Origin::Watch,
            } => self.slice(world, *change),
            Delta::Slice { .. } => {}
        }
    }

    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method itself is not general enough"
    )]
    fn service(&mut self, world: &World, id: ServiceId, service: &ServiceRecord) {
        if !service.selects_pods() {
            self.services.remove(&id.0);
            return;
        }
        if !self.services.contains_key(&id.0) {
            self.restart(world, id);
            return;
        }
        self.with(world, id, |state, cx| state.refresh(cx));
    }

    /// Builds the state of a Service from what the world holds, as a new process would.
    pub(crate) fn restart(&mut self, world: &World, id: ServiceId) {
        let Some(service) = world.service(id).filter(|service| service.selects_pods()) else {
            return;
        };
        let state = ServiceSlices::new(service.uid.clone(), service.created);
        self.services.insert(id.0, state);
        let slices: Vec<_> = world
            .slices_of(&service.key)
            .filter(|slice| slice.is_managed_by(names::MANAGER_ENDPOINTSLICE))
            .cloned()
            .collect();
        self.with(world, id, |state, cx| {
            for slice in slices {
                state.slice_seen(cx, slice);
            }
            state.refresh(cx);
        });
    }

    fn slice(&mut self, world: &World, change: world::Change<'_, Arc<SliceRecord>>) {
        let owner = |slice: &SliceRecord| {
            let service = slice.service_of(names::MANAGER_ENDPOINTSLICE)?;
            world.service_id(&service)
        };
        let before = change.before().and_then(|slice| owner(slice));
        let after = change.after().and_then(|slice| owner(slice));
        if let Some(id) = before.filter(|before| after != Some(*before)) {
            self.with(world, id, |state, cx| {
                state.slice_gone(cx, &change.latest().key.name);
            });
        }
        if let (Some(id), Some(slice)) = (after, change.after()) {
            self.with(world, id, |state, cx| state.slice_seen(cx, Arc::clone(slice)));
        }
    }

    /// The next writes of a Service.
    pub(crate) fn plan(&mut self, world: &World, id: ServiceId, limit: usize) -> Vec<Write> {
        self.with(world, id, |state, cx| state.plan(cx, limit))
            .unwrap_or_default()
            .writes
    }
}

/// Decoders, world and states: a whole controller without its clients.
pub(crate) struct Driver {
    pods: PodDecoder,
    services: ServiceDecoder,
    nodes: NodeDecoder,
    slices: SliceDecoder,
    pub(crate) world: World,
    pub(crate) held: Held,
    /// Up to here the watch of slices has told.
    told: u64,
}

impl Driver {
    /// A process that starts over these objects.
    pub(crate) fn start(objects: &Objects, server: &ApiServer, max: usize, minor: u32) -> Self {
        let interner = Arc::new(Interner::new());
        let mut driver = Self {
            pods: PodDecoder::new(Arc::clone(&interner)),
            services: ServiceDecoder::new(Arc::clone(&interner)),
            nodes: NodeDecoder::new(Arc::clone(&interner)),
            slices: SliceDecoder::new(interner),
            world: World::new(),
            held: Held::new(max, minor),
            told: server.resource_version(),
        };
        for slice in server.list() {
            let record = driver.slices.object(slice.to_string().as_bytes()).unwrap();
            let Driver { world, held, .. } = &mut driver;
            world.apply_slice(record, &mut |world: &World, delta: &Delta<'_>| {
                held.on(world, delta);
            });
        }
        let added = |object| Change {
            kind: ChangeKind::Added,
            object,
        };
        for node in objects.nodes.values() {
            driver.tell(&added(Object::Node(Box::new(node.clone()))));
        }
        for pod in objects.pods.values() {
            driver.tell(&added(Object::Pod(Box::new(pod.clone()))));
        }
        for service in objects.services.values() {
            driver.tell(&added(Object::Service(Box::new(service.clone()))));
        }
        driver
    }

    /// A watch tells a change.
    pub(crate) fn tell(&mut self, change: &Change) {
        let Driver { world, held, .. } = self;
        let mut view = |world: &World, delta: &Delta<'_>| held.on(world, delta);
        let gone = change.kind == ChangeKind::Deleted;
        match &change.object {
            Object::Node(node) => {
                let record = self.nodes.object(&serde_json::to_vec(node).unwrap()).unwrap();
                if gone {
                    world.delete_node(&record.name, &mut view);
                } else {
                    world.apply_node(record, &mut view);
                }
            }
            Object::Service(service) => {
                let record = self
                    .services
                    .object(&serde_json::to_vec(service).unwrap())
                    .unwrap();
                if gone {
                    world.delete_service(&record.key, &record.uid, &mut view);
                } else {
                    world.apply_service(record, &mut view);
                }
            }
            Object::Pod(pod) => {
                let record = self.pods.object(&serde_json::to_vec(pod).unwrap()).unwrap();
                if gone {
                    world.delete_pod(&record.key, &record.uid, &mut view);
                } else {
                    world.apply_pod(record, &mut view);
                }
            }
        }
    }

    /// The watch of slices tells all it has not told yet.
    pub(crate) fn tell_slices(&mut self, server: &ApiServer) {
        for event in server.events_since(self.told) {
            let record = self.slices.object(event.object.to_string().as_bytes()).unwrap();
            let Driver { world, held, .. } = self;
            let mut view = |world: &World, delta: &Delta<'_>| held.on(world, delta);
            if event.type_ == "DELETED" {
                world.delete_slice(&record.key, &record.uid, &mut view);
            } else {
                world.apply_slice(record, &mut view);
            }
        }
        self.told = server.resource_version();
    }

    pub(crate) fn service_id(&self, namespace: &str, name: &str) -> Option<ServiceId> {
        self.world
            .service_id(&ObjectKey::new(Text::new(namespace), Text::new(name)))
    }

    /// Writes for one Service until there is nothing left to write. The watch lags behind if `lag`.
    pub(crate) fn settle(&mut self, server: &mut ApiServer, id: ServiceId, lag: bool) -> Counts {
        let mut counts = Counts::default();
        for _ in 0..200 {
            let writes = self.held.plan(&self.world, id, 16);
            if writes.is_empty() {
                return counts;
            }
            for write in writes {
                match write.op {
                    Op::Create(_) => counts.creates += 1,
                    Op::Update { .. } => counts.updates += 1,
                    Op::Delete { .. } => counts.deletes += 1,
                }
                self.perform(server, id, &write);
                if !lag {
                    self.tell_slices(server);
                }
            }
        }
        panic!("never settles");
    }

    fn perform(&mut self, server: &mut ApiServer, id: ServiceId, write: &Write) {
        let outcome = match &write.op {
            Op::Create(draft) => self.stored(&server.create(body(&write.key, draft, None)).unwrap()),
            Op::Update {
                draft,
                uid,
                resource_version,
            } => {
                let over = Some((uid, resource_version));
                self.stored(&server.update(body(&write.key, draft, over)).unwrap())
            }
            Op::Delete {
                uid,
                resource_version,
            } => {
                let only = Preconditions {
                    uid: Some(uid.to_string()),
                    resource_version: Some(resource_version.to_string()),
                };
                server
                    .delete(&write.key.namespace, &write.key.name, &only)
                    .unwrap();
                self.world
                    .observe_deleted(&write.key, uid, &mut |_: &World, _: &Delta<'_>| {});
                Outcome::Deleted
            }
        };
        let after = self.held.with(&self.world, id, |state, cx| {
            state.finished(cx, &write.key.name, write.id, outcome)
        });
        assert_eq!(
            after,
            Some(Finished::Done),
            "what was sent comes back: {write:#?}"
        );
    }

    fn stored(&mut self, response: &serde_json::Value) -> Outcome {
        let record = self.slices.object(response.to_string().as_bytes()).unwrap();
        self.world
            .observe_written(record.clone(), &mut |_: &World, _: &Delta<'_>| {});
        Outcome::Stored(Arc::new(record))
    }
}

fn body(key: &ObjectKey, draft: &SliceDraft, over: Option<(&Uid, &ResourceVersion)>) -> serde_json::Value {
    let mut annotations = draft.annotations.clone();
    if let Some(trigger) = draft.trigger {
        let key = Text::new(names::ANNOTATION_TRIGGER_TIME);
        annotations.push((key, Text::new(&trigger.to_string())));
    }
    let body = SliceBody {
        name: &key.name,
        namespace: &key.namespace,
        labels: &draft.labels,
        annotations: &annotations,
        owners: &draft.owners,
        finalizers: &draft.finalizers,
        resource_version: over.map(|(_, version)| version),
        uid: over.map(|(uid, _)| uid),
        address_type: &draft.address_type,
        ports: &draft.ports,
        endpoints: &draft.endpoints,
        unknown: draft.unknown.as_deref(),
    };
    serde_json::from_slice(&encode_slice(&body).unwrap()).unwrap()
}

/// The slices that the slice controller would list for a Service.
pub(crate) fn slices_of(server: &ApiServer, namespace: &str, service: &str) -> Vec<EndpointSlice> {
    let has = |slice: &EndpointSlice, key: &str, value: &str| {
        slice
            .metadata
            .labels
            .as_ref()
            .and_then(|labels| labels.get(key))
            .is_some_and(|held| held == value)
    };
    let mut slices: Vec<EndpointSlice> = server
        .list()
        .into_iter()
        .filter(|slice| {
            slice["metadata"]["namespace"] == *namespace
                && slice["metadata"]["labels"][names::LABEL_SERVICE_NAME] == *service
        })
        .map(|slice| serde_json::from_value(slice).unwrap())
        .collect();
    slices.retain(|slice| {
        slice.metadata.namespace.as_deref() == Some(namespace)
            && has(slice, names::LABEL_SERVICE_NAME, service)
            && has(slice, names::LABEL_MANAGED_BY, names::MANAGER_ENDPOINTSLICE)
    });
    slices
}
