//! Every shape an object can have occurs among the generated ones.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::super::{Size, generate};
use super::hinted_by_annotation;

type Shape<T> = (&'static str, fn(&T) -> bool);

/// Names of the shapes that none of the objects has.
fn missing<T>(shapes: &[Shape<T>], objects: &[T]) -> Vec<&'static str> {
    let absent = shapes.iter().filter(|(_, is)| !objects.iter().any(is));
    absent.map(|(name, _)| *name).collect()
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
