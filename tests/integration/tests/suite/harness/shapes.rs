//! A busy cluster with Services of every shape.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::{Endpoints, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{ListParams, PostParams};
use kube::{Api, Client};
use quaymaster_testkit::audit::{Entry, Mark};
use quaymaster_testkit::objects::{PodBuilder, ServiceBuilder};
use quaymaster_testkit::{ControlPlane, pod, service};

use super::{LATER, fresh_ip, fresh_ipv6};

/// Requests at once: what an apiserver on two cores answers fastest.
const AT_ONCE: usize = 24;
/// Pods are told apart by a label `group` with this many values.
const GROUPS: usize = 10;
/// Without a write of slices for this long, a controller is taken to have nothing left to do.
const QUIET: Duration = Duration::from_secs(3);

/// Namespaces with the same Services and Pods each.
pub(crate) struct Shapes {
    namespaces: Vec<String>,
    client: Client,
}

/// Name and resourceVersion of each slice, by namespace and name: any write changes it.
pub(crate) type Versions = BTreeMap<(String, String), String>;

impl Shapes {
    /// Creates `pods` Pods and all shapes of Services in each of so many namespaces.
    pub(crate) async fn create(plane: &ControlPlane, namespaces: usize, pods: usize) -> Self {
        Self::create_without(plane, namespaces, pods, &[]).await
    }

    /// The same without some of the Services.
    pub(crate) async fn create_without(
        plane: &ControlPlane,
        namespaces: usize,
        pods: usize,
        without: &[&str],
    ) -> Self {
        let client = plane.client().await.unwrap();
        let mut names = Vec::new();
        for _ in 0..namespaces {
            names.push(plane.namespace("shapes").await.unwrap());
        }
        let wanted = |service: &Service| {
            !service
                .metadata
                .name
                .as_deref()
                .is_some_and(|name| without.contains(&name))
        };
        let services = names
            .iter()
            .flat_map(|namespace| shapes(namespace))
            .map(ServiceBuilder::build)
            .filter(wanted);
        stream::iter(services)
            .map(async |service| {
                let namespace = service.metadata.namespace.clone().unwrap();
                let services: Api<Service> = Api::namespaced(client.clone(), &namespace);
                services.create(&PostParams::default(), &service).await
            })
            .buffer_unordered(AT_ONCE)
            .for_each(async |result| drop(result.unwrap()))
            .await;
        let pods = names
            .iter()
            .flat_map(|namespace| (0..pods).map(|n| numbered_pod(namespace, n)));
        stream::iter(pods)
            .map(async |pod| pod.create(&client).await.map(drop))
            .buffer_unordered(AT_ONCE)
            .for_each(async |result| result.unwrap())
            .await;
        Self {
            namespaces: names,
            client,
        }
    }

    /// All slices.
    pub(crate) async fn slices(&self) -> Vec<EndpointSlice> {
        let mut all = Vec::new();
        for namespace in &self.namespaces {
            all.extend(self.slices_of(namespace).await);
        }
        all
    }

    /// All slices of a namespace.
    pub(crate) async fn slices_of(&self, namespace: &str) -> Vec<EndpointSlice> {
        let slices: Api<EndpointSlice> = Api::namespaced(self.client.clone(), namespace);
        slices.list(&ListParams::default()).await.unwrap().items
    }

    /// All Endpoints, as they are stored.
    pub(crate) async fn all_endpoints(&self) -> Vec<Endpoints> {
        let mut all = Vec::new();
        for namespace in &self.namespaces {
            let endpoints: Api<Endpoints> = Api::namespaced(self.client.clone(), namespace);
            all.extend(endpoints.list(&ListParams::default()).await.unwrap());
        }
        all
    }

    /// What changes with any write.
    pub(crate) async fn versions(&self) -> Versions {
        let key = |slice: EndpointSlice| {
            let metadata = slice.metadata;
            (
                (metadata.namespace.unwrap(), metadata.name.unwrap()),
                metadata.resource_version.unwrap(),
            )
        };
        self.slices().await.into_iter().map(key).collect()
    }

    /// Endpoints over all slices.
    pub(crate) async fn endpoints(&self) -> usize {
        self.slices()
            .await
            .iter()
            .map(|slice| slice.endpoints.iter().flatten().count())
            .sum()
    }

    /// A Pod of the first namespace that counts as ready, by number.
    pub(crate) fn pod(&self, number: usize) -> (&str, String) {
        (&self.namespaces[0], format!("pod-{number}"))
    }
}

/// Waits until nobody writes slices any more, and gives the writes that a user agent with this beginning made since.
pub(crate) async fn slice_writes(plane: &ControlPlane, since: Mark, agent: &str) -> Vec<Entry> {
    writes_of(plane, "endpointslices", since, agent).await
}

/// The same of another resource.
pub(crate) async fn writes_of(plane: &ControlPlane, resource: &str, since: Mark, agent: &str) -> Vec<Entry> {
    let writes = |entry: &Entry| {
        entry.is_write()
            && entry.is_complete()
            && entry.resource() == resource
            && entry.user_agent.starts_with(agent)
    };
    plane
        .audit()
        .wait_quiet(since, QUIET, LATER, writes)
        .await
        .unwrap()
}

/// A Pod on one of three nodes, in one of the groups; some are not ready, some terminate, some have one family, and versions
/// differ in the number behind a name.
fn numbered_pod(namespace: &str, number: usize) -> PodBuilder {
    let node = ["node-a", "node-b", "node-c"][number % 3];
    let builder = pod(format!("pod-{number}"))
        .namespace(namespace)
        .labels([
            ("app", "web".to_owned()),
            ("group", format!("g{}", number % GROUPS)),
        ])
        .node(node)
        .container_port("named", if number.is_multiple_of(2) { 8080 } else { 9090 })
        .sidecar_port("side", 7070);
    let builder = match number % 16 {
        5 => builder.unready(),
        7 => builder.ready().terminating(),
        9 => builder.phase("Succeeded").condition("Ready", false),
        11 => builder
            .ready()
            .hostname(format!("host-{number}"))
            .subdomain("hosts"),
        _ => builder.ready(),
    };
    match number % 13 {
        3 => builder.ip(fresh_ip()),
        6 => builder.ip(fresh_ipv6()),
        _ => builder.ips([fresh_ip(), fresh_ipv6()]),
    }
}

/// One Service of each shape; all but the first have a group of Pods.
fn shapes(namespace: &str) -> Vec<ServiceBuilder> {
    let of_group = |name: &str, group: &str| service(name).namespace(namespace).selector([("group", group)]);
    let simple = |name: &str, group: &str| of_group(name, group).port("http", 80, 8080);
    let both = ["IPv4", "IPv6"];
    vec![
        service("web")
            .namespace(namespace)
            .selector([("app", "web")])
            .port("http", 80, 8080)
            .families(both),
        simple("plain", "g0"),
        simple("six", "g1").families(["IPv6"]),
        simple("labelled", "g2").labels([("team", "quay"), ("endpointslice.kubernetes.io/managed-by", "me")]),
        of_group("named", "g3")
            .target_port_name("http", 80, "named")
            .families(both),
        of_group("mixed", "g4")
            .port("dns", 53, 53)
            .protocol("UDP")
            .port("dns-tcp", 53, 53)
            .target_port_name("side", 70, "side")
            .app_protocol("kubernetes.io/h2c"),
        of_group("hosts", "g1").headless().port("http", 80, 8080),
        of_group("portless", "g5").headless().families(both),
        simple("early", "g5").publish_not_ready(),
        simple("hinted", "g6")
            .annotation("service.kubernetes.io/topology-mode", "Auto")
            .families(both),
        simple("close", "g7").traffic_distribution("PreferClose"),
        service("unresolved")
            .namespace(namespace)
            .selector([("group", "g8")])
            .target_port_name("x", 1, "missing"),
        simple("empty", "none").families(both),
        service("outside")
            .namespace(namespace)
            .external_name("example.org"),
        service("manual").namespace(namespace).port("http", 80, 8080),
    ]
}
