//! Mirrored slices, kept by kube-controller-manager and by this binary in turn.

use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::{Endpoints, Service};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use quaymaster_testkit::ControlPlane;
use serde_json::{Value, json};

use crate::harness::{Cluster, Minor, alone_on_each_minor, slice_writes};

alone_on_each_minor!(mirroring_changes_hands_without_a_write);

const OURS: &str = "quaymaster/";
const KCM: &str = "kube-controller-manager/";
const CONTROLLER: [&str; 1] = ["endpointslice-mirroring-controller"];
/// Without its own limit of 20 requests a second this test would take a minute.
const FAST: [&str; 2] = ["--kube-api-qps=500", "--kube-api-burst=1000"];
/// So many Endpoints of random content beside those of known shapes.
const RANDOM: usize = 60;

/// Random numbers that are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        // Knuth's multiplier; the low bits are the weak ones.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn is(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }
}

/// Name, metadata and subsets of Endpoints.
type Shape = (String, Value, Value);

/// Before 1.36 kube-controller-manager writes slices without ports for ever (kubernetes/kubernetes#133474).
fn knows_no_ports(minor: Minor) -> bool {
    minor != Minor::V1_33
}

fn known(minor: Minor) -> Vec<Shape> {
    let subset = |ips: &[&str], port: i32| {
        let addresses: Vec<Value> = ips.iter().map(|ip| json!({"ip": ip})).collect();
        json!({"addresses": addresses, "ports": [{"name": "p", "port": port}]})
    };
    let many: Vec<String> = (0..1001)
        .map(|n| format!("10.9.{}.{}", n / 250, n % 250 + 1))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let whole = json!({
        "addresses": [{"ip": "192.0.2.1", "hostname": "h", "nodeName": "node-a",
            "targetRef": {"kind": "Pod", "name": "x", "uid": "u", "resourceVersion": "7", "fieldPath": "spec"}}],
        "notReadyAddresses": [{"ip": "192.0.2.2"}],
        "ports": [{"name": "http", "port": 80, "appProtocol": "kubernetes.io/h2c"}, {"name": "https", "port": 443},
            {"name": "dns", "port": 53, "protocol": "UDP"}],
    });
    let managed = json!({"labels": {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}});
    let skipped = json!({"labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}});
    let mut shapes = vec![
        ("whole", json!({}), json!([whole])),
        ("many", json!({}), json!([subset(&many, 80)])),
        (
            "managed",
            managed,
            json!([subset(&["192.0.2.1"], 80), subset(&["192.0.2.2", "fd00::2"], 81)]),
        ),
        ("skipped", skipped, json!([subset(&["192.0.2.1"], 80)])),
        ("empty", json!({}), json!([])),
    ];
    if knows_no_ports(minor) {
        shapes.push((
            "portless",
            json!({}),
            json!([{"addresses": [{"ip": "192.0.2.1"}]}]),
        ));
    }
    let named = |(name, metadata, subsets): (&str, _, _)| (name.to_owned(), metadata, subsets);
    shapes.into_iter().map(named).collect()
}

fn random(numbers: &mut Numbers, minor: Minor) -> Vec<Shape> {
    let names = (0..RANDOM).map(|n| format!("random-{n}"));
    names
        .map(|name| (name, metadata(numbers), subsets(numbers, minor)))
        .collect()
}

fn metadata(numbers: &mut Numbers) -> Value {
    let mut metadata = json!({});
    if numbers.is(3) {
        metadata["labels"] = json!({"team": format!("t{}", numbers.below(3))});
    }
    if numbers.is(3) {
        metadata["annotations"] = json!({
            "note": format!("n{}", numbers.below(3)),
            "endpoints.kubernetes.io/last-change-trigger-time": "2026-01-01T00:00:00Z",
        });
    }
    metadata
}

fn subsets(numbers: &mut Numbers, minor: Minor) -> Value {
    let subset = |numbers: &mut Numbers| {
        let mut addresses = [Vec::new(), Vec::new()];
        for _ in 0..=numbers.below(4) {
            let host = numbers.below(9) + 1;
            let ip = if numbers.is(3) {
                format!("fd00::{host}")
            } else {
                format!("192.0.2.{host}")
            };
            let mut address = json!({"ip": ip});
            if numbers.is(4) {
                address["hostname"] = json!(format!("h{host}"));
            }
            if numbers.is(4) {
                address["targetRef"] =
                    json!({"kind": "Pod", "name": format!("p{host}"), "uid": format!("u{host}")});
            }
            addresses[usize::from(numbers.is(4))].push(address);
        }
        let fewest = u64::from(!knows_no_ports(minor));
        let first = numbers.below(4);
        let ports: Vec<Value> = (first..first + fewest + numbers.below(3))
            .map(|port| json!({"name": format!("p{port}"), "port": 80 + port}))
            .collect();
        let [ready, not_ready] = addresses;
        json!({"addresses": ready, "notReadyAddresses": not_ready, "ports": ports})
    };
    (0..numbers.below(4)).map(|_| subset(numbers)).collect()
}

/// Writes Endpoints of a namespace, each with a Service that has no selector, or replaces what they say.
async fn put(client: &Client, namespace: &str, shapes: Vec<Shape>) {
    let services: Api<Service> = Api::namespaced(client.clone(), namespace);
    let endpoints: Api<Endpoints> = Api::namespaced(client.clone(), namespace);
    stream::iter(shapes)
        .map(async |(name, metadata, subsets)| {
            if services.get_opt(&name).await.unwrap().is_none() {
                let service = json!({"metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}});
                let service = serde_json::from_value(service).unwrap();
                services.create(&PostParams::default(), &service).await.unwrap();
            }
            let mut object =
                json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": subsets});
            object["metadata"]["name"] = json!(name);
            let params = PatchParams::apply("suite").force();
            endpoints
                .patch(&name, &params, &Patch::Apply(&object))
                .await
                .unwrap();
        })
        .buffer_unordered(8)
        .collect::<()>()
        .await;
}

/// How many slices kube-controller-manager writes when it is started and nothing has changed.
async fn kcm_over(plane: &ControlPlane) -> usize {
    let mark = plane.audit().mark().unwrap();
    let kcm = plane.start_kcm_with(&CONTROLLER, &FAST).await.unwrap();
    let writes = slice_writes(plane, mark, KCM).await;
    kcm.stop().await.unwrap();
    writes.len()
}

async fn mirroring_changes_hands_without_a_write(minor: Minor) {
    let cluster = Cluster::start(minor, |builder| builder).await;
    let plane = &cluster.plane;
    let client = cluster.client().await;
    let mut numbers = Numbers(5);
    let namespace = plane.namespace("theirs").await.unwrap();
    let mark = plane.audit().mark().unwrap();
    let kcm = plane.start_kcm_with(&CONTROLLER, &FAST).await.unwrap();
    put(&client, &namespace, known(minor)).await;
    put(&client, &namespace, random(&mut numbers, minor)).await;
    assert!(slice_writes(plane, mark, KCM).await.len() > RANDOM);
    kcm.stop().await.unwrap();
    assert_eq!(kcm_over(plane).await, 0, "it rests over slices of its own");

    let mark = plane.audit().mark().unwrap();
    let manager = cluster.manager().await;
    let writes = slice_writes(plane, mark, OURS).await;
    assert!(
        writes.is_empty(),
        "what kube-controller-manager wrote is left as it is: {writes:#?}"
    );
    // What this binary makes of other content, and of Endpoints that are new.
    let mark = plane.audit().mark().unwrap();
    let ours = plane.namespace("ours").await.unwrap();
    put(&client, &ours, known(minor)).await;
    for _ in 0..3 {
        put(&client, &namespace, random(&mut numbers, minor)).await;
        put(&client, &ours, random(&mut numbers, minor)).await;
    }
    assert!(slice_writes(plane, mark, OURS).await.len() > RANDOM);
    manager.stop().await;
    let mark = plane.audit().mark().unwrap();
    let manager = cluster.manager().await;
    let writes = slice_writes(plane, mark, OURS).await;
    assert!(writes.is_empty(), "a restart writes nothing: {writes:#?}");
    manager.stop().await;
    assert_eq!(
        kcm_over(plane).await,
        0,
        "what this binary wrote is left as it is"
    );
}
