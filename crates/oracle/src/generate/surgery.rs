//! Changes to Services that exist, as far as the API server allows them.

use k8s_openapi::api::core::v1::Service;

use super::Generator;
use super::object::{Key, Object};
use super::ports::service_ports;
use super::services::{DISTRIBUTIONS, make_external_name};
use super::step::{Step, StepKind};

impl Generator {
    /// Any change of any Service, `None` when the chosen one does not allow the chosen change.
    pub(super) fn change_service(&mut self) -> Option<Step> {
        let mut service = self.any_service()?;
        let external = type_of(&service) == "ExternalName";
        let kind = match self.rng.below(22) {
            0 => return Some(self.delete_service(&service)),
            1 => self.terminate(&mut service)?,
            2 | 3 => StepKind::SelectorChanged,
            4 => StepKind::SelectorRemoved,
            5 => StepKind::SelectorAdded,
            6..9 => StepKind::PortsChanged,
            9 | 10 => StepKind::ServiceLabelsChanged,
            11 => StepKind::TypeToNodePort,
            12 => StepKind::TypeToExternalName,
            13 | 14 => StepKind::TypeFromExternalName,
            15 => StepKind::FamilyAdded,
            16 => StepKind::FamilyRemoved,
            17 => StepKind::PublishNotReadyFlipped,
            18 | 19 => StepKind::TrafficDistributionChanged,
            _ => StepKind::TopologyAnnotationChanged,
        };
        let before = service.clone();
        /// A Service of more ports would use up those of the nodes.
        const FEW: usize = 10;
        let ports = service
            .spec
            .as_ref()
            .and_then(|spec| spec.ports.as_ref())
            .map_or(0, Vec::len);
        let may_have_node_ports = type_of(&service) == "ClusterIP" && !headless(&service) && ports < FEW;
        let spec = service.spec.get_or_insert_default();
        match kind {
            StepKind::SelectorChanged if spec.selector.is_some() => spec.selector = Some(self.selector()),
            StepKind::SelectorRemoved => spec.selector = None,
            StepKind::SelectorAdded if spec.selector.is_none() => spec.selector = Some(self.selector()),
            StepKind::PortsChanged if !external => {
                spec.ports = Some(service_ports(&mut self.rng));
                if spec.type_.as_deref() == Some("NodePort") {
                    self.make_node_port(&mut service);
                }
            }
            StepKind::ServiceLabelsChanged => service.metadata.labels = self.service_labels(),
            StepKind::TypeToNodePort if may_have_node_ports => {
                self.make_node_port(&mut service);
            }
            StepKind::TypeToExternalName if !external => make_external_name(&mut service),
            StepKind::TypeFromExternalName if external => {
                let headless = self.rng.chance(30);
                let ports = service_ports(&mut self.rng);
                self.make_cluster_ip(&mut service, ports, headless);
            }
            StepKind::FamilyAdded => self.add_family(&mut service),
            StepKind::FamilyRemoved => remove_family(&mut service),
            StepKind::PublishNotReadyFlipped => {
                spec.publish_not_ready_addresses = if spec.publish_not_ready_addresses == Some(true) {
                    None
                } else {
                    Some(true)
                };
            }
            StepKind::TrafficDistributionChanged if !external => {
                spec.traffic_distribution = self.rng.pick(DISTRIBUTIONS).map(str::to_owned);
            }
            StepKind::TopologyAnnotationChanged => {
                service.metadata.annotations = self.topology_annotations();
            }
            _ => {}
        }
        (service != before || kind == StepKind::ServiceTerminating).then(|| Step::put(kind, service))
    }

    fn delete_service(&mut self, service: &Service) -> Step {
        let Key { namespace, name, .. } = Object::from(service.clone()).key();
        if self.rng.chance(60) {
            let again = self.service(namespace.clone(), name.clone());
            self.later.push_back(Step::put(StepKind::ServiceRecreated, again));
        }
        Step::delete(StepKind::ServiceDeleted, Key::of::<Service>(&namespace, &name))
    }

    /// A deletion held by a finalizer, as of a load balancer that must be torn down; it ends later.
    fn terminate(&mut self, service: &mut Service) -> Option<StepKind> {
        if service.metadata.deletion_timestamp.is_some() {
            return None;
        }
        service.metadata.finalizers = Some(vec!["service.kubernetes.io/load-balancer-cleanup".to_owned()]);
        service.metadata.deletion_timestamp = Some(self.cluster.now());
        service.metadata.deletion_grace_period_seconds = Some(0);
        let Key { namespace, name, .. } = Object::from(service.clone()).key();
        let key = Key::of::<Service>(&namespace, &name);
        self.later.push_back(Step::delete(StepKind::ServiceDeleted, key));
        Some(StepKind::ServiceTerminating)
    }

    fn add_family(&mut self, service: &mut Service) {
        let headless = headless(service);
        let spec = service.spec.get_or_insert_default();
        let (Some(families), Some(addresses)) = (&mut spec.ip_families, &mut spec.cluster_ips) else {
            return;
        };
        if let [only] = families.as_slice() {
            let second = if only == "IPv4" { "IPv6" } else { "IPv4" };
            families.push(second.to_owned());
            spec.ip_family_policy = Some("PreferDualStack".to_owned());
            if !headless {
                addresses.push(self.cluster_ip(second));
            }
        }
    }
}

/// The primary family cannot change; the second one may go.
fn remove_family(service: &mut Service) {
    let spec = service.spec.get_or_insert_default();
    let (Some(families), Some(addresses)) = (&mut spec.ip_families, &mut spec.cluster_ips) else {
        return;
    };
    if families.len() > 1 {
        families.truncate(1);
        addresses.truncate(1);
        spec.ip_family_policy = Some("SingleStack".to_owned());
    }
}

fn type_of(service: &Service) -> &str {
    service
        .spec
        .as_ref()
        .and_then(|spec| spec.type_.as_deref())
        .unwrap_or_default()
}

fn headless(service: &Service) -> bool {
    service.spec.as_ref().and_then(|spec| spec.cluster_ip.as_deref()) == Some("None")
}
