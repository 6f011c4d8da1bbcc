//! Slices as short text, so that a test shows at a glance what it expects.

use std::collections::BTreeSet;

use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};

/// A slice in one line: family, ports by name, endpoints by Pod, such as `IPv4 http:8080 dns:53/UDP = a b-unready`.
/// Without endpoints it ends in `= none`, without ports `-` stands for them.
///
/// What follows a Pod's name tells how it differs from a ready one: `-unready`, `-draining` (terminating, still
/// serving), `-terminating` (no longer serving), with `-published` before it where it is called ready all the same.
pub(crate) fn describe(slice: &EndpointSlice) -> String {
    let mut ports: Vec<String> = slice
        .ports
        .iter()
        .flatten()
        .map(|port| {
            let protocol = match port.protocol.as_deref() {
                None | Some("TCP") => String::new(),
                Some(other) => format!("/{other}"),
            };
            let app = port
                .app_protocol
                .as_ref()
                .map(|app| format!("({app})"))
                .unwrap_or_default();
            let name = port.name.as_deref().unwrap_or_default();
            format!("{name}:{}{protocol}{app}", port.port.unwrap_or_default())
        })
        .collect();
    ports.sort();
    if ports.is_empty() {
        ports.push("-".to_owned());
    }
    let mut endpoints: Vec<String> = slice.endpoints.iter().flatten().map(endpoint).collect();
    endpoints.sort();
    if endpoints.is_empty() {
        endpoints.push("none".to_owned());
    }
    format!(
        "{} {} = {}",
        slice.address_type,
        ports.join(" "),
        endpoints.join(" ")
    )
}

fn endpoint(endpoint: &Endpoint) -> String {
    let conditions = endpoint.conditions.clone().unwrap_or_default();
    let state = match (conditions.ready, conditions.serving, conditions.terminating) {
        (Some(true), Some(true), Some(false)) => "",
        (Some(false), Some(false), Some(false)) => "-unready",
        (Some(false), Some(true), Some(true)) => "-draining",
        (Some(false), Some(false), Some(true)) => "-terminating",
        (Some(true), Some(false), Some(false)) => "-published",
        (Some(true), Some(true), Some(true)) => "-published-draining",
        (Some(true), Some(false), Some(true)) => "-published-terminating",
        _ => "-INCOMPLETE",
    };
    format!("{}{state}", pod_of(endpoint))
}

fn pod_of(endpoint: &Endpoint) -> &str {
    let name = endpoint
        .target_ref
        .as_ref()
        .and_then(|target| target.name.as_deref());
    name.unwrap_or("NOBODY")
}

/// All slices, in a stable order.
pub(crate) fn describe_all(slices: &[EndpointSlice]) -> Vec<String> {
    let mut lines: Vec<String> = slices.iter().map(describe).collect();
    lines.sort();
    lines
}

/// The names of all Pods in the slices.
pub(crate) fn pods_of<'a>(slices: impl IntoIterator<Item = &'a EndpointSlice>) -> BTreeSet<&'a str> {
    slices
        .into_iter()
        .flat_map(|slice| slice.endpoints.iter().flatten())
        .map(pod_of)
        .collect()
}
