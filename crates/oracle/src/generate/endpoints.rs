//! Endpoints that users make by hand, and what nobody would make.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    EndpointAddress, EndpointPort, EndpointSubset, Endpoints, Node, ObjectReference, Pod, Service,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Generator;
use super::object::{Key, Object};
use super::step::{Step, StepKind};
use crate::names;

/// More addresses than are published of one object, or mirrored of one subset.
const MANY: usize = 1005;

impl Generator {
    /// Endpoints for the Services that have no selector, and some for no Service at all.
    pub(super) fn populate_endpoints(&mut self) {
        let services: Vec<Key> = self.without_selector();
        for key in services {
            if self.rng.chance(75) {
                let step = self.put_endpoints(&key.namespace, &key.name);
                self.cluster.apply(&step);
            }
        }
        if self.rng.chance(40) {
            let step = self.orphan();
            self.cluster.apply(&step);
        }
    }

    /// Any change of hand-made Endpoints.
    pub(super) fn change_endpoints(&mut self) -> Option<Step> {
        match self.rng.below(20) {
            0..8 => {
                let services = self.without_selector();
                let key = self.rng.pick_opt(&services)?.clone();
                Some(self.put_endpoints(&key.namespace, &key.name))
            }
            // Over those of a controller, if there are any.
            8 | 9 => {
                let service = self.any_service()?;
                let Key { namespace, name, .. } = Object::from(service).key();
                Some(self.put_endpoints(&namespace, &name))
            }
            10 | 11 => Some(self.orphan()),
            12..15 => {
                let made = self.any_endpoints()?;
                Some(self.relabel(made))
            }
            15..18 => {
                let made = self.any_endpoints()?;
                let key = Object::from(made).key();
                if self.rng.chance(50) {
                    let again = self.endpoints(&key.namespace, &key.name);
                    self.later
                        .push_back(Step::put(StepKind::EndpointsRecreated, again));
                }
                Some(Step::delete(StepKind::EndpointsDeleted, key))
            }
            // Whoever made them.
            _ => {
                let key = Object::from(self.any_service()?).key();
                let key = Key::of::<Endpoints>(&key.namespace, &key.name);
                // Those of a controller are deleted by edits.
                self.cluster
                    .object(&key)
                    .is_some()
                    .then(|| Step::delete(StepKind::EndpointsDeleted, key))
            }
        }
    }

    pub(super) fn without_selector(&self) -> Vec<Key> {
        let without = |service: &&Service| service.spec.as_ref().is_none_or(|spec| spec.selector.is_none());
        let services = self.cluster.all::<Service>().filter(without);
        services
            .map(|service| Object::from(service.clone()).key())
            .collect()
    }

    fn any_endpoints(&mut self) -> Option<Endpoints> {
        let made: Vec<&Endpoints> = self.cluster.all().collect();
        self.rng.pick_opt(&made).map(|made| (*made).clone())
    }

    fn put_endpoints(&mut self, namespace: &str, name: &str) -> Step {
        let mut made = self.endpoints(namespace, name);
        let before = self.cluster.get::<Endpoints>(namespace, name);
        let kind = match before {
            // Deleted and made again at once, so that slices of the earlier ones may be there still.
            Some(_) if self.next_name.is_multiple_of(5) => StepKind::EndpointsRecreated,
            Some(before) => {
                made.metadata.uid.clone_from(&before.metadata.uid);
                StepKind::EndpointsChanged
            }
            None => StepKind::EndpointsAdded,
        };
        Step::put(kind, made)
    }

    /// Endpoints without a Service of their name.
    fn orphan(&mut self) -> Step {
        let (namespace, serial) = (self.namespace(), self.serial());
        let made = self.endpoints(&namespace, &format!("lone-{serial}"));
        Step::put(StepKind::EndpointsAdded, made)
    }

    /// The same addresses under other labels and annotations.
    fn relabel(&mut self, mut made: Endpoints) -> Step {
        made.metadata.labels = self.endpoints_labels();
        made.metadata.annotations = self.endpoints_annotations();
        Step::put(StepKind::EndpointsRelabelled, made)
    }

    /// Endpoints of a random shape, not stored yet.
    fn endpoints(&mut self, namespace: &str, name: &str) -> Endpoints {
        let serial = self.serial();
        let subsets = match self.rng.below(100) {
            0..5 => None,
            5..8 => Some(Vec::new()),
            8..11 => Some(vec![self.many_addresses()]),
            _ => Some(self.subsets(namespace)),
        };
        Endpoints {
            metadata: ObjectMeta {
                namespace: Some(namespace.to_owned()),
                name: Some(name.to_owned()),
                uid: Some(format!("endpoints-uid-{serial}")),
                labels: self.endpoints_labels(),
                annotations: self.endpoints_annotations(),
                ..ObjectMeta::default()
            },
            subsets,
        }
    }

    /// Labels of users, and some that controllers give a meaning.
    fn endpoints_labels(&mut self) -> Option<BTreeMap<String, String>> {
        let mut labels = BTreeMap::new();
        let mut add = |percent: usize, key: &str, values: [&str; 2]| {
            if self.rng.chance(percent) {
                labels.insert(key.to_owned(), self.rng.pick(values).to_owned());
            }
        };
        add(50, "team", ["red", "blue"]);
        add(8, names::SKIP_MIRROR, ["true", "true"]);
        add(5, names::SKIP_MIRROR, ["false", "yes"]);
        add(6, names::HEADLESS, ["", "yes"]);
        add(5, names::SERVICE_NAME, ["someone-else", ""]);
        add(
            5,
            names::SLICE_MANAGED_BY,
            ["someone-else", names::SLICE_CONTROLLER],
        );
        add(3, names::ENDPOINTS_MANAGED_BY, ["someone-else", ""]);
        (!labels.is_empty()).then_some(labels)
    }

    fn endpoints_annotations(&mut self) -> Option<BTreeMap<String, String>> {
        let mut annotations = BTreeMap::new();
        let mut add = |percent: usize, key: &str, value: &str| {
            if self.rng.chance(percent) {
                annotations.insert(key.to_owned(), value.to_owned());
            }
        };
        add(20, "note.example.org/of", "a user");
        add(15, names::LAST_APPLIED, "{\"kind\":\"Endpoints\"}");
        add(10, names::TRIGGER_TIME, "2025-12-31T00:00:00Z");
        add(5, names::OVER_CAPACITY, names::TRUNCATED);
        add(3, names::OVER_CAPACITY, "warning");
        add(6, names::LEADER, "{\"holderIdentity\":\"somebody\"}");
        (!annotations.is_empty()).then_some(annotations)
    }

    /// More addresses than fit, ready or not, of both families.
    fn many_addresses(&mut self) -> EndpointSubset {
        let ready = self.rng.pick([MANY, 990]);
        let address = |number: usize| {
            let ip = if number.is_multiple_of(9) {
                format!("fd00:201::{number:x}")
            } else {
                format!("10.201.{}.{}", number / 250, number % 250 + 1)
            };
            EndpointAddress {
                ip,
                ..EndpointAddress::default()
            }
        };
        EndpointSubset {
            addresses: Some((0..ready).map(address).collect()),
            not_ready_addresses: Some((ready..MANY + 5).map(address).collect()),
            ports: Some(vec![port("many", 7000, "TCP", None)]),
        }
    }

    /// One to three subsets. Ports of one name are one port in all of them, since a slice may not have a name twice.
    fn subsets(&mut self, namespace: &str) -> Vec<EndpointSubset> {
        let protocol = self.rng.chance(25).then_some("http");
        let choices = [
            port("http", self.rng.pick([80, 80, 8080]), "TCP", protocol),
            port("dns", 53, "UDP", None),
            port(
                "dns-tcp",
                53,
                "TCP",
                self.rng.chance(10).then_some("example.com/dns"),
            ),
            port("metrics", 9100, "SCTP", None),
        ];
        let unnamed = self.rng.chance(15);
        let count = self.rng.pick([1, 1, 2, 2, 3]);
        let mut subsets: Vec<EndpointSubset> = Vec::new();
        for index in 0..count {
            let ports = if unnamed {
                Some(vec![port("", 80, "TCP", protocol)])
            } else {
                match self.rng.below(10) {
                    0 => None,
                    1 => Some(Vec::new()),
                    _ => {
                        let from = self.rng.below(choices.len());
                        let to = (from + 1 + self.rng.below(2)).min(choices.len());
                        Some(choices[from..to].to_vec())
                    }
                }
            };
            // The same ports as before, as a user writes who thinks in addresses.
            let ports = match subsets.last() {
                Some(last) if self.rng.chance(30) => last.ports.clone(),
                _ => ports,
            };
            subsets.push(self.subset(namespace, ports, index));
        }
        subsets
    }

    /// Some addresses, at least one. The first one of a subset with an application protocol is in no other: subsets of the
    /// same addresses would become a slice with one port name twice, which the API refuses.
    fn subset(&mut self, namespace: &str, ports: Option<Vec<EndpointPort>>, index: usize) -> EndpointSubset {
        let with_protocol = ports.iter().flatten().any(|port| port.app_protocol.is_some());
        let mut ready: Vec<EndpointAddress> =
            (0..self.rng.below(4)).map(|_| self.address(namespace)).collect();
        let not_ready: Vec<EndpointAddress> = (0..self.rng.pick([0, 0, 1, 2]))
            .map(|_| self.address(namespace))
            .collect();
        if with_protocol || ready.is_empty() && not_ready.is_empty() {
            let serial = self.serial();
            ready.push(EndpointAddress {
                ip: format!("10.202.{}.{}", serial / 250 % 250, serial % 250 + 1),
                ..EndpointAddress::default()
            });
        }
        // Absent, `null` and empty lists are the same to the API.
        let list = |list: Vec<EndpointAddress>| (!list.is_empty() || index > 0).then_some(list);
        EndpointSubset {
            addresses: list(ready),
            not_ready_addresses: list(not_ready),
            ports,
        }
    }

    /// An address of a small pool, so that it comes again in the same object.
    fn address(&mut self, namespace: &str) -> EndpointAddress {
        let number = self.rng.below(6) + 1;
        let ip = match self.rng.below(20) {
            0 => format!("::ffff:10.200.0.{number}"),
            1 => format!("010.200.000.00{number}"),
            2 => format!("FD00:200:0:0::{number}"),
            3..7 => format!("fd00:200::{number}"),
            _ => format!("10.200.0.{number}"),
        };
        let hostname = self
            .rng
            .chance(10)
            .then(|| self.rng.pick(["one", "two"]).to_owned());
        let node_name = self.rng.chance(20).then(|| self.some_node());
        EndpointAddress {
            hostname,
            ip,
            node_name,
            target_ref: self.target(namespace),
        }
    }

    fn some_node(&mut self) -> String {
        let nodes: Vec<String> = self
            .cluster
            .all::<Node>()
            .filter_map(|node| node.metadata.name.clone())
            .collect();
        let known = self.rng.pick_opt(&nodes).cloned();
        known
            .filter(|_| self.rng.chance(70))
            .unwrap_or_else(|| "machine-of-nobody".to_owned())
    }

    fn target(&mut self, namespace: &str) -> Option<ObjectReference> {
        let text = |text: &str| Some(text.to_owned());
        match self.rng.below(20) {
            0..3 => {
                let pods = self
                    .cluster
                    .all::<Pod>()
                    .filter_map(|pod| pod.metadata.name.clone());
                let pods: Vec<String> = pods.collect();
                Some(ObjectReference {
                    kind: text("Pod"),
                    namespace: text(namespace),
                    name: self.rng.pick_opt(&pods).cloned(),
                    uid: text("made-up"),
                    ..ObjectReference::default()
                })
            }
            3 => Some(ObjectReference {
                api_version: text("example.com/v1"),
                kind: text("Machine"),
                name: text("machine-1"),
                field_path: text("spec.network"),
                resource_version: text("7"),
                ..ObjectReference::default()
            }),
            4 => Some(ObjectReference {
                name: Some(self.rng.pick(["one", "two"]).to_owned()),
                uid: Some(self.rng.pick(["b", "a"]).to_owned()),
                ..ObjectReference::default()
            }),
            5 => Some(ObjectReference::default()),
            _ => None,
        }
    }
}

fn port(name: &str, number: i32, protocol: &str, app_protocol: Option<&str>) -> EndpointPort {
    EndpointPort {
        app_protocol: app_protocol.map(str::to_owned),
        name: (!name.is_empty()).then(|| name.to_owned()),
        port: number,
        protocol: Some(protocol.to_owned()),
    }
}
