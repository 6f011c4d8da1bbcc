//! Services of every shape.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Generator;
use super::pods::{LABELS, OF_ALL};
use super::ports::{large_ports, service_ports, wide_ports};
use super::step::{Step, StepKind};
use crate::names;

/// Values of `trafficDistribution`, known and unknown.
pub(super) const DISTRIBUTIONS: [Option<&str>; 5] = [
    None,
    Some("PreferClose"),
    Some("PreferSameZone"),
    Some("PreferSameNode"),
    Some("example.com/unknown"),
];

impl Generator {
    pub(super) fn new_service(&mut self) -> Step {
        let namespace = self.namespace();
        let serial = self.serial();
        let service = self.service(namespace, format!("svc-{serial}"));
        Step::put(StepKind::ServiceAdded, service)
    }

    /// A Service of a random shape, not stored yet.
    pub(super) fn service(&mut self, namespace: String, name: String) -> Service {
        let serial = self.serial();
        let mut service = Service {
            metadata: ObjectMeta {
                namespace: Some(namespace),
                name: Some(name),
                uid: Some(format!("service-uid-{serial}")),
                labels: self.service_labels(),
                annotations: self.topology_annotations(),
                ..ObjectMeta::default()
            },
            spec: Some(ServiceSpec {
                selector: self.rng.chance(82).then(|| self.selector()),
                session_affinity: Some("None".to_owned()),
                publish_not_ready_addresses: self.rng.chance(15).then_some(true),
                traffic_distribution: self
                    .rng
                    .chance(30)
                    .then(|| self.rng.pick(DISTRIBUTIONS))
                    .flatten()
                    .map(str::to_owned),
                ..ServiceSpec::default()
            }),
            status: None,
        };
        match self.rng.below(100) {
            0..8 => make_external_name(&mut service),
            8..30 => {
                let ports = if self.rng.chance(40) {
                    Vec::new()
                } else {
                    service_ports(&mut self.rng)
                };
                self.make_cluster_ip(&mut service, ports, true);
            }
            30..40 => {
                let ports = service_ports(&mut self.rng);
                self.make_cluster_ip(&mut service, ports, false);
                self.make_node_port(&mut service);
            }
            _ => {
                let ports = service_ports(&mut self.rng);
                self.make_cluster_ip(&mut service, ports, false);
            }
        }
        service
    }

    /// A Service of all Pods of a namespace that are labelled so, whose Endpoints have no room for all addresses.
    pub(super) fn service_of_all(&mut self) -> Step {
        let serial = self.serial();
        let mut service = self.service("ns-0".to_owned(), format!("all-{serial}"));
        let ports = if self.wide { wide_ports() } else { large_ports() };
        self.make_cluster_ip(&mut service, ports, false);
        let spec = service.spec.get_or_insert_default();
        let (label, value) = if self.wide { ("app", "web") } else { OF_ALL };
        spec.external_traffic_policy = None;
        // Of every other one all addresses are ready, too many of them.
        if self.wide && serial.is_multiple_of(2) {
            spec.publish_not_ready_addresses = Some(true);
        }
        spec.selector = Some([(label.to_owned(), value.to_owned())].into());
        Step::put(StepKind::ServiceAdded, service)
    }

    /// One to three pairs.
    pub(super) fn selector(&mut self) -> BTreeMap<String, String> {
        let count = self.rng.pick([1, 1, 1, 2, 2, 3]);
        LABELS
            .iter()
            .take(count)
            .map(|(name, values)| {
                let index = if self.rng.chance(60) {
                    0
                } else {
                    self.rng.below(values.len())
                };
                ((*name).to_owned(), values[index].to_owned())
            })
            .collect()
    }

    /// Labels of a Service, sometimes with keys that are reserved on slices.
    pub(super) fn service_labels(&mut self) -> Option<BTreeMap<String, String>> {
        let mut labels = BTreeMap::new();
        if self.rng.chance(60) {
            labels.insert("team".to_owned(), self.rng.pick(["red", "blue"]).to_owned());
        }
        if self.rng.chance(30) {
            labels.insert("empty".to_owned(), String::new());
        }
        if self.rng.chance(10) {
            labels.insert(names::HEADLESS.to_owned(), "yes".to_owned());
        }
        if self.rng.chance(5) {
            labels.insert(names::SERVICE_NAME.to_owned(), "someone-else".to_owned());
        }
        if self.rng.chance(5) {
            labels.insert(names::SLICE_MANAGED_BY.to_owned(), "someone-else".to_owned());
        }
        (!labels.is_empty()).then_some(labels)
    }

    pub(super) fn topology_annotations(&mut self) -> Option<BTreeMap<String, String>> {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        match self.rng.below(100) {
            0..12 => Some([pair(names::TOPOLOGY_MODE, self.rng.pick(["Auto", "auto"]))].into()),
            12..15 => Some([pair(names::TOPOLOGY_HINTS, "Auto")].into()),
            15..18 => Some(
                [
                    pair(names::TOPOLOGY_MODE, "Auto"),
                    pair(names::TOPOLOGY_HINTS, "disabled"),
                ]
                .into(),
            ),
            18..30 => Some([pair("example.com/note", "not for slices")].into()),
            _ => None,
        }
    }

    /// Families and cluster IPs as the API server allocates them; the type `ClusterIP`.
    pub(super) fn make_cluster_ip(&mut self, service: &mut Service, ports: Vec<ServicePort>, headless: bool) {
        let (policy, families): (&str, &[&str]) = match self.rng.below(10) {
            0 => ("SingleStack", &["IPv6"]),
            1..4 => ("PreferDualStack", &["IPv4", "IPv6"]),
            4 => ("RequireDualStack", &["IPv6", "IPv4"]),
            _ => ("SingleStack", &["IPv4"]),
        };
        let addresses: Vec<String> = families
            .iter()
            .map(|family| {
                if headless {
                    "None".to_owned()
                } else {
                    self.cluster_ip(family)
                }
            })
            .collect();
        let spec = service.spec.get_or_insert_default();
        spec.type_ = Some("ClusterIP".to_owned());
        spec.external_name = None;
        spec.internal_traffic_policy = Some("Cluster".to_owned());
        spec.ip_family_policy = Some(policy.to_owned());
        spec.ip_families = Some(families.iter().map(|family| (*family).to_owned()).collect());
        spec.cluster_ip = addresses.first().cloned();
        // A headless Service has one "None", however many families.
        spec.cluster_ips = Some(if headless {
            vec!["None".to_owned()]
        } else {
            addresses
        });
        spec.ports = (!ports.is_empty()).then_some(ports);
    }

    pub(super) fn cluster_ip(&mut self, family: &str) -> String {
        let serial = self.serial();
        match family {
            "IPv6" => format!("fd00:96::{serial:x}"),
            _ => format!("10.96.{}.{}", serial / 250, serial % 250 + 1),
        }
    }

    pub(super) fn make_node_port(&mut self, service: &mut Service) {
        /// First of the default range of node ports.
        const FIRST: i32 = 30_000;
        let serial = self.serial();
        let spec = service.spec.get_or_insert_default();
        spec.type_ = Some("NodePort".to_owned());
        spec.external_traffic_policy = Some("Cluster".to_owned());
        for (offset, port) in (0..).zip(spec.ports.iter_mut().flatten()) {
            port.node_port = Some(FIRST + offset + i32::try_from(serial).unwrap_or(0) * 3 % 2700);
        }
    }
}

/// Type `ExternalName`: no cluster IP, no families. Ports and selector may stay.
pub(super) fn make_external_name(service: &mut Service) {
    let spec = service.spec.get_or_insert_default();
    spec.type_ = Some("ExternalName".to_owned());
    spec.external_name = Some("example.com".to_owned());
    spec.internal_traffic_policy = None;
    spec.external_traffic_policy = None;
    spec.ip_family_policy = None;
    spec.ip_families = None;
    spec.cluster_ip = None;
    spec.cluster_ips = None;
    spec.traffic_distribution = None;
    for port in spec.ports.iter_mut().flatten() {
        port.node_port = None;
    }
}
