//! The policies, in clusters whose apiserver asks no webhook: it chooses itself, and the policies look at what it chose.

use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::core::v1::{Namespace, Service};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use quaymaster_admission::policies::{ADDRESSES, CANONICAL, PORTS};
use quaymaster_admission::{Keep, Keeper};
use quaymaster_ipam::compile::{ServiceRange, Written, address_pools, port_pools};
use quaymaster_ipam::{Fed, Shared, lock};
use quaymaster_testkit::Lease;
use quaymaster_webhook::Certificates;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::harness::{ALONE, create, plane_apart, service, until};

struct Cluster {
    plane: Lease,
    client: Client,
    index: Shared,
    cancel: CancellationToken,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// Pools as they would be read.
fn pools(index: &Shared, addresses: &[(&str, Value)], ports: &[(&str, Value)]) {
    let range = ServiceRange {
        is_default: true,
        usable: true,
        cidrs: vec![
            "10.96.0.0/20".parse().unwrap(),
            "fd00:10:96::/112".parse().unwrap(),
        ],
    };
    let specs: Vec<_> = addresses
        .iter()
        .map(|(name, spec)| (name, serde_json::from_value(spec.clone()).unwrap()))
        .collect();
    let written: Vec<_> = specs
        .iter()
        .map(|(name, spec)| Written {
            name,
            created: None,
            spec,
        })
        .collect();
    let addresses = address_pools(&written, &[range]);
    let specs: Vec<_> = ports
        .iter()
        .map(|(name, spec)| (name, serde_json::from_value(spec.clone()).unwrap()))
        .collect();
    let written: Vec<_> = specs
        .iter()
        .map(|(name, spec)| Written {
            name,
            created: None,
            spec,
        })
        .collect();
    let ports = port_pools(&written, None);
    let mut index = lock(index);
    (index.addresses_fed, index.ports_fed) = (Fed::Whole, Fed::Whole);
    index
        .addresses
        .set_pools(addresses.into_iter().map(|one| one.pool).collect());
    index
        .ports
        .set_pools(ports.into_iter().map(|one| one.pool).collect());
}

async fn cluster(minor: &str) -> Cluster {
    let plane = plane_apart(minor).await;
    let (client, index, cancel) = (
        plane.client().await.unwrap(),
        Shared::default(),
        CancellationToken::new(),
    );
    let keep = Keep {
        configuration: "none".to_owned(),
        exempt: vec!["kube-system".to_owned()],
        authority: None,
        turn: Duration::from_millis(250),
    };
    let keeper = Keeper::new(
        keep,
        client.clone(),
        Shared::clone(&index),
        Certificates::new(),
        Box::new(|| true),
        quaymaster_admission::Clocks {
            at: std::time::Instant::now,
            wall: jiff::Timestamp::now,
        },
    );
    tokio::spawn(keeper.run(cancel.clone()));
    Cluster {
        plane,
        client,
        index,
        cancel,
    }
}

impl Cluster {
    async fn names(&self) -> Vec<String> {
        let policies: Api<ValidatingAdmissionPolicy> = Api::all(self.client.clone());
        let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(self.client.clone());
        let params = ListParams::default();
        let policies = policies.list(&params).await.unwrap();
        let bindings = bindings.list(&params).await.unwrap();
        let name = |name: Option<String>| name.unwrap();
        let all: Vec<String> = policies.into_iter().map(|one| name(one.metadata.name)).collect();
        let bound: Vec<String> = bindings.into_iter().map(|one| name(one.metadata.name)).collect();
        if all == bound { all } else { Vec::new() }
    }

    async fn namespace(&self, name: &str, labels: Value) {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let namespace = json!({"metadata": {"name": name, "labels": labels}});
        let namespace = serde_json::from_value(namespace).unwrap();
        namespaces
            .create(&PostParams::default(), &namespace)
            .await
            .unwrap();
    }

    async fn create(&self, namespace: &str, name: &str, spec: &Value) -> Result<Service, String> {
        let created = create(&self.client, namespace, name, spec).await;
        created.map_err(|error| error.to_string())
    }

    /// Waits until a Service in `blue` is refused with these words.
    async fn refuses(&self, spec: &Value, words: &str) {
        let services: Api<Service> = Api::namespaced(self.client.clone(), "blue");
        until(words, async |_| match self.create("blue", "probe", spec).await {
            Ok(_) => {
                services.delete("probe", &DeleteParams::default()).await.unwrap();
                false
            }
            Err(error) => error.contains(words),
        })
        .await;
    }

    async fn patch(&self, namespace: &str, name: &str, patch: &Value) -> Result<Service, String> {
        let services: Api<Service> = Api::namespaced(self.client.clone(), namespace);
        let patched = services
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await;
        patched.map_err(|error| error.to_string())
    }

    async fn dry_run(&self, namespace: &str, spec: &Value) -> Result<Service, String> {
        let services: Api<Service> = Api::namespaced(self.client.clone(), namespace);
        let params = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let created = services.create(&params, &service("dry", spec)).await;
        created.map_err(|error| error.to_string())
    }
}

fn with(more: &Value) -> Value {
    let mut spec = json!({"ports": [{"name": "a", "port": 80}]});
    for (field, value) in more.as_object().unwrap() {
        spec[field] = value.clone();
    }
    spec
}

fn at(address: &str) -> Value {
    with(&json!({"clusterIP": address}))
}

fn on(port: u16) -> Value {
    json!({"type": "NodePort", "ports": [{"name": "a", "port": 80, "nodePort": port}]})
}

/// Within the bands that the apiserver chooses from last, so that it never chooses by chance what is exclusive.
fn red() -> [(&'static str, Value); 2] {
    [
        (
            "red",
            json!({"cidrs": ["10.96.0.64/28", "fd00:10:96::40/124"], "exclusive": true, "namespaces": ["red"],
                "namespaceSelector": {"matchLabels": {"team": "red"}}}),
        ),
        (
            "canary",
            json!({"cidrs": ["10.96.0.96/28"], "exclusive": true, "state": "Manual",
                "serviceSelector": {"matchExpressions": [{"key": "track", "operator": "In", "values": ["canary"]}]}}),
        ),
    ]
}

fn red_ports() -> [(&'static str, Value); 1] {
    [(
        "red-ports",
        json!({"ranges": [{"first": 30_010, "last": 30_014}, {"first": 30_020, "last": 30_024}], "exclusive": true,
            "namespaces": ["red"]}),
    )]
}

fn refused(what: &Result<Service, String>, words: &[&str]) {
    match what {
        Ok(service) => {
            let mut spec = service.spec.clone().unwrap();
            let ports = spec.ports.take().unwrap_or_default();
            let ports: Vec<_> = ports.iter().filter_map(|port| port.node_port).take(12).collect();
            panic!("{spec:?} with the node ports {ports:?} is stored, in place of: {words:?}");
        }
        Err(error) => {
            for word in words {
                assert!(error.contains(word), "{word} is not in: {error}");
            }
        }
    }
}

#[allow(clippy::too_many_lines, reason = "one cluster, which takes its time to start")]
async fn values_of_exclusive_pools_go_to_whom_they_serve_and_to_nobody_else(minor: &str) {
    let _beside_others = ALONE.read().await;
    let cluster = cluster(minor).await;
    cluster.namespace("red", json!({})).await;
    cluster.namespace("crimson", json!({"team": "red"})).await;
    cluster.namespace("blue", json!({"team": "blue"})).await;
    // Before there is any policy.
    cluster.create("red", "old", &at("10.96.9.9")).await.unwrap();
    cluster.create("blue", "old", &at("10.96.0.70")).await.unwrap();
    pools(&cluster.index, &red(), &red_ports());
    for (spec, words) in [
        (at("10.96.0.65"), "ServiceIPPool red"),
        (on(30_014), "NodePortPool red-ports"),
        (at("fd00:10:96:0::51"), "canonical"),
    ] {
        cluster.refuses(&spec, words).await;
    }

    // Others have none of it, whatever they ask for.
    let name = "web";
    refused(
        &cluster.create("blue", name, &at("10.96.0.78")).await,
        &[
            "Service blue/web cannot have 10.96.0.78",
            "ServiceIPPool red",
            "leave clusterIP empty",
        ],
    );
    refused(
        &cluster.create("blue", name, &at("fd00:10:96::4f")).await,
        &["fd00:10:96::4f", "ServiceIPPool red"],
    );
    refused(
        &cluster.create("blue", name, &on(30_024)).await,
        &[
            "Service blue/web cannot have the node port 30024",
            "NodePortPool red-ports",
            "leave nodePort out",
        ],
    );
    let web = cluster.create("blue", name, &with(&json!({}))).await.unwrap();
    assert!(web.spec.unwrap().cluster_ip.is_some());
    refused(
        &cluster
            .patch(
                "blue",
                name,
                &json!({"spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30_010}]}}),
            )
            .await,
        &["30010"],
    );

    // Whom the pool serves has what is the pool's, and nothing else: also where the apiserver chose it.
    cluster.create("red", name, &at("10.96.0.77")).await.unwrap();
    let none = [
        "none of the exclusive ServiceIPPools",
        "(red)",
        "Service red/more",
    ];
    refused(&cluster.create("red", "more", &with(&json!({}))).await, &none);
    refused(
        &cluster.create("crimson", "more", &with(&json!({}))).await,
        &["crimson/more"],
    );
    refused(
        &cluster
            .create(
                "red",
                "more",
                &with(&json!({"clusterIP": "10.96.0.76", "ipFamilyPolicy": "PreferDualStack"})),
            )
            .await,
        &["fd00:10:96::", "none of the exclusive"],
    );
    let both = json!({"clusterIP": "10.96.0.76", "clusterIPs": ["10.96.0.76", "fd00:10:96::4e"],
        "ipFamilyPolicy": "RequireDualStack"});
    cluster.create("red", "more", &with(&both)).await.unwrap();
    refused(
        &cluster
            .patch("red", name, &json!({"spec": {"type": "NodePort"}}))
            .await,
        &["none of the exclusive NodePortPools", "(red-ports)"],
    );
    let to_port =
        json!({"spec": {"type": "NodePort", "ports": [{"name": "a", "port": 80, "nodePort": 30_012}]}});
    cluster.patch("red", name, &to_port).await.unwrap();
    let health = |port: u16| {
        json!({"type": "LoadBalancer", "clusterIP": "10.96.0.75", "externalTrafficPolicy": "Local", "healthCheckNodePort": port,
            "ports": [{"port": 80, "nodePort": 30_020}]})
    };
    refused(
        &cluster.create("red", "balanced", &health(32_001)).await,
        &["32001"],
    );
    cluster.create("red", "balanced", &health(30_021)).await.unwrap();

    // By labels of the Service; a pool that has to be named binds nobody to it.
    refused(
        &cluster.create("blue", "canary", &at("10.96.0.100")).await,
        &["canary"],
    );
    let mut labelled = service("canary", &at("10.96.0.100"));
    labelled.metadata.labels = Some([("track".to_owned(), "canary".to_owned())].into());
    let services: Api<Service> = Api::namespaced(cluster.client.clone(), "blue");
    services.create(&PostParams::default(), &labelled).await.unwrap();

    // What a Service has it keeps.
    for namespace in ["red", "blue"] {
        cluster
            .patch(namespace, "old", &json!({"metadata": {"labels": {"a": "b"}}}))
            .await
            .unwrap();
    }

    // Dry runs see other values than those that will be chosen.
    for namespace in ["red", "blue"] {
        let node_port = with(&json!({"type": "NodePort", "ipFamilyPolicy": "PreferDualStack"}));
        cluster.dry_run(namespace, &node_port).await.unwrap();
    }

    // Exempt namespaces, and the apiserver itself.
    cluster
        .create("kube-system", "web", &at("10.96.0.74"))
        .await
        .unwrap();
    cluster.create("kube-system", "ports", &on(30_013)).await.unwrap();
    let mut config = cluster.plane.config().await.unwrap();
    config.auth_info.impersonate = Some("system:apiserver".to_owned());
    config.auth_info.impersonate_groups = Some(vec!["system:masters".to_owned()]);
    let apiserver = Client::try_from(config).unwrap();
    create(&apiserver, "default", "web", &at("10.96.0.73"))
        .await
        .unwrap();

    // How an address is written.
    refused(
        &cluster.create("blue", "odd", &at("fd00:10:96:0::52")).await,
        &[
            "Service blue/odd",
            "fd00:10:96:0::52",
            "write it as fd00:10:96::52",
        ],
    );

    // Nothing is written while all is right.
    until("nothing is left to write", async |_| {
        let mark = cluster.plane.audit().mark().unwrap();
        tokio::time::sleep(Duration::from_secs(2)).await;
        let entries = cluster.plane.audit().entries_since(mark).unwrap();
        let of_policies = |resource: &str| resource.starts_with("validatingadmissionpolic");
        let kept: Vec<_> = entries
            .iter()
            .filter(|entry| of_policies(entry.resource()))
            .collect();
        let wrote = kept
            .iter()
            .any(|entry| entry.is_write() && entry.subresource().is_empty());
        assert!(kept.len() > 2, "nobody looks");
        !wrote
    })
    .await;
    assert_eq!(cluster.names().await, [CANONICAL, ADDRESSES, PORTS]);

    many_ports_and_many_networks_stay_below_the_limit_of_cost(&cluster).await;

    pools(&cluster.index, &[], &[]);
    until("no pool is exclusive any more", async |_| {
        cluster.names().await == [CANONICAL]
    })
    .await;
    until("blue may have it", async |attempt| {
        let name = format!("free-{attempt}");
        cluster.create("blue", &name, &at("10.96.0.72")).await.is_ok()
    })
    .await;
}

async fn many_ports_and_many_networks_stay_below_the_limit_of_cost(cluster: &Cluster) {
    // Every second address and port, 900 networks and 250 ranges in five pools, and a Service with 1,200 ports.
    let scattered: Vec<(String, Value)> = (0..14)
        .map(|nth| {
            let ranges: Vec<Value> = (0..64)
                .map(|part| {
                    let address = format!("10.96.{}.{}", 2 + nth / 2, (nth % 2) * 128 + part * 2);
                    json!({"first": address, "last": address})
                })
                .collect();
            let spec = json!({"ranges": ranges, "exclusive": true, "namespaces": ["red"]});
            (format!("scattered-{nth}"), spec)
        })
        .collect();
    let scattered_ports: Vec<(String, Value)> = (0..5)
        .map(|nth| {
            let first = 30_100 + nth * 100;
            let ranges: Vec<Value> = (0..50)
                .map(|part| json!({"first": first + 2 * part, "last": first + 2 * part}))
                .collect();
            let spec = json!({"ranges": ranges, "exclusive": true, "namespaces": ["nobody"]});
            (format!("scattered-{nth}"), spec)
        })
        .collect();
    let addresses: Vec<_> = scattered
        .iter()
        .map(|(name, spec)| (name.as_str(), spec.clone()))
        .collect();
    let ports: Vec<_> = scattered_ports
        .iter()
        .map(|(name, spec)| (name.as_str(), spec.clone()))
        .collect();
    pools(&cluster.index, &addresses, &ports);
    cluster
        .refuses(&at("10.96.8.254"), "ServiceIPPool scattered")
        .await;
    cluster.refuses(&on(30_598), "NodePortPool scattered").await;
    let spec = |skip: u16| {
        let ports: Vec<Value> = (0..1200u16)
            .map(|nth| json!({"name": format!("p{nth}"), "port": nth + 1, "nodePort": 31_000 + nth + skip}))
            .collect();
        json!({"type": "NodePort", "clusterIP": "10.96.12.1", "ports": ports})
    };
    cluster.create("blue", "large", &spec(0)).await.unwrap();
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    cluster.patch("blue", "large", &label).await.unwrap();
    cluster
        .patch("blue", "large", &json!({"spec": spec(3)}))
        .await
        .unwrap();
    let mut first = spec(3);
    first["ports"][7]["nodePort"] = json!(30_100);
    let answer = cluster.patch("blue", "large", &json!({"spec": first})).await;
    refused(&answer, &["30100", "scattered-0"]);
    assert_eq!(cluster.names().await.last().map(String::as_str), Some(PORTS));
}

mod on_1_33 {
    #[tokio::test(flavor = "multi_thread")]
    async fn values_of_exclusive_pools_go_to_whom_they_serve_and_to_nobody_else() {
        super::values_of_exclusive_pools_go_to_whom_they_serve_and_to_nobody_else("1.33").await;
    }
}

mod on_1_37 {
    #[tokio::test(flavor = "multi_thread")]
    async fn values_of_exclusive_pools_go_to_whom_they_serve_and_to_nobody_else() {
        super::values_of_exclusive_pools_go_to_whom_they_serve_and_to_nobody_else("1.37").await;
    }
}
