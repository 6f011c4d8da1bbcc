//! Without a webhook: node ports of Services that the apiserver has just chosen are moved into the pools that are for them.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use quaymaster_api::PortUse;
use quaymaster_ipam::service::{Metadata, Port, Service, Spec};
use quaymaster_ipam::{Ask, Asker, Class, Decision, Index, Operation, Refusal, Value, review};
use quaymaster_model::{LabelSet, ObjectKey, ServiceRecord, ServiceType, Timestamp, Uid, names};
use quaymaster_runtime::events::Notice;

/// So long after its creation a Service is moved without asking for it: clients have hardly seen its node ports by then.
pub const YOUNG: Duration = Duration::from_mins(1);

/// What was moved, by Services: each once.
#[derive(Debug, Default)]
pub(crate) struct Moves {
    done: HashMap<ObjectKey, Uid>,
    /// What is to be told of them.
    pub(crate) notices: HashMap<ObjectKey, Notice>,
}

impl Moves {
    /// The Service is moved, and never again.
    pub(crate) fn note(&mut self, key: &ObjectKey, uid: Uid) {
        self.done.insert(key.clone(), uid);
    }

    pub(crate) fn is_done(&self, service: &ServiceRecord) -> bool {
        self.done.get(&service.key) == Some(&service.uid)
    }

    pub(crate) fn forget(&mut self, key: &ObjectKey) {
        self.done.remove(key);
        self.notices.remove(key);
    }
}

/// What is to be done with a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// Nothing.
    None,
    /// Ports by their places are to have these node ports, out of these pools.
    To(Vec<(usize, u16)>, Vec<String>),
    /// It ought to be moved and cannot.
    Refused(Refusal),
}

/// Whether a Service is of those that are moved: a young one, or one that names a pool.
pub fn is_candidate(service: &ServiceRecord, wall: Timestamp) -> bool {
    let has_node_ports = matches!(service.kind, ServiceType::NodePort | ServiceType::LoadBalancer);
    // One that was created in the future by this clock is young as well.
    let young = i64::try_from(YOUNG.as_secs()).unwrap_or(i64::MAX);
    let is_young = service
        .created
        .is_some_and(|created| wall.0.saturating_sub(created.0) < young);
    has_node_ports && !service.terminating && (is_young || service.node_port_pool().is_some())
}

/// The places of ports whose node port is in no pool that is for the Service, where there is such a pool.
pub fn outside(index: &Index, service: &ServiceRecord) -> Vec<usize> {
    let none = LabelSet::empty();
    let namespace_labels = index
        .namespace(&service.key.namespace)
        .map_or(&none, |labels| -> &LabelSet { labels });
    let port_use = if service.kind == ServiceType::LoadBalancer {
        PortUse::LoadBalancer
    } else {
        PortUse::NodePort
    };
    let named = service.node_port_pool().map(quaymaster_model::Text::as_str);
    let asker = Asker {
        name: &service.key.name,
        namespace: &service.key.namespace,
        namespace_labels,
        labels: &service.labels,
        named,
        port_use: Some(port_use),
    };
    // Of a pool that it names and that is not for it, it is told so.
    if index
        .pools_for(&asker, Class::Port)
        .is_ok_and(|pools| pools.is_empty())
    {
        return Vec::new();
    }
    let is_inside = |port: u16| {
        let place = index.ports.pool_of(Value::port(port));
        let pool = place.and_then(|place| index.ports.pool(place));
        pool.is_some_and(|pool| match named {
            Some(name) => pool.name == name,
            // Also of one that gives nothing out any more: what is in it stays.
            None => asker.is_admitted(pool) && pool.uses.contains(&port_use),
        })
    };
    let ports = service.ports.iter().enumerate();
    let outside = ports.filter(|(_, port)| port.node_port != 0 && !is_inside(port.node_port));
    outside.map(|(place, _)| place).collect()
}

/// Chooses node ports for those that are outside. They are kept for the Service from now on.
pub(crate) fn choose(
    index: &mut Index,
    service: &ServiceRecord,
    now: Instant,
    mut random: impl FnMut() -> u128,
) -> Move {
    let outside = outside(index, service);
    if outside.is_empty() {
        return Move::None;
    }
    let object = without(service, &outside);
    let ask = Ask {
        uid: "",
        // Nothing is carried over, and nothing taken back that another request was given.
        operation: Operation::Update,
        dry_run: false,
        namespace: &service.key.namespace,
        name: &service.key.name,
        object: &object,
        old: None,
    };
    match review(index, &ask, now, &mut random) {
        Decision::Fill(filled) if !filled.node_ports.is_empty() => {
            Move::To(filled.node_ports, filled.pools.into_iter().collect())
        }
        Decision::Pass | Decision::Fill(_) => Move::None,
        Decision::Refuse(refusal) => Move::Refused(refusal),
    }
}

/// The Service as it would be created without these node ports. Its addresses are of no matter here, and as a headless one it
/// lacks none.
fn without(service: &ServiceRecord, outside: &[usize]) -> Service {
    let text = |text: &quaymaster_model::Text| text.to_string();
    let ports = service.ports.iter().enumerate().map(|(place, port)| Port {
        name: text(&port.name),
        number: port.port,
        node_port: if outside.contains(&place) {
            0
        } else {
            port.node_port.into()
        },
    });
    let annotation = service.node_port_pool();
    let annotation = annotation.map(|pool| (names::ANNOTATION_NODE_PORT_POOL.to_owned(), text(pool)));
    let labels = service.labels.iter();
    Service {
        metadata: Metadata {
            uid: service.uid.to_string(),
            labels: labels.map(|(key, value)| (text(key), text(value))).collect(),
            annotations: annotation.into_iter().collect(),
        },
        spec: Spec {
            kind: match service.kind {
                ServiceType::LoadBalancer => "LoadBalancer",
                _ => "NodePort",
            }
            .to_owned(),
            cluster_ip: "None".to_owned(),
            ports: ports.collect(),
            health_check_node_port: service.health_check_node_port.into(),
            ..Spec::default()
        },
    }
}
