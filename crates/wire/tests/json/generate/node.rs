//! Nodes.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    ContainerImage, Node, NodeAddress, NodeCondition, NodeSpec, NodeStatus, Taint,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use proptest::prelude::*;
use quaymaster_model::names::{LABEL_CONTROL_PLANE, LABEL_MASTER, LABEL_ZONE};

use super::{list, maybe, metadata, one_of, strings, text, time};

/// Quantities and their thousandths.
pub(crate) const QUANTITIES: &[(&str, u64)] = &[
    ("4", 4000),
    ("3920m", 3920),
    ("1.5", 1500),
    ("2k", 2_000_000),
    ("1e3", 1_000_000),
    ("500u", 1),
    ("1n", 1),
    ("1Ki", 1_024_000),
    ("0", 0),
    ("-1", 0),
    ("four", 0),
    ("", 0),
];

fn labels() -> impl Strategy<Value = Option<BTreeMap<String, String>>> {
    (
        strings(),
        maybe(one_of(&["a", "b", ""])),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(others, zone, control_plane, master)| {
            let mut all = others.unwrap_or_default();
            all.extend(zone.map(|zone| (LABEL_ZONE.to_owned(), zone)));
            all.extend(control_plane.then(|| (LABEL_CONTROL_PLANE.to_owned(), String::new())));
            all.extend(master.then(|| (LABEL_MASTER.to_owned(), String::new())));
            (!all.is_empty()).then_some(all)
        })
}

fn condition() -> impl Strategy<Value = NodeCondition> {
    (
        one_of(&["Ready", "MemoryPressure", "DiskPressure"]),
        one_of(&["True", "False", "Unknown"]),
        maybe(time()),
    )
        .prop_map(|(type_, status, last_heartbeat_time)| NodeCondition {
            type_,
            status,
            last_heartbeat_time,
            ..NodeCondition::default()
        })
}

fn resources() -> impl Strategy<Value = Option<BTreeMap<String, Quantity>>> {
    let cpu = prop::sample::select(QUANTITIES).prop_map(|(text, _)| Quantity(text.to_owned()));
    maybe((maybe(cpu), text())).prop_map(|resources| {
        resources.map(|(cpu, other)| {
            let memory = ("memory".to_owned(), Quantity(other));
            cpu.map(|cpu| ("cpu".to_owned(), cpu))
                .into_iter()
                .chain([memory])
                .collect()
        })
    })
}

fn status() -> impl Strategy<Value = NodeStatus> {
    (list(condition()), resources(), resources(), list(text())).prop_map(
        |(conditions, allocatable, capacity, names)| NodeStatus {
            conditions,
            allocatable,
            capacity,
            addresses: Some(vec![NodeAddress::default()]),
            images: Some(vec![ContainerImage {
                names,
                size_bytes: Some(1 << 40),
            }]),
            ..NodeStatus::default()
        },
    )
}

pub(crate) fn node() -> impl Strategy<Value = Node> {
    (metadata(labels(), strings()), maybe(status()), maybe(text())).prop_map(
        |(metadata, status, pod_cidr)| Node {
            metadata,
            spec: Some(NodeSpec {
                pod_cidr,
                taints: Some(vec![Taint::default()]),
                ..NodeSpec::default()
            }),
            status,
        },
    )
}
