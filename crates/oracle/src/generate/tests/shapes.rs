//! Every shape an object can have occurs among the generated ones.

use std::collections::BTreeSet;
use std::net::IpAddr;

use k8s_openapi::api::core::v1::{EndpointAddress, EndpointSubset, Endpoints, Pod, Service};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::super::{Action, Object, Size, StepKind, generate, in_space};
use super::hinted_by_annotation;
use crate::names;
use crate::rules::cidrs::holds;
use crate::rules::mirroring::{Config, desired};

type Shape<T> = (&'static str, fn(&T) -> bool);

/// Names of the shapes that none of the objects has.
fn missing<T>(shapes: &[Shape<T>], objects: &[T]) -> Vec<&'static str> {
    let absent = shapes.iter().filter(|(_, is)| !objects.iter().any(is));
    absent.map(|(name, _)| *name).collect()
}

fn all_endpoints() -> Vec<Endpoints> {
    let mut endpoints = Vec::new();
    for seed in 0..60 {
        let mut scenario = generate(seed, Size::Small);
        for step in &scenario.steps {
            scenario.cluster.apply(step);
            endpoints.extend(scenario.cluster.all::<Endpoints>().cloned());
        }
    }
    endpoints
}

fn all_objects() -> (Vec<Service>, Vec<Pod>) {
    let (mut services, mut pods) = (Vec::new(), Vec::new());
    for seed in 0..20 {
        let mut scenario = generate(seed, Size::Small);
        for step in &scenario.steps {
            scenario.cluster.apply(step);
            services.extend(scenario.cluster.all::<Service>().cloned());
            pods.extend(scenario.cluster.all::<Pod>().cloned());
        }
    }
    (services, pods)
}

#[test]
fn every_shape_of_service_occurs() {
    let (services, _) = all_objects();
    let service_shapes: &[Shape<Service>] = &[
        ("no selector", |it| it.spec.as_ref().unwrap().selector.is_none()),
        ("three pairs", |it| {
            it.spec
                .as_ref()
                .unwrap()
                .selector
                .as_ref()
                .is_some_and(|it| it.len() == 3)
        }),
        ("headless", |it| {
            it.spec.as_ref().unwrap().cluster_ip.as_deref() == Some("None")
        }),
        ("headless without ports", |it| {
            let spec = it.spec.as_ref().unwrap();
            spec.cluster_ip.as_deref() == Some("None") && spec.ports.is_none()
        }),
        ("dual stack", |it| {
            it.spec
                .as_ref()
                .unwrap()
                .ip_families
                .as_ref()
                .is_some_and(|it| it.len() == 2)
        }),
        ("IPv6 first", |it| {
            let families = it.spec.as_ref().unwrap().ip_families.clone();
            families.is_some_and(|families| families[0] == "IPv6" && families.len() == 2)
        }),
        ("external", |it| {
            it.spec.as_ref().unwrap().type_.as_deref() == Some("ExternalName")
        }),
        ("node port", |it| {
            it.spec.as_ref().unwrap().type_.as_deref() == Some("NodePort")
        }),
        ("publishes not ready", |it| {
            it.spec.as_ref().unwrap().publish_not_ready_addresses == Some(true)
        }),
        ("auto hints", hinted_by_annotation),
        ("deleted", |it| it.metadata.deletion_timestamp.is_some()),
        ("reserved label", |it| {
            it.metadata
                .labels
                .as_ref()
                .is_some_and(|it| it.contains_key(crate::names::SLICE_MANAGED_BY))
        }),
        ("unnamed port", |it| {
            it.spec
                .as_ref()
                .unwrap()
                .ports
                .iter()
                .flatten()
                .any(|it| it.name.is_none())
        }),
        ("unresolvable port", |it| {
            let nowhere = Some(IntOrString::String("nowhere".to_owned()));
            it.spec
                .as_ref()
                .unwrap()
                .ports
                .iter()
                .flatten()
                .any(|it| it.target_port == nowhere)
        }),
        ("application protocol", |it| {
            it.spec
                .as_ref()
                .unwrap()
                .ports
                .iter()
                .flatten()
                .any(|it| it.app_protocol.is_some())
        }),
    ];
    assert_eq!(missing(service_shapes, &services), [""; 0]);
    let distributions: BTreeSet<Option<&str>> = services
        .iter()
        .map(|it| it.spec.as_ref().unwrap().traffic_distribution.as_deref())
        .collect();
    assert_eq!(
        distributions,
        super::super::services::DISTRIBUTIONS.into_iter().collect()
    );
}

#[test]
fn every_shape_of_pod_occurs() {
    let (_, pods) = all_objects();
    let pod_shapes: &[Shape<Pod>] = &[
        ("without address", |it| {
            it.status.as_ref().unwrap().pod_ips.is_none()
        }),
        ("dual stack", |it| {
            it.status
                .as_ref()
                .unwrap()
                .pod_ips
                .as_ref()
                .is_some_and(|it| it.len() == 2)
        }),
        ("only IPv6", |it| {
            let addresses = it.status.as_ref().unwrap().pod_ips.clone().unwrap_or_default();
            addresses.len() == 1 && addresses[0].ip.contains(':')
        }),
        ("host network", |it| {
            it.spec.as_ref().unwrap().host_network == Some(true)
        }),
        ("late node", |it| {
            it.spec.as_ref().unwrap().node_name.as_deref() == Some("late-0")
        }),
        ("hostname", |it| it.spec.as_ref().unwrap().subdomain.is_some()),
        ("terminating", |it| it.metadata.deletion_timestamp.is_some()),
        ("failed", |it| {
            it.status.as_ref().unwrap().phase.as_deref() == Some("Failed")
        }),
        ("succeeded", |it| {
            it.status.as_ref().unwrap().phase.as_deref() == Some("Succeeded")
        }),
        ("sidecar", |it| {
            let init = it.spec.as_ref().unwrap().init_containers.clone();
            init.is_some_and(|it| it[0].restart_policy.as_deref() == Some("Always"))
        }),
        ("no ports", |it| {
            it.spec.as_ref().unwrap().containers[0].ports.is_none()
        }),
    ];
    assert_eq!(missing(pod_shapes, &pods), [""; 0]);
}

#[test]
fn every_shape_of_hand_made_endpoints_occurs() {
    fn subsets(it: &Endpoints) -> Vec<EndpointSubset> {
        it.subsets.clone().unwrap_or_default()
    }
    fn addresses(it: &Endpoints) -> Vec<EndpointAddress> {
        let lists = subsets(it)
            .into_iter()
            .flat_map(|it| [it.addresses, it.not_ready_addresses]);
        lists.flatten().flatten().collect()
    }
    fn has_label(it: &Endpoints, key: &str) -> bool {
        it.metadata.labels.as_ref().is_some_and(|it| it.contains_key(key))
    }
    let shapes: &[Shape<Endpoints>] = &[
        ("null subsets", |it| it.subsets.is_none()),
        ("no subsets", |it| it.subsets.as_ref().is_some_and(Vec::is_empty)),
        ("null ports", |it| subsets(it).iter().any(|it| it.ports.is_none())),
        ("no ports", |it| {
            subsets(it)
                .iter()
                .any(|it| it.ports.as_ref().is_some_and(Vec::is_empty))
        }),
        ("more than a thousand", |it| addresses(it).len() > 1000),
        ("both families", |it| {
            let addresses = addresses(it);
            addresses.iter().any(|it| it.ip.contains(':')) && addresses.iter().any(|it| !it.ip.contains(':'))
        }),
        ("IPv4 in IPv6", |it| {
            addresses(it).iter().any(|it| it.ip.starts_with("::ffff:"))
        }),
        ("leading zeros", |it| {
            addresses(it).iter().any(|it| it.ip.starts_with("010."))
        }),
        ("several subsets of the same ports", |it| {
            let subsets = subsets(it);
            let ports: BTreeSet<String> = subsets.iter().map(|it| format!("{:?}", it.ports)).collect();
            ports.len() < subsets.len()
        }),
        ("ready and not ready", |it| {
            subsets(it).iter().any(|it| {
                let mut ready = it.addresses.iter().flatten();
                ready.any(|one| {
                    it.not_ready_addresses
                        .iter()
                        .flatten()
                        .any(|other| other.ip == one.ip)
                })
            })
        }),
        ("twice in a list", |it| {
            subsets(it).iter().any(|it| {
                let ips: Vec<&String> = it.addresses.iter().flatten().map(|it| &it.ip).collect();
                ips.iter().collect::<BTreeSet<_>>().len() < ips.len()
            })
        }),
        ("application protocol", |it| {
            subsets(it)
                .iter()
                .any(|it| it.ports.iter().flatten().any(|it| it.app_protocol.is_some()))
        }),
        ("target that is no Pod", |it| {
            addresses(it).iter().any(|it| {
                it.target_ref
                    .as_ref()
                    .is_some_and(|it| it.kind.as_deref() == Some("Machine"))
            })
        }),
        ("not mirrored", |it| has_label(it, names::SKIP_MIRROR)),
        ("reserved label", |it| has_label(it, names::SERVICE_NAME)),
        ("another manager", |it| has_label(it, names::SLICE_MANAGED_BY)),
        ("headless label", |it| has_label(it, names::HEADLESS)),
        ("lock", |it| {
            it.metadata
                .annotations
                .as_ref()
                .is_some_and(|it| it.contains_key(names::LEADER))
        }),
        ("applied", |it| {
            it.metadata
                .annotations
                .as_ref()
                .is_some_and(|it| it.contains_key(names::LAST_APPLIED))
        }),
        ("trigger time", |it| {
            it.metadata
                .annotations
                .as_ref()
                .is_some_and(|it| it.contains_key(names::TRIGGER_TIME))
        }),
        ("without Service", |it| {
            it.metadata
                .name
                .as_ref()
                .is_some_and(|it| it.starts_with("lone-"))
        }),
    ];
    assert_eq!(missing(shapes, &all_endpoints()), [""; 0]);
}

#[test]
fn hand_made_endpoints_give_no_slice_a_port_name_twice() {
    let config = Config {
        max_endpoints_per_subset: 1000,
        minor: 37,
    };
    for endpoints in all_endpoints() {
        for key in desired(&endpoints, config).groups.into_keys() {
            let names: BTreeSet<_> = key.ports.iter().map(|port| &port.name).collect();
            assert_eq!(names.len(), key.ports.len(), "{endpoints:?}");
        }
    }
}

#[test]
fn addresses_of_service_cidrs_are_given_once_and_from_a_range_that_is_there() {
    let (mut held, mut cidrs) = (0, 0);
    for seed in 0..40 {
        let mut scenario = generate(seed, Size::Small);
        let mut given = BTreeSet::new();
        for step in scenario.steps {
            if step.kind == StepKind::ServiceInRange
                && let Action::Put(Object::Service(service)) = &step.action
            {
                let address: IpAddr = service
                    .spec
                    .as_ref()
                    .unwrap()
                    .cluster_ip
                    .as_ref()
                    .unwrap()
                    .parse()
                    .unwrap();
                assert!(
                    scenario.cluster.all().any(|cidr| holds(cidr, address)),
                    "{address}"
                );
                assert!(given.insert(address) && in_space(service), "{address}");
                held += 1;
            }
            scenario.cluster.apply(&step);
            cidrs += usize::from(step.kind == StepKind::CidrAdded);
        }
    }
    assert!(held > 10 && cidrs > 10, "{held} {cidrs}");
}
