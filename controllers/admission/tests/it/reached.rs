//! Which requests reach a webhook with our conditions.

use std::sync::Arc;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Service;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use quaymaster_admission::conditions::Asks;
use quaymaster_admission::configuration::Wanted;
use serde_json::{Value, json};

use crate::harness::{ALONE, Counting, PATHS, Webhook, configure, create, plane, service, until};

/// What is asked of the apiserver.
enum Ask {
    /// A new Service.
    Create(Value),
    /// A whole object over another one.
    Put(Value, Value),
    /// A merge patch of an object.
    Patch(Value, Value),
}
use Ask::{Create, Patch as Change, Put};

/// By which conditions it is asked about: `d` those of a cluster of two families, `s` those of one family, `e` those where
/// values that somebody asks for are looked at.
type Row = (&'static str, &'static str, Ask);

fn port(number: u16) -> Value {
    json!({"name": format!("p{number}"), "port": number})
}

fn spec(kind: &str, more: &Value) -> Value {
    let mut spec = json!({"type": kind, "ports": [port(80)]});
    for (field, value) in more.as_object().unwrap() {
        spec[field] = value.clone();
    }
    spec
}

fn many(count: u16, first_node_port: Option<u16>) -> Value {
    let one = |nth: u16| {
        let mut port = port(nth + 1);
        if let Some(first) = first_node_port {
            port["nodePort"] = json!(first + nth);
        }
        port
    };
    json!((0..count).map(one).collect::<Vec<_>>())
}

#[allow(clippy::too_many_lines, reason = "one table")]
fn rows() -> Vec<Row> {
    let cluster_ip = || spec("ClusterIP", &json!({}));
    let node_port = || spec("NodePort", &json!({}));
    let balancer = |more: Value| spec("LoadBalancer", &more);
    let external = || json!({"type": "ExternalName", "externalName": "example.org"});
    let local = || balancer(json!({"externalTrafficPolicy": "Local"}));
    let dual = || spec("ClusterIP", &json!({"ipFamilyPolicy": "RequireDualStack"}));
    let prefer_one = || spec("ClusterIP", &json!({"ipFamilyPolicy": "SingleStack"}));
    let twins = json!({"ports": [
        {"name": "tcp", "port": 53, "protocol": "TCP"}, {"name": "udp", "port": 53, "protocol": "UDP"}]});
    let labels = || json!({"metadata": {"labels": {"a": "b"}}});
    let to = |spec: Value| json!({"spec": spec});
    vec![
        ("dse", "a new Service", Create(cluster_ip())),
        ("dse", "a new one of two families", Create(dual())),
        ("dse", "a new one with node ports", Create(node_port())),
        (
            "dse",
            "a new one with twin ports",
            Create(spec("NodePort", &twins)),
        ),
        ("dse", "a new one with a load balancer", Create(local())),
        (
            "",
            "a new headless one",
            Create(spec("ClusterIP", &json!({"clusterIP": "None"}))),
        ),
        ("", "a new ExternalName", Create(external())),
        (
            "e",
            "a new one with its address",
            Create(spec("ClusterIP", &json!({"clusterIP": "10.96.15.1"}))),
        ),
        (
            "de",
            "a new one with the first of two addresses",
            Create(spec(
                "ClusterIP",
                &json!({"clusterIP": "10.96.15.2", "ipFamilyPolicy": "PreferDualStack"}),
            )),
        ),
        (
            "e",
            "a new one with both addresses",
            Create(spec(
                "ClusterIP",
                &json!({
            "clusterIP": "10.96.15.3", "clusterIPs": ["10.96.15.3", "fd00:10:96::f3"], "ipFamilyPolicy": "PreferDualStack"}),
            )),
        ),
        (
            "e",
            "a new one with address and node port",
            Create(spec(
                "NodePort",
                &json!({
            "clusterIP": "10.96.15.4", "ports": [{"port": 80, "nodePort": 31_004}]}),
            )),
        ),
        (
            "dse",
            "a new one with an address and one of two node ports",
            Create(spec(
                "NodePort",
                &json!({
            "clusterIP": "10.96.15.5", "ports": [{"name": "a", "port": 80, "nodePort": 31_005}, {"name": "b", "port": 81}]}),
            )),
        ),
        (
            "e",
            "a load balancer without node ports, with its address",
            Create(balancer(json!({
            "clusterIP": "10.96.15.6", "allocateLoadBalancerNodePorts": false}))),
        ),
        (
            "dse",
            "the same that needs a port of health checks",
            Create(balancer(json!({
            "clusterIP": "10.96.15.7", "allocateLoadBalancerNodePorts": false, "externalTrafficPolicy": "Local"}))),
        ),
        (
            "dse",
            "a new one with 1,200 ports",
            Create(spec("NodePort", &json!({"ports": many(1200, None)}))),
        ),
        (
            "",
            "a label of a ClusterIP Service",
            Change(cluster_ip(), labels()),
        ),
        (
            "",
            "a label of one with node ports",
            Change(node_port(), labels()),
        ),
        ("", "a label of a load balancer", Change(local(), labels())),
        ("", "a label of one of two families", Change(dual(), labels())),
        (
            "",
            "a label of one with 400 ports",
            Change(spec("NodePort", &json!({"ports": many(400, None)})), labels()),
        ),
        (
            "",
            "the same whole object without values, which are carried over",
            Put(node_port(), node_port()),
        ),
        ("", "the same of a load balancer", Put(local(), local())),
        ("", "the same of one of two families", Put(dual(), dual())),
        (
            "",
            "the same of a headless one",
            Put(
                spec("ClusterIP", &json!({"clusterIP": "None"})),
                spec("ClusterIP", &json!({"clusterIP": "None", "ports": [port(81)]})),
            ),
        ),
        (
            "",
            "a port fewer",
            Put(
                spec("NodePort", &json!({"ports": [port(80), port(81)]})),
                node_port(),
            ),
        ),
        (
            "dse",
            "a port more",
            Put(
                node_port(),
                spec("NodePort", &json!({"ports": [port(80), port(81)]})),
            ),
        ),
        (
            "dse",
            "a port of another name",
            Put(
                node_port(),
                spec("NodePort", &json!({"ports": [{"name": "x", "port": 80}]})),
            ),
        ),
        (
            "dse",
            "a number that another port takes, so that it is not carried over",
            Put(
                spec(
                    "NodePort",
                    &json!({"ports": [{"name": "a", "port": 80, "nodePort": 31_010}]}),
                ),
                spec(
                    "NodePort",
                    &json!({"ports": [{"name": "a", "port": 80}, {"name": "b", "port": 81, "nodePort": 31_010}]}),
                ),
            ),
        ),
        (
            "e",
            "another node port that is given",
            Put(
                spec("NodePort", &json!({"ports": [{"port": 80, "nodePort": 31_011}]})),
                spec("NodePort", &json!({"ports": [{"port": 80, "nodePort": 31_012}]})),
            ),
        ),
        (
            "dse",
            "from ClusterIP to NodePort",
            Change(cluster_ip(), to(json!({"type": "NodePort"}))),
        ),
        (
            "dse",
            "from ClusterIP to LoadBalancer",
            Change(cluster_ip(), to(json!({"type": "LoadBalancer"}))),
        ),
        (
            "",
            "from NodePort to LoadBalancer",
            Change(node_port(), to(json!({"type": "LoadBalancer"}))),
        ),
        (
            "dse",
            "the same with Local",
            Change(
                node_port(),
                to(json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local"})),
            ),
        ),
        (
            "",
            "from LoadBalancer to NodePort",
            Change(balancer(json!({})), to(json!({"type": "NodePort"}))),
        ),
        ("", "from NodePort to ClusterIP", Put(node_port(), cluster_ip())),
        (
            "",
            "from ClusterIP to ExternalName",
            Put(cluster_ip(), external()),
        ),
        (
            "dse",
            "from ExternalName to ClusterIP",
            Put(external(), cluster_ip()),
        ),
        (
            "dse",
            "from ExternalName to NodePort",
            Put(external(), node_port()),
        ),
        (
            "",
            "from ExternalName to headless",
            Put(external(), spec("ClusterIP", &json!({"clusterIP": "None"}))),
        ),
        (
            "e",
            "from ExternalName to an address that is given",
            Put(
                external(),
                spec("ClusterIP", &json!({"clusterIP": "10.96.15.20"})),
            ),
        ),
        (
            "dse",
            "node ports for a load balancer that had none",
            Change(
                balancer(json!({"allocateLoadBalancerNodePorts": false})),
                to(json!({"allocateLoadBalancerNodePorts": true})),
            ),
        ),
        (
            "de",
            "a second family",
            Change(prefer_one(), to(json!({"ipFamilyPolicy": "PreferDualStack"}))),
        ),
        (
            "",
            "a second family no more",
            Change(dual(), to(json!({"ipFamilyPolicy": "SingleStack"}))),
        ),
        (
            "dse",
            "a port more beside 400",
            Put(
                spec("NodePort", &json!({"ports": many(400, None)})),
                spec("NodePort", &json!({"ports": many(401, None)})),
            ),
        ),
    ]
}

struct Cluster {
    client: Client,
    namespace: String,
    counting: Arc<Counting>,
}

impl Cluster {
    fn services(&self) -> Api<Service> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// By which conditions a Service was asked about so far.
    fn counts(&self, namespace: &str, name: &str) -> [u32; 3] {
        let service = format!("{namespace}/{name}");
        PATHS.map(|path| self.counting.seen(path, &service))
    }

    async fn asked(&self, nth: usize, ask: &Ask) -> Result<String, String> {
        let (services, name) = (self.services(), format!("s{nth}"));
        let params = PostParams::default();
        if let Put(before, _) | Change(before, _) = ask {
            create(&self.client, &self.namespace, &name, before)
                .await
                .map_err(|error| format!("before: {error}"))?;
        }
        let counted = self.counts(&self.namespace, &name);
        let stored = match ask {
            Create(spec) => services.create(&params, &service(&name, spec)).await,
            Put(_, spec) => services.replace(&name, &params, &service(&name, spec)).await,
            Change(_, patch) => {
                services
                    .patch(&name, &PatchParams::default(), &Patch::Merge(patch))
                    .await
            }
        };
        stored.map_err(|error| error.to_string())?;
        let _ = services.delete(&name, &DeleteParams::default()).await;
        Ok(letters(counted, self.counts(&self.namespace, &name)))
    }
}

fn letters(before: [u32; 3], after: [u32; 3]) -> String {
    let grown = before.iter().zip(after).zip(["d", "s", "e"]);
    grown
        .filter(|((before, after), _)| after > *before)
        .map(|(_, letter)| letter)
        .collect()
}

async fn cluster(minor: &str) -> (Cluster, Webhook, quaymaster_testkit::Lease) {
    let plane = plane(minor).await;
    let client = plane.client().await.unwrap();
    let namespace = plane.namespace("reached").await.unwrap();
    let counting = Arc::new(Counting::default());
    let (webhook, bundle) = Webhook::with_own_certificates(Arc::clone(&counting)).await;
    let bundle = serde_json::to_value(ByteString(bundle.into_bytes())).unwrap();
    let of = |path: &str, both_families: bool, explicit: bool| {
        let before = json!({
            "name": format!("{}.quaymaster.io", &path[1..]),
            "clientConfig": {"url": format!("https://{}{path}", webhook.address)},
            "namespaceSelector": {"matchExpressions": [
                {"key": "kubernetes.io/metadata.name", "operator": "In", "values": [namespace, "kube-system", "default"]}]},
        });
        let asks = Asks {
            exempt: vec!["kube-system".to_owned()],
            both_families,
            explicit,
        };
        let wanted = Wanted {
            asks: Some(asks),
            bundle: bundle.as_str().map(ToOwned::to_owned),
        };
        let mut webhook = wanted.corrected(&[before]).unwrap().remove(0);
        // What goes wrong in an expression fails the request. Each is asked about once.
        webhook["failurePolicy"] = json!("Fail");
        webhook["reinvocationPolicy"] = json!("Never");
        webhook
    };
    let webhooks = json!([
        of(PATHS[0], true, false),
        of(PATHS[1], false, false),
        of(PATHS[2], true, true)
    ]);
    configure(&client, &namespace, &webhooks).await;
    let cluster = Cluster {
        client,
        namespace,
        counting,
    };
    until("the webhook is asked", async |attempt| {
        let name = format!("probe-{attempt}");
        let spec = spec("ClusterIP", &json!({}));
        create(&cluster.client, &cluster.namespace, &name, &spec)
            .await
            .unwrap();
        cluster.counts(&cluster.namespace, &name) == [1; 3]
    })
    .await;
    (cluster, webhook, plane)
}

async fn requests_that_lack_a_value_are_asked_about_and_no_others(minor: &str) {
    let _beside_others = ALONE.read().await;
    let (cluster, _webhook, _plane) = cluster(minor).await;
    let mut wrong = Vec::new();
    for (nth, (expected, what, ask)) in rows().iter().enumerate() {
        let asked = cluster.asked(nth, ask).await;
        if asked.as_deref() != Ok(*expected) {
            wrong.push(format!("{what}: {asked:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

async fn the_apiserver_and_exempt_namespaces_are_never_asked_about(minor: &str) {
    let _beside_others = ALONE.read().await;
    let (cluster, _webhook, plane) = cluster(minor).await;
    let spec = spec("NodePort", &json!({}));
    let name = cluster.namespace.clone();
    create(&cluster.client, "kube-system", &name, &spec)
        .await
        .unwrap();
    assert_eq!(cluster.counts("kube-system", &name), [0; 3]);
    let mut config = plane.config().await.unwrap();
    config.auth_info.impersonate = Some("system:apiserver".to_owned());
    config.auth_info.impersonate_groups = Some(vec!["system:masters".to_owned()]);
    let apiserver = Client::try_from(config).unwrap();
    create(&apiserver, &cluster.namespace, &name, &spec)
        .await
        .unwrap();
    assert_eq!(cluster.counts(&cluster.namespace, &name), [0; 3]);
    create(&cluster.client, "default", &name, &spec).await.unwrap();
    assert_eq!(cluster.counts("default", &name), [1; 3]);
}

mod on_1_33 {
    #[tokio::test(flavor = "multi_thread")]
    async fn requests_that_lack_a_value_are_asked_about_and_no_others() {
        super::requests_that_lack_a_value_are_asked_about_and_no_others("1.33").await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_apiserver_and_exempt_namespaces_are_never_asked_about() {
        super::the_apiserver_and_exempt_namespaces_are_never_asked_about("1.33").await;
    }
}

mod on_1_37 {
    #[tokio::test(flavor = "multi_thread")]
    async fn requests_that_lack_a_value_are_asked_about_and_no_others() {
        super::requests_that_lack_a_value_are_asked_about_and_no_others("1.37").await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_apiserver_and_exempt_namespaces_are_never_asked_about() {
        super::the_apiserver_and_exempt_namespaces_are_never_asked_about("1.37").await;
    }
}
