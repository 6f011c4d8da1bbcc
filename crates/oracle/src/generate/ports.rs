//! Ports of Services.

use k8s_openapi::api::core::v1::ServicePort;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::rng::Rng;

/// One to three ports with distinct names, defaulted as a real API server would.
pub(super) fn service_ports(rng: &mut Rng) -> Vec<ServicePort> {
    let named = |target: &str| IntOrString::String(target.to_owned());
    let mut choices = vec![
        port("http", 80, "TCP", named("http")),
        port("https", 443, "TCP", IntOrString::Int(8443)),
        // Without a targetPort the API server fills in the port.
        port("plain", 9000, "TCP", IntOrString::Int(9000)),
        port("dns", 53, "UDP", named("dns")),
        port("dns-tcp", 53, "TCP", named("dns-tcp")),
        port("metrics", 9100, "TCP", named("metrics")),
        port("side", 15000, "TCP", named("side")),
        port("nowhere", 7, "TCP", named("nowhere")),
        // The name exists, but for another protocol.
        port("wrong", 8, "UDP", named("http")),
    ];
    let count = 1 + rng.below(3);
    let mut ports: Vec<ServicePort> = (0..count)
        .map(|_| choices.remove(rng.below(choices.len())))
        .collect();
    if rng.chance(40) {
        // Most Services of a real cluster have this one.
        ports = vec![port("http", 80, "TCP", named("http"))];
    }
    if let [only] = ports.as_mut_slice()
        && rng.chance(40)
    {
        // A single port needs no name.
        only.name = None;
    }
    for port in &mut ports {
        if rng.chance(15) {
            port.app_protocol = Some(rng.pick(["http", "kubernetes.io/h2c"]).to_owned());
        }
    }
    ports
}

/// Names of the many ports of Pods in some small clusters.
pub(super) fn wide_names() -> impl Iterator<Item = (String, i32)> {
    /// With half of them at some ten Pods, about 2,000 addresses.
    const COUNT: i32 = 400;
    (0..COUNT).map(|number| (format!("w{number}"), 20_000 + number))
}

/// A port for each of them.
pub(super) fn wide_ports() -> Vec<ServicePort> {
    wide_names()
        .map(|(name, number)| port(&name, number, "TCP", IntOrString::String(name.clone())))
        .collect()
}

/// Ports of which each Pod has some: an address counts once for each set of Pods.
pub(super) fn large_ports() -> Vec<ServicePort> {
    let named = |name: &str| IntOrString::String(name.to_owned());
    vec![
        port("plain", 9000, "TCP", IntOrString::Int(9000)),
        port("dns", 53, "UDP", named("dns")),
        port("metrics", 9100, "TCP", named("metrics")),
    ]
}

fn port(name: &str, number: i32, protocol: &str, target: IntOrString) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port: number,
        protocol: Some(protocol.to_owned()),
        target_port: Some(target),
        ..ServicePort::default()
    }
}
