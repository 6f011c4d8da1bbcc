//! ClusterIPs and node ports out of pools, with the binary as the apiserver's webhook.

mod matrix;
mod outage;
mod parallel;

use std::net::IpAddr;

use k8s_openapi::api::core::v1::{Namespace, Service};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use quaymaster_api::{NodePortPool, ServiceIPPool};
use quaymaster_testkit::eventually;
use serde_json::{Value, json};

use crate::harness::{
    ALL_RULES, ALLOCATION_RULES, Cluster, Minor, SOON, Webhook, grant, install_definitions,
};

const ARGS: [&str; 2] = ["--controllers=*,clusterip,nodeport", "--leader-elect"];

/// A cluster with pools for the namespaces of team `a`, and replicas that answer for them.
pub(crate) struct Allocation {
    pub(crate) cluster: Cluster,
    pub(crate) client: Client,
    pub(crate) webhook: Webhook,
}

impl Allocation {
    pub(crate) async fn start(minor: Minor, replicas: usize) -> Self {
        Self::start_with(minor, replicas, "Fail").await
    }

    /// With a failure policy of the webhook.
    pub(crate) async fn start_with(minor: Minor, replicas: usize, failure_policy: &str) -> Self {
        let cluster = Cluster::start(minor, |builder| builder.node_port_range("30000-30999")).await;
        let client = cluster.client().await;
        install_definitions(&client).await;
        grant(&client, &[&ALL_RULES[..], &ALLOCATION_RULES[..]].concat(), None).await;
        for team in ["team-a", "team-b"] {
            namespace(&client, team).await;
        }
        let webhook = Webhook::start(&cluster, replicas, &ARGS, failure_policy).await;
        Self {
            cluster,
            client,
            webhook,
        }
    }

    /// Makes a pool of addresses for a team, and waits until it serves.
    pub(crate) async fn address_pool(&self, name: &str, team: &str, cidrs: &[&str], spec: Value) {
        let mut object = json!({
            "apiVersion": "quaymaster.io/v1alpha1", "kind": "ServiceIPPool",
            "metadata": { "name": name },
            "spec": { "cidrs": cidrs, "namespaceSelector": { "matchLabels": { "team": team } } },
        });
        merge(&mut object["spec"], spec);
        let api: Api<ServiceIPPool> = Api::all(self.client.clone());
        let pool: ServiceIPPool = serde_json::from_value(object).unwrap();
        api.create(&PostParams::default(), &pool).await.unwrap();
        let cidrs: Vec<String> = cidrs.iter().map(|cidr| (*cidr).to_owned()).collect();
        self.served(team, &json!({}), move |service| {
            cluster_ips(service)
                .iter()
                .any(|ip| cidrs.iter().any(|cidr| within(cidr, *ip)))
        })
        .await;
    }

    /// Makes a pool of node ports for a team, and waits until it serves.
    pub(crate) async fn port_pool(&self, name: &str, team: &str, (first, last): (u16, u16), spec: Value) {
        let mut object = json!({
            "apiVersion": "quaymaster.io/v1alpha1", "kind": "NodePortPool",
            "metadata": { "name": name },
            "spec": {
                "ranges": [{ "first": first, "last": last }],
                "namespaceSelector": { "matchLabels": { "team": team } },
            },
        });
        merge(&mut object["spec"], spec);
        let api: Api<NodePortPool> = Api::all(self.client.clone());
        let pool: NodePortPool = serde_json::from_value(object).unwrap();
        api.create(&PostParams::default(), &pool).await.unwrap();
        let spec = json!({ "type": "NodePort" });
        self.served(team, &spec, move |service| {
            node_ports(service)
                .iter()
                .all(|port| (i32::from(first)..=i32::from(last)).contains(port))
        })
        .await;
    }

    /// Until each replica has seen what was made: dry runs of creates are answered from it.
    async fn served(&self, team: &str, spec: &Value, right: impl Fn(&Service) -> bool) {
        let mut in_a_row = 0;
        eventually(SOON, "the pool serves in each replica", async || {
            let made = self.create(team, "probe", spec.clone(), true).await;
            let service = made.map_err(|error| error.to_string())?;
            in_a_row = if right(&service) { in_a_row + 1 } else { 0 };
            if in_a_row >= 8 {
                Ok(())
            } else {
                Err(format!("{:?}", service.spec))
            }
        })
        .await;
    }

    pub(crate) fn services(&self, namespace: &str) -> Api<Service> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Creates a Service by POST.
    pub(crate) async fn create(
        &self,
        namespace: &str,
        name: &str,
        spec: Value,
        dry_run: bool,
    ) -> kube::Result<Service> {
        let parameters = PostParams {
            dry_run,
            ..PostParams::default()
        };
        self.services(namespace)
            .create(&parameters, &service(name, spec))
            .await
    }

    /// Applies a Service as its owner.
    pub(crate) async fn apply(&self, namespace: &str, name: &str, spec: Value) -> kube::Result<Service> {
        let mut object = serde_json::to_value(service(name, spec)).unwrap();
        object["apiVersion"] = json!("v1");
        object["kind"] = json!("Service");
        let parameters = PatchParams::apply("test").force();
        self.services(namespace)
            .patch(name, &parameters, &Patch::Apply(&object))
            .await
    }

    /// Changes a Service by a merge patch.
    pub(crate) async fn patch(&self, namespace: &str, name: &str, patch: Value) -> kube::Result<Service> {
        let parameters = PatchParams::default();
        self.services(namespace)
            .patch(name, &parameters, &Patch::Merge(patch))
            .await
    }

    /// Replaces a Service by PUT, as clients do that know nothing of what is filled in.
    pub(crate) async fn put(&self, namespace: &str, name: &str, spec: Value) -> kube::Result<Service> {
        self.services(namespace)
            .replace(name, &PostParams::default(), &service(name, spec))
            .await
    }
}

/// A Service with one port, unless the spec has others.
pub(crate) fn service(name: &str, spec: Value) -> Service {
    let mut all = json!({ "ports": [{ "port": 80 }], "selector": { "app": "web" } });
    merge(&mut all, spec);
    serde_json::from_value(json!({ "metadata": { "name": name }, "spec": all })).unwrap()
}

pub(crate) fn merge(into: &mut Value, from: Value) {
    if let (Some(into), Value::Object(from)) = (into.as_object_mut(), from) {
        for (key, value) in from {
            into.insert(key, value);
        }
    }
}

pub(crate) async fn namespace(client: &Client, name: &str) {
    let object: Namespace =
        serde_json::from_value(json!({ "metadata": { "name": name, "labels": { "team": name } } })).unwrap();
    let api: Api<Namespace> = Api::all(client.clone());
    api.create(&PostParams::default(), &object).await.unwrap();
}

pub(crate) fn cluster_ips(service: &Service) -> Vec<IpAddr> {
    let spec = service.spec.as_ref().unwrap();
    let ips = spec.cluster_ips.iter().flatten();
    ips.filter_map(|ip| ip.parse().ok()).collect()
}

pub(crate) fn node_ports(service: &Service) -> Vec<i32> {
    let spec = service.spec.as_ref().unwrap();
    spec.ports
        .iter()
        .flatten()
        .filter_map(|port| port.node_port)
        .collect()
}

pub(crate) fn within(cidr: &str, ip: IpAddr) -> bool {
    cidr.parse::<ipnet::IpNet>().unwrap().contains(&ip)
}
