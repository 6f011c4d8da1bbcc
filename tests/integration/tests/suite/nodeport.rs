//! Pools of node ports on real apiservers: their status, the range that they lie in, and moves.

use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::events::v1::Event;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use quaymaster_api::NodePortPool;
use quaymaster_testkit::audit::Mark;
use quaymaster_testkit::eventually;
use serde_json::{Value, json};

use crate::allocation::{Allocation, namespace, node_ports};
use crate::harness::{
    ALL_RULES, Cluster, LATER, Manager, Minor, Rule, SOON, alone_on_each_minor, get, grant,
    install_definitions,
};

alone_on_each_minor!(
    a_pool_says_what_it_has_and_a_restart_writes_nothing,
    the_range_is_learned_past_a_policy_that_refuses_all_services_also_where_it_has_every_port,
    young_services_are_moved_into_their_pool_where_no_webhook_chooses,
    another_replica_goes_on_where_the_one_that_writes_is_killed,
    a_released_port_rests_before_another_service_gets_it,
);

const NODEPORT: &str = "--controllers=nodeport";
/// Longer than numbers wait for each other.
const QUIET: Duration = Duration::from_secs(7);

/// A cluster with the custom resources, where the binary may do what the controller needs, and nothing else.
async fn start(minor: Minor, range: &str) -> (Cluster, Client) {
    let cluster = Cluster::start(minor, |builder| builder.node_port_range(range)).await;
    let client = cluster.client().await;
    install_definitions(&client).await;
    grant(&client, &rules(), None).await;
    for team in ["team-a", "team-b"] {
        namespace(&client, team).await;
    }
    (cluster, client)
}

fn rules() -> Vec<Rule> {
    let rule = |group, resource, verbs| Rule {
        group,
        resource,
        verbs,
    };
    vec![
        rule("quaymaster.io", "nodeportpools", &["list", "watch"]),
        rule("quaymaster.io", "servicereservations", &["list", "watch"]),
        rule(
            "quaymaster.io",
            "allocationclaims",
            &["get", "list", "watch", "create", "delete"],
        ),
        rule(
            "coordination.k8s.io",
            "leases",
            &["get", "list", "watch", "create", "update", "patch", "delete"],
        ),
        rule("quaymaster.io", "nodeportpools/status", &["update"]),
        rule("", "services", &["list", "watch", "create", "patch"]),
        rule("", "namespaces", &["list", "watch"]),
        rule("events.k8s.io", "events", &["create", "patch"]),
    ]
}

async fn manager(cluster: &Cluster, more: &[&str]) -> Manager {
    let args = [&[NODEPORT], more].concat();
    Manager::start(&cluster.plane, &cluster.kubeconfig, &args).await
}

async fn pool(client: &Client, name: &str, spec: Value) {
    let pool: NodePortPool = serde_json::from_value(json!({
        "apiVersion": "quaymaster.io/v1alpha1", "kind": "NodePortPool", "metadata": { "name": name }, "spec": spec,
    }))
    .unwrap();
    let api: Api<NodePortPool> = Api::all(client.clone());
    api.create(&PostParams::default(), &pool).await.unwrap();
}

async fn service(client: &Client, team: &str, name: &str, spec: Value) -> kube::Result<Service> {
    let object = crate::allocation::service(name, spec);
    let api: Api<Service> = Api::namespaced(client.clone(), team);
    api.create(&PostParams::default(), &object).await
}

/// Until fields of the status, by pointer, are these; conditions by their type, as `status reason`.
async fn expect(client: &Client, name: &str, expected: &[(&str, Value)]) {
    let api: Api<NodePortPool> = Api::all(client.clone());
    eventually(SOON, &format!("the status of {name}"), async || {
        let pool = api.get(name).await.unwrap();
        let status = serde_json::to_value(pool.status.unwrap_or_default()).unwrap();
        for (field, expected) in expected {
            let of_kind = |condition: &&Value| condition["type"] == **field;
            let condition = status["conditions"]
                .as_array()
                .into_iter()
                .flatten()
                .find(of_kind);
            let found = match condition {
                Some(one) => json!(format!(
                    "{} {}",
                    one["status"].as_str().unwrap(),
                    one["reason"].as_str().unwrap()
                )),
                None => status[*field].clone(),
            };
            if found != *expected {
                return Err(format!("{field} is {found}, not {expected}: {status}"));
            }
        }
        Ok(())
    })
    .await;
}

/// What the binary has written since, Events apart.
async fn writes(cluster: &Cluster, mark: Mark) -> Vec<String> {
    tokio::time::sleep(QUIET).await;
    let entries = cluster.plane.audit().entries_since(mark).unwrap();
    let of = entries.iter().filter(|entry| {
        entry.is_complete()
            && entry.is_write()
            && entry.user_agent.starts_with("quaymaster/")
            && !["events", "selfsubjectaccessreviews"].contains(&entry.resource())
    });
    of.map(|entry| format!("{} {} {}", entry.verb, entry.resource(), entry.code()))
        .collect()
}

/// The reasons of Events on an object of this name.
async fn reasons(client: &Client, name: &str) -> Vec<String> {
    let api: Api<Event> = Api::all(client.clone());
    let events = api.list(&ListParams::default()).await.unwrap();
    let of = events
        .into_iter()
        .filter(|event| event.regarding.as_ref().and_then(|object| object.name.as_deref()) == Some(name));
    let mut reasons: Vec<String> = of.filter_map(|event| event.reason).collect();
    reasons.sort();
    reasons
}

async fn a_pool_says_what_it_has_and_a_restart_writes_nothing(minor: Minor) {
    let (cluster, client) = start(minor, "30000-30099").await;
    let first = manager(&cluster, &[]).await;
    pool(
        &client,
        "old",
        json!({ "ranges": [{ "first": 30_000, "last": 30_003 }], "namespaces": ["team-a"] }),
    )
    .await;
    expect(
        &client,
        "old",
        &[
            ("Ready", json!("True Serving")),
            ("InRange", json!("True InRange")),
            ("serverRange", json!({ "first": 30_000, "last": 30_099 })),
            ("effectiveRanges", json!([{ "first": 30_000, "last": 30_003 }])),
            ("observedGeneration", json!(1)),
            ("free", json!(4)),
        ],
    )
    .await;
    // Of two pools of one second the name decides.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    pool(
        &client,
        "young",
        json!({ "ranges": [{ "first": 30_002, "last": 30_005 }, { "first": 30_098, "last": 30_105 }] }),
    )
    .await;
    expect(
        &client,
        "young",
        &[
            ("Overlapping", json!("True OlderPoolServes")),
            ("InRange", json!("False OutOfRange")),
            (
                "effectiveRanges",
                json!([{ "first": 30_004, "last": 30_005 }, { "first": 30_098, "last": 30_099 }]),
            ),
        ],
    )
    .await;
    let ports = json!([
        { "name": "a", "port": 80, "nodePort": 30_000 }, { "name": "b", "port": 81, "nodePort": 30_001 },
        { "name": "c", "port": 82, "nodePort": 30_002 },
    ]);
    service(
        &client,
        "team-a",
        "web",
        json!({ "type": "NodePort", "ports": ports }),
    )
    .await
    .unwrap();
    let other = json!({ "type": "NodePort", "ports": [{ "port": 80, "nodePort": 30_003 }] });
    service(&client, "team-b", "other", other).await.unwrap();
    let full = [
        ("used", json!(3)),
        ("foreign", json!(1)),
        ("free", json!(0)),
        ("Exhausted", json!("True NoneLeft")),
        ("CapacityLow", json!("True NearlyFull")),
    ];
    expect(&client, "old", &full).await;
    eventually(SOON, "the Events", async || {
        let told = (reasons(&client, "old").await, reasons(&client, "young").await);
        let old = vec!["PoolExhausted".to_owned(), "PoolNearlyFull".to_owned()];
        if told == (old, vec!["PoolOverlap".to_owned()]) {
            Ok(())
        } else {
            Err(format!("{told:?}"))
        }
    })
    .await;
    tokio::time::sleep(QUIET).await;
    first.stop().await;
    let mark = cluster.plane.audit().mark().unwrap();
    let second = manager(&cluster, &[]).await;
    // The question for the range, and its refusal.
    assert_eq!(writes(&cluster, mark).await, ["create services 422"]);
    let services: Api<Service> = Api::namespaced(client.clone(), "kube-system");
    assert_eq!(
        services.list(&ListParams::default()).await.unwrap().items.len(),
        0
    );
    assert_eq!(second.lines("ERROR"), [""; 0]);
    let mark = cluster.plane.audit().mark().unwrap();
    let delete = DeleteParams::default();
    let team: Api<Service> = Api::namespaced(client.clone(), "team-b");
    team.delete("other", &delete).await.unwrap();
    expect(
        &client,
        "old",
        &[("quarantined", json!(1)), ("Exhausted", json!("True NoneLeft"))],
    )
    .await;
    assert_eq!(writes(&cluster, mark).await, ["update nodeportpools 200"]);
    second.stop().await;
}

async fn the_range_is_learned_past_a_policy_that_refuses_all_services_also_where_it_has_every_port(
    minor: Minor,
) {
    let (cluster, client) = start(minor, "1-65535").await;
    refuse_services(&client).await;
    let mark = cluster.plane.audit().mark().unwrap();
    let manager = manager(&cluster, &[]).await;
    pool(&client, "a", json!({ "ranges": [{ "first": 1, "last": 4 }] })).await;
    expect(
        &client,
        "a",
        &[
            ("serverRange", json!({ "first": 1, "last": 65_535 })),
            ("InRange", json!("True InRange")),
        ],
    )
    .await;
    assert_eq!(
        writes(&cluster, mark).await,
        [
            "create services 422",
            "create services 422",
            "update nodeportpools 200"
        ]
    );
    // Neither question has taken a port.
    let services: Api<Service> = Api::all(client.clone());
    let of_ours = services.list(&ListParams::default()).await.unwrap();
    assert!(of_ours.iter().all(|service| service.name_any() == "kubernetes"));
    let policies: Api<DynamicObject> = Api::all_with(client.clone(), &policies());
    policies
        .delete("nothing", &DeleteParams::default())
        .await
        .unwrap();
    let ports =
        json!([{ "name": "a", "port": 80, "nodePort": 1 }, { "name": "b", "port": 81, "nodePort": 65_535 }]);
    eventually(SOON, "both ports are free", async || {
        let made = service(
            &client,
            "team-a",
            "web",
            json!({ "type": "NodePort", "ports": ports }),
        )
        .await;
        made.map(drop).map_err(|error| error.to_string())
    })
    .await;
    manager.stop().await;
}

fn policies() -> kube::api::ApiResource {
    let kind =
        kube::api::GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy");
    kube::api::ApiResource::from_gvk_with_plural(&kind, "validatingadmissionpolicies")
}

/// Nobody may create a Service any more.
async fn refuse_services(client: &Client) {
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": { "name": "nothing" },
        "spec": {
            "matchConstraints": { "resourceRules": [{
                "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["services"],
            }] },
            "validations": [{ "expression": "false", "message": "no Service is wanted" }],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": { "name": "nothing" },
        "spec": { "policyName": "nothing", "validationActions": ["Deny"] },
    });
    let kind = kube::api::GroupVersionKind::gvk(
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingAdmissionPolicyBinding",
    );
    let bindings = kube::api::ApiResource::from_gvk_with_plural(&kind, "validatingadmissionpolicybindings");
    for (resource, object) in [(policies(), policy), (bindings, binding)] {
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        let params = PatchParams::apply("suite").force();
        api.patch("nothing", &params, &Patch::Apply(&object))
            .await
            .unwrap();
    }
    eventually(LATER, "the policy holds", async || {
        let made = service(client, "team-b", "refused", json!({})).await;
        match made {
            Err(error) if error.to_string().contains("no Service is wanted") => Ok(()),
            Err(error) => Err(error.to_string()),
            Ok(_) => {
                let api: Api<Service> = Api::namespaced(client.clone(), "team-b");
                api.delete("refused", &DeleteParams::default()).await.unwrap();
                Err("it was stored".to_owned())
            }
        }
    })
    .await;
}

async fn young_services_are_moved_into_their_pool_where_no_webhook_chooses(minor: Minor) {
    let (cluster, client) = start(minor, "30000-30999").await;
    let manager = manager(&cluster, &["--move-node-ports"]).await;
    let spec = json!({ "ranges": [{ "first": 30_500, "last": 30_599 }], "namespaces": ["team-a"] });
    pool(&client, "a", spec).await;
    expect(&client, "a", &[("Ready", json!("True Serving"))]).await;
    let services: Api<Service> = Api::namespaced(client.clone(), "team-a");
    let outside = json!({ "type": "NodePort", "ports": [
        { "name": "web", "port": 80, "nodePort": 30_100 }, { "name": "in", "port": 81, "nodePort": 30_555 },
        { "name": "dns", "protocol": "UDP", "port": 53, "targetPort": "dns", "nodePort": 30_101 },
        { "name": "dns-tcp", "protocol": "TCP", "port": 53, "targetPort": "dns", "nodePort": 30_101 },
    ] });
    let made = service(&client, "team-a", "web", outside.clone()).await.unwrap();
    let moved = async |name: &str| {
        eventually(SOON, "the node ports are moved", async || {
            let service = services.get(name).await.unwrap();
            let ports = node_ports(&service);
            if ports.iter().all(|port| (30_500..=30_599).contains(port)) {
                Ok(service)
            } else {
                Err(format!("{ports:?}"))
            }
        })
        .await
    };
    let now = moved("web").await;
    let ports = node_ports(&now);
    assert_eq!((ports[1], ports[2]), (30_555, ports[3]), "{ports:?}");
    // Nothing else of the Service has changed.
    let without = |service: &Service| {
        let mut spec = serde_json::to_value(&service.spec).unwrap();
        for port in spec["ports"].as_array_mut().unwrap() {
            port["nodePort"] = json!(0);
        }
        spec
    };
    assert_eq!(without(&now), without(&made));
    eventually(SOON, "it is told", async || {
        let reasons = reasons(&client, "web").await;
        if reasons == ["Rehomed"] {
            Ok(())
        } else {
            Err(format!("{reasons:?}"))
        }
    })
    .await;
    // Whoever puts them back is left alone, and so are those that no pool is for.
    let mark = cluster.plane.audit().mark().unwrap();
    let back = json!({ "spec": { "ports": outside["ports"] } });
    services
        .patch("web", &PatchParams::default(), &Patch::Merge(&back))
        .await
        .unwrap();
    let elsewhere = json!({ "type": "NodePort", "ports": [{ "port": 80, "nodePort": 30_102 }] });
    service(&client, "team-b", "elsewhere", elsewhere).await.unwrap();
    let found = writes(&cluster, mark).await;
    assert!(
        found.iter().all(|write| write == "update nodeportpools 200"),
        "{found:?}"
    );
    // A load balancer's are moved as well, and its health check's port stays.
    let balancer = json!({
        "type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 30_104,
        "ports": [{ "port": 80, "nodePort": 30_103 }],
    });
    service(&client, "team-a", "balancer", balancer).await.unwrap();
    let balancer = moved("balancer").await;
    assert_eq!(balancer.spec.unwrap().health_check_node_port, Some(30_104));
    manager.stop().await;
}

async fn another_replica_goes_on_where_the_one_that_writes_is_killed(minor: Minor) {
    let (cluster, client) = start(minor, "30000-30099").await;
    let mut first = manager(&cluster, &["--leader-elect"]).await;
    let spec = json!({ "ranges": [{ "first": 30_090, "last": 30_109 }] });
    pool(&client, "a", spec).await;
    let clipped = json!([{ "first": 30_090, "last": 30_099 }]);
    expect(&client, "a", &[("effectiveRanges", clipped.clone())]).await;
    let second = manager(&cluster, &["--leader-elect"]).await;
    // What the first one has found out is known to one that has never asked.
    eventually(SOON, "the other replica knows the range", async || {
        let (_, metrics) = get(second.port, "/metrics").await.ok_or("no answer")?;
        if metrics.contains("quaymaster_pool_ports{pool=\"a\",state=\"free\"} 10\n") {
            Ok(())
        } else {
            Err(metrics)
        }
    })
    .await;
    let mark = cluster.plane.audit().mark().unwrap();
    first.process.server().kill().unwrap();
    let web = json!({ "type": "NodePort", "ports": [{ "port": 80, "nodePort": 30_095 }] });
    service(&client, "team-a", "web", web).await.unwrap();
    expect(
        &client,
        "a",
        &[
            ("used", json!(1)),
            ("free", json!(9)),
            ("effectiveRanges", clipped),
        ],
    )
    .await;
    let found = writes(&cluster, mark).await;
    let of_leases = |write: &&String| !write.contains(" leases ");
    let found: Vec<&String> = found.iter().filter(of_leases).collect();
    assert_eq!(found, ["create services 422", "update nodeportpools 200"]);
    second.stop().await;
}

async fn a_released_port_rests_before_another_service_gets_it(minor: Minor) {
    let allocation = Allocation::start(minor, 1).await;
    grant(&allocation.client, &[&ALL_RULES[..], &rules()].concat(), None).await;
    let rest = json!({ "quarantine": { "seconds": 12, "enforce": "Memory" } });
    allocation.port_pool("a", "team-a", (30_100, 30_101), rest).await;
    let of = |name: &'static str| {
        let spec = json!({ "type": "NodePort" });
        allocation.create("team-a", name, spec, false)
    };
    let (one, two) = (of("one").await.unwrap(), of("two").await.unwrap());
    let (one, two) = (node_ports(&one)[0], node_ports(&two)[0]);
    assert_ne!(one, two);
    let services = allocation.services("team-a");
    services.delete("one", &DeleteParams::default()).await.unwrap();
    let released = std::time::Instant::now();
    let client = &allocation.client;
    expect(
        client,
        "a",
        &[("quarantined", json!(1)), ("Exhausted", json!("True NoneLeft"))],
    )
    .await;
    // Neither by chance nor by name.
    let refused = of("three").await.unwrap_err().to_string();
    assert!(
        refused.contains("NodePortPool a") || refused.contains("pool a"),
        "{refused}"
    );
    let named = json!({ "type": "NodePort", "ports": [{ "port": 80, "nodePort": one }] });
    let refused = allocation.create("team-a", "three", named, false).await;
    assert!(refused.unwrap_err().to_string().contains(&one.to_string()));
    let three = eventually(LATER, "its rest is over", async || {
        of("three").await.map_err(|error| error.to_string())
    })
    .await;
    assert_eq!(node_ports(&three), [one]);
    assert!(
        released.elapsed() >= Duration::from_secs(12),
        "{:?}",
        released.elapsed()
    );
    expect(client, "a", &[("quarantined", json!(0)), ("used", json!(2))]).await;
}
