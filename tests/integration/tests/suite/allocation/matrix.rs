//! Each way to make or change a Service, and where its values come from.

use k8s_openapi::api::core::v1::Service;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};

use super::{Allocation, cluster_ips, node_ports, service, within};
use crate::harness::{Minor, alone_on_each_minor};

alone_on_each_minor!(each_way_to_make_or_change_a_service_has_its_values_from_the_pools);

const FOUR: &str = "10.0.64.0/24";
const SIX: &str = "fd00:10::6400/120";
const PORTS: (i32, i32) = (30_200, 30_299);

/// What a Service is to have: families of its addresses in order, how many node ports, whether they are one, a health port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Has {
    families: &'static str,
    ports: usize,
    different: usize,
    health: bool,
}

const fn has(families: &'static str, ports: usize) -> Has {
    Has {
        families,
        ports,
        different: ports,
        health: false,
    }
}

const NOTHING: Has = has("", 0);
const LOCAL: Has = Has {
    health: true,
    ..has("4", 1)
};
const TWINS: Has = Has {
    different: 1,
    ..has("4", 2)
};

/// What it has, or what is wrong with it: a value from elsewhere.
fn found(service: &Service) -> Result<Has, String> {
    let mut families = String::new();
    for ip in cluster_ips(service) {
        if !within(if ip.is_ipv4() { FOUR } else { SIX }, ip) {
            return Err(format!("{ip} is of no pool"));
        }
        families.push(if ip.is_ipv4() { '4' } else { '6' });
    }
    let ports = node_ports(service);
    let health = service.spec.as_ref().unwrap().health_check_node_port;
    for port in ports.iter().chain(&health) {
        if !(PORTS.0..=PORTS.1).contains(port) {
            return Err(format!("{port} is of no pool"));
        }
    }
    let mut different = ports.clone();
    different.sort_unstable();
    different.dedup();
    Ok(Has {
        families: match families.as_str() {
            "" => "",
            "4" => "4",
            "6" => "6",
            "46" => "46",
            "64" => "64",
            other => return Err(format!("families {other}")),
        },
        ports: ports.len(),
        different: different.len(),
        health: health.is_some(),
    })
}

/// The shapes of Services.
fn shapes() -> Vec<(&'static str, Value, Has)> {
    let twins = json!([{ "name": "tcp", "port": 53 }, { "name": "udp", "port": 53, "protocol": "UDP" }]);
    vec![
        ("single", json!({}), has("4", 0)),
        ("six", json!({ "ipFamilies": ["IPv6"] }), has("6", 0)),
        (
            "dual",
            json!({ "ipFamilyPolicy": "PreferDualStack" }),
            has("46", 0),
        ),
        (
            "dual-six",
            json!({ "ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6", "IPv4"] }),
            has("64", 0),
        ),
        ("headless", json!({ "clusterIP": "None" }), NOTHING),
        (
            "external",
            json!({ "type": "ExternalName", "externalName": "a.example" }),
            NOTHING,
        ),
        ("node-port", json!({ "type": "NodePort" }), has("4", 1)),
        (
            "node-port-dual",
            json!({ "type": "NodePort", "ipFamilyPolicy": "PreferDualStack" }),
            has("46", 1),
        ),
        ("balancer", json!({ "type": "LoadBalancer" }), has("4", 1)),
        (
            "local",
            json!({ "type": "LoadBalancer", "externalTrafficPolicy": "Local" }),
            LOCAL,
        ),
        (
            "portless",
            json!({ "type": "LoadBalancer", "allocateLoadBalancerNodePorts": false }),
            has("4", 0),
        ),
        ("twins", json!({ "type": "NodePort", "ports": twins }), TWINS),
    ]
}

/// What is released may be given at once: more is asked for than the pools have.
fn at_once() -> Value {
    json!({ "quarantine": { "seconds": 0 } })
}

async fn each_way_to_make_or_change_a_service_has_its_values_from_the_pools(minor: Minor) {
    let t = Allocation::start(minor, 1).await;
    t.address_pool("blue", "team-a", &[FOUR, SIX], at_once()).await;
    t.port_pool("ports", "team-a", (30_200, 30_299), at_once()).await;
    let mut wrong = Vec::new();
    let mut judge = |cell: String, made: kube::Result<Service>, expected: Has| match made {
        Ok(made) => match found(&made) {
            Ok(has) if has == expected => {}
            Ok(has) => wrong.push(format!("{cell}: {has:?} instead of {expected:?}")),
            Err(error) => wrong.push(format!("{cell}: {error}")),
        },
        Err(error) => wrong.push(format!("{cell}: {error}")),
    };
    for (shape, spec, expected) in shapes() {
        creations(&t, shape, &spec, expected, &mut judge).await;
        repeated(&t, shape, &spec, expected, &mut judge).await;
        for (from, before, _) in shapes() {
            transition(&t, (from, &before), (shape, &spec), expected, &mut judge).await;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Created by POST, as a dry run, with a generated name, by server-side apply, and by PUT.
async fn creations(
    t: &Allocation,
    shape: &str,
    spec: &Value,
    expected: Has,
    judge: &mut impl FnMut(String, kube::Result<Service>, Has),
) {
    judge(
        format!("dry run {shape}"),
        t.create("team-a", "dry", spec.clone(), true).await,
        expected,
    );
    let made = t.create("team-a", "posted", spec.clone(), false).await;
    judge(format!("POST {shape}"), made, expected);
    judge(
        format!("apply {shape}"),
        t.apply("team-a", "applied", spec.clone()).await,
        expected,
    );
    // What is applied once more without the values keeps them.
    judge(
        format!("apply again {shape}"),
        t.apply("team-a", "applied", spec.clone()).await,
        expected,
    );
    let mut generated = service("", spec.clone());
    generated.metadata.name = None;
    generated.metadata.generate_name = Some("generated-".to_owned());
    let made = t
        .services("team-a")
        .create(&PostParams::default(), &generated)
        .await;
    let name = made.as_ref().ok().and_then(|made| made.metadata.name.clone());
    judge(format!("generateName {shape}"), made, expected);
    judge(
        format!("PUT {shape}"),
        t.put("team-a", "put", spec.clone()).await,
        expected,
    );
    for name in ["posted", "applied", "put"]
        .into_iter()
        .map(str::to_owned)
        .chain(name)
    {
        delete(t, &name).await;
    }
}

/// Replaced by PUT without values, again and again: nothing changes.
async fn repeated(
    t: &Allocation,
    shape: &str,
    spec: &Value,
    expected: Has,
    judge: &mut impl FnMut(String, kube::Result<Service>, Has),
) {
    let Ok(first) = t.create("team-a", "repeated", spec.clone(), false).await else {
        return judge(
            format!("create {shape}"),
            Err(kube::Error::LinesCodecMaxLineLengthExceeded),
            expected,
        );
    };
    for _ in 0..2 {
        let again = t.put("team-a", "repeated", spec.clone()).await;
        if let Ok(again) = &again {
            let values = |service: &Service| {
                let health = service.spec.as_ref().unwrap().health_check_node_port;
                (cluster_ips(service), node_ports(service), health)
            };
            assert_eq!(values(again), values(&first), "PUT again of {shape}");
        }
        judge(format!("PUT again {shape}"), again, expected);
    }
    delete(t, "repeated").await;
}

/// Changed from one shape into another by a merge patch, where the apiserver allows that.
async fn transition(
    t: &Allocation,
    (from, before): (&str, &Value),
    (to, after): (&str, &Value),
    expected: Has,
    judge: &mut impl FnMut(String, kube::Result<Service>, Has),
) {
    let headless = |shape: &str| shape == "headless";
    let external = |shape: &str| shape == "external";
    // Refused, or not what the shape says: an address that is there stays.
    let families = |shape: &str| match shape {
        "six" => "6",
        "dual-six" => "64",
        shape if shape.contains("dual") => "46",
        _ => "4",
    };
    let keeps = !external(from) && !headless(from) && !external(to) && !headless(to);
    if from == to || (headless(from) != headless(to) && !external(from) && !external(to)) {
        return;
    }
    if keeps && (families(from) != families(to)) && !(families(from) == "4" && families(to) == "46") {
        return;
    }
    t.create("team-a", "changing", before.clone(), false)
        .await
        .unwrap();
    let mut spec = serde_json::to_value(service("changing", after.clone()).spec).unwrap();
    // What the new shape does not say is taken out, but what the apiserver carries on by itself.
    for (key, value) in [
        ("type", json!("ClusterIP")),
        ("externalName", Value::Null),
        ("externalTrafficPolicy", Value::Null),
        ("allocateLoadBalancerNodePorts", Value::Null),
    ] {
        if spec.get(key).is_none_or(Value::is_null) {
            spec[key] = value;
        }
    }
    if headless(from) && external(to) {
        spec["clusterIP"] = Value::Null;
        spec["clusterIPs"] = Value::Null;
    }
    let made = t.patch("team-a", "changing", json!({ "spec": spec })).await;
    judge(format!("{from} to {to}"), made, expected);
    delete(t, "changing").await;
}

async fn delete(t: &Allocation, name: &str) {
    let _ = t.services("team-a").delete(name, &DeleteParams::default()).await;
}
