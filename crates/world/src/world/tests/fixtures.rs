//! Records, and a view that believes nothing it is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use quaymaster_api::{
    AllocationClaimSpec, EnforceReservation, NodePortPoolSpec, Policy, PortQuarantine, ServiceIPPoolSpec,
    ServiceReservationSpec,
};
use quaymaster_model::{
    AddressType, ClusterAddress, CustomRecord, EndpointAddress, EndpointRecord, EndpointsRecord, Interned,
    IpAddressRecord, LabelSet, NamespaceRecord, NodeRecord, ObjectKey, PodFlags, PodRecord, PortSet,
    ResourceVersion, Selector, ServiceCidrRecord, ServiceRecord, ServiceType, SliceRecord, Text, Uid,
};
use smallvec::smallvec;

use crate::{
    AllocationClaimRecord, Change, Delta, NodePortPoolRecord, Origin, PodId, ServiceId, ServiceIds,
    ServiceIpPoolRecord, ServiceReservationRecord, View, World,
};

pub(super) const NAMESPACE: &str = "shop";

pub(super) fn key(name: &str) -> ObjectKey {
    ObjectKey::new(Text::new(NAMESPACE), Text::new(name))
}

pub(super) fn uid(number: u64) -> Uid {
    Uid::new(&format!("uid-{number}"))
}

pub(super) fn version(number: u64) -> ResourceVersion {
    ResourceVersion::new(&number.to_string())
}

pub(super) fn labels(pairs: &[(&str, &str)]) -> Interned<LabelSet> {
    Interned::from_value(LabelSet::new(
        pairs.iter().map(|(k, v)| (Text::new(k), Text::new(v))),
    ))
}

pub(super) fn pod(name: &str, id: u64, pairs: &[(&str, &str)], node: Option<&str>) -> PodRecord {
    PodRecord {
        key: key(name),
        uid: uid(id),
        node: node.map(Text::new),
        labels: labels(pairs),
        ports: Interned::from_list(Vec::new()),
        addresses: smallvec![],
        hostname: None,
        ready_since: None,
        flags: PodFlags::default(),
    }
}

pub(super) fn service(name: &str, id: u64, at: u64, selector: &[(&str, &str)]) -> ServiceRecord {
    ServiceRecord {
        key: key(name),
        uid: uid(id),
        resource_version: version(at),
        labels: labels(&[]),
        created: None,
        terminating: false,
        kind: ServiceType::ClusterIp,
        selector: Selector::new(labels(selector)),
        ports: Vec::new(),
        cluster_ip: ClusterAddress::Unset,
        ip_families: Vec::new(),
        publish_not_ready: false,
        traffic_distribution: None,
        topology_auto: false,
        external_name: None,
        cluster_ips: smallvec![],
        health_check_node_port: 0,
        allocate_node_ports: None,
        external_traffic_policy_local: false,
        ip_family_policy: None,
        pools: None,
    }
}

pub(super) fn node(name: &str, zone: Option<&str>) -> NodeRecord {
    NodeRecord {
        name: Text::new(name),
        zone: zone.map(Text::new),
        ready: true,
        control_plane: false,
        allocatable_cpu_millis: 4_000,
    }
}

pub(super) fn namespace(name: &str, pairs: &[(&str, &str)], terminating: bool) -> NamespaceRecord {
    NamespaceRecord {
        name: Text::new(name),
        labels: labels(pairs),
        terminating,
    }
}

pub(super) fn slice(name: &str, id: u64, at: u64, service: Option<&str>) -> SliceRecord {
    let endpoint = EndpointRecord {
        addresses: smallvec![EndpointAddress::new("10.0.0.1")],
        conditions: quaymaster_model::Conditions::default(),
        hostname: None,
        node: None,
        zone: None,
        target: None,
        hints: None,
    };
    SliceRecord {
        key: key(name),
        uid: uid(id),
        resource_version: version(at),
        labels: service.map_or_else(
            || labels(&[]),
            |name| labels(&[(quaymaster_model::names::LABEL_SERVICE_NAME, name)]),
        ),
        annotations: Vec::new(),
        owners: smallvec![],
        finalizers: Vec::new(),
        terminating: false,
        address_type: AddressType::IPv4,
        ports: Interned::from_value(PortSet::default()),
        endpoints: vec![endpoint; usize::try_from(at % 3).unwrap()],
        unknown: None,
    }
}

pub(super) fn endpoints(name: &str, id: u64, at: u64) -> EndpointsRecord {
    EndpointsRecord {
        key: key(name),
        uid: uid(id),
        resource_version: version(at),
        labels: labels(&[]),
        annotations: Vec::new(),
        owners: smallvec![],
        finalizers: Vec::new(),
        terminating: false,
        subsets: None,
        digest: at.into(),
        addresses: 0,
        unknown: None,
    }
}

pub(super) fn service_cidr(name: &str, id: u64, at: u64) -> ServiceCidrRecord {
    ServiceCidrRecord {
        key: key(name),
        uid: uid(id),
        resource_version: version(at),
        finalizers: Vec::new(),
        deleted: None,
        cidrs: smallvec!["10.0.0.0/24".parse().unwrap()],
        ready: None,
    }
}

pub(super) fn ip_address(name: &str, id: u64, at: u64) -> IpAddressRecord {
    IpAddressRecord {
        key: key(name),
        uid: uid(id),
        resource_version: version(at),
        labels: labels(&[]),
        address: None,
        finalizers: Vec::new(),
        deleted: None,
        parent: None,
        released_at: None,
    }
}

/// A custom resource with this spec.
fn custom<S, T: Default>(name: &str, id: u64, at: u64, spec: S) -> CustomRecord<S, T> {
    CustomRecord {
        key: key(name),
        uid: uid(id),
        resource_version: version(at),
        generation: 1,
        created: None,
        deleted: None,
        finalizers: Vec::new(),
        spec: Arc::new(spec),
        status: Arc::default(),
    }
}

pub(super) fn service_ip_pool(name: &str, id: u64, at: u64) -> ServiceIpPoolRecord {
    custom(name, id, at, ServiceIPPoolSpec::default())
}

pub(super) fn node_port_pool(name: &str, id: u64, at: u64) -> NodePortPoolRecord {
    let spec = NodePortPoolSpec {
        ranges: Vec::new(),
        exclude: Vec::new(),
        uses: Vec::new(),
        policy: Policy::default(),
        quarantine: PortQuarantine::default(),
        share_across_protocols: true,
    };
    custom(name, id, at, spec)
}

pub(super) fn service_reservation(name: &str, id: u64, at: u64) -> ServiceReservationRecord {
    let spec = ServiceReservationSpec {
        service_name: "web".to_owned(),
        cluster_ips: Vec::new(),
        node_ports: Vec::new(),
        health_check_node_port: None,
        enforce: EnforceReservation::default(),
        expire_after_seconds: None,
    };
    custom(name, id, at, spec)
}

pub(super) fn allocation_claim(name: &str, id: u64, at: u64) -> AllocationClaimRecord {
    let spec = AllocationClaimSpec {
        namespace: "shop".to_owned(),
        name: Some("web".to_owned()),
        generate_name: None,
        request_uid: "request".to_owned(),
        replica: "a".to_owned(),
        seconds_to_live: 75,
    };
    custom(name, id, at, spec)
}

/// Builds everything up from the deltas alone, and checks each against what it has and against the world.
#[derive(Default)]
pub(super) struct Shadow {
    pub(super) pods: BTreeMap<PodId, PodRecord>,
    pub(super) services: BTreeMap<ServiceId, ServiceRecord>,
    pub(super) nodes: BTreeMap<Text, NodeRecord>,
    pub(super) namespaces: BTreeMap<Text, NamespaceRecord>,
    pub(super) slices: BTreeMap<ObjectKey, Arc<SliceRecord>>,
    pub(super) endpoints: BTreeMap<ObjectKey, Arc<EndpointsRecord>>,
    pub(super) service_cidrs: BTreeMap<ObjectKey, Arc<ServiceCidrRecord>>,
    pub(super) ip_addresses: BTreeMap<ObjectKey, Arc<IpAddressRecord>>,
    pub(super) service_ip_pools: BTreeMap<ObjectKey, Arc<ServiceIpPoolRecord>>,
    pub(super) node_port_pools: BTreeMap<ObjectKey, Arc<NodePortPoolRecord>>,
    pub(super) service_reservations: BTreeMap<ObjectKey, Arc<ServiceReservationRecord>>,
    pub(super) allocation_claims: BTreeMap<ObjectKey, Arc<AllocationClaimRecord>>,
    /// One line for each delta since the last look.
    pub(super) told: Vec<String>,
}

impl Shadow {
    /// What was told since the last call.
    pub(super) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }

    /// Services that select a Pod, by a scan.
    pub(super) fn matching(&self, pod: &PodRecord) -> ServiceIds {
        self.services
            .iter()
            .filter(|(_, service)| {
                let selects = |selector: &Selector| selector.matches(&pod.labels);
                service.key.namespace == pod.key.namespace && service.selector.as_ref().is_some_and(selects)
            })
            .map(|(id, _)| *id)
            .collect()
    }
}

fn replay<K: Ord, T: Clone + PartialEq + std::fmt::Debug>(
    held: &mut BTreeMap<K, T>,
    key: K,
    change: Change<'_, T>,
) -> &'static str {
    assert_eq!(held.get(&key), change.before(), "before is what was told last");
    assert_ne!(change.before(), change.after(), "nothing changed");
    match change {
        Change::Added(new) => {
            held.insert(key, new.clone());
            "added"
        }
        Change::Updated { new, .. } => {
            held.insert(key, new.clone());
            "updated"
        }
        Change::Removed(_) => {
            held.remove(&key);
            "removed"
        }
    }
}

/// As [`replay`], of a kind that is written as well; the line that it is told by.
fn replay_stored<'w, R: crate::Stored + std::fmt::Debug>(
    kind: &str,
    shadow: &mut BTreeMap<ObjectKey, Arc<R>>,
    held: impl Fn(&ObjectKey) -> Option<&'w Arc<R>>,
    change: Change<'_, Arc<R>>,
    origin: Origin,
) -> String {
    let key = change.latest().key().clone();
    assert_eq!(held(&key), change.after());
    let by = match origin {
        Origin::Watch => "by watch",
        Origin::OwnWrite => "by own write",
    };
    let what = replay(shadow, key.clone(), change);
    format!("{kind} {} {what} {by}", key.name)
}

impl View for Shadow {
    fn on(&mut self, world: &World, delta: &Delta<'_>) {
        let line = match *delta {
            Delta::Pod { id, change, moved } => {
                assert_eq!(world.pod(id), change.after());
                let services =
                    |pod: Option<&PodRecord>| pod.map_or_else(ServiceIds::new, |pod| self.matching(pod));
                let (before, after) = (services(change.before()), services(change.after()));
                let sorted = |parts: [&ServiceIds; 2]| {
                    let mut all: ServiceIds = parts.into_iter().flatten().copied().collect();
                    all.sort();
                    all
                };
                assert_eq!(sorted([&moved.left, &moved.stayed]), before);
                assert_eq!(sorted([&moved.stayed, &moved.joined]), after);
                assert!(moved.left.iter().all(|id| !after.contains(id)));
                assert!(moved.joined.iter().all(|id| !before.contains(id)));
                assert_eq!(world.membership().services_of(id), after.as_slice());
                let name = change.latest().key.name.clone();
                format!("pod {name} {}", replay(&mut self.pods, id, change))
            }
            Delta::Service { id, change } => {
                assert_eq!(world.service(id), change.after());
                let name = change.latest().key.name.clone();
                format!("service {name} {}", replay(&mut self.services, id, change))
            }
            Delta::Node { change } => {
                let name = change.latest().name.clone();
                assert_eq!(world.node(&name), change.after());
                let what = replay(&mut self.nodes, name.clone(), change);
                format!("node {name} {what}")
            }
            Delta::Namespace { change } => {
                let name = change.latest().name.clone();
                assert_eq!(world.namespace(&name), change.after());
                let what = replay(&mut self.namespaces, name.clone(), change);
                format!("namespace {name} {what}")
            }
            Delta::Slice { change, origin } => {
                let held = |key: &ObjectKey| world.slice(key);
                replay_stored("slice", &mut self.slices, held, change, origin)
            }
            Delta::Endpoints { change, origin } => {
                let held = |key: &ObjectKey| world.endpoints(key);
                replay_stored("endpoints", &mut self.endpoints, held, change, origin)
            }
            Delta::ServiceCidr { change, origin } => {
                let held = |key: &ObjectKey| world.service_cidr(key);
                replay_stored("servicecidr", &mut self.service_cidrs, held, change, origin)
            }
            Delta::IpAddress { change, origin } => {
                let held = |key: &ObjectKey| world.ip_address(key);
                replay_stored("ipaddress", &mut self.ip_addresses, held, change, origin)
            }
            Delta::ServiceIpPool { change, origin } => {
                let held = |key: &ObjectKey| world.service_ip_pool(key);
                replay_stored("serviceippool", &mut self.service_ip_pools, held, change, origin)
            }
            Delta::NodePortPool { change, origin } => {
                let held = |key: &ObjectKey| world.node_port_pool(key);
                replay_stored("nodeportpool", &mut self.node_port_pools, held, change, origin)
            }
            Delta::ServiceReservation { change, origin } => {
                let held = |key: &ObjectKey| world.service_reservation(key);
                replay_stored(
                    "servicereservation",
                    &mut self.service_reservations,
                    held,
                    change,
                    origin,
                )
            }
            Delta::AllocationClaim { change, origin } => {
                let held = |key: &ObjectKey| world.allocation_claim(key);
                replay_stored(
                    "allocationclaim",
                    &mut self.allocation_claims,
                    held,
                    change,
                    origin,
                )
            }
        };
        self.told.push(line);
    }
}

/// A world read once, and its shadow.
pub(super) fn synced() -> (World, Shadow) {
    let (mut world, mut shadow) = (World::new(), Shadow::default());
    for kind in crate::Kind::ALL {
        world.begin(kind);
        world.end(kind, &version(1), &mut shadow);
    }
    (world, shadow)
}
