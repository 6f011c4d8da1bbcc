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

fn port(name: &str, number: i32, protocol: &str, target: IntOrString) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port: number,
        protocol: Some(protocol.to_owned()),
        target_port: Some(target),
        ..ServicePort::default()
    }
}
