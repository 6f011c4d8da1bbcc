//! What the API shows, read anew each time.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};

/// Where the demo's objects are.
const NAMESPACE: &str = "default";
/// The apiserver's own Service; it writes the slices of it itself.
const KUBERNETES: &str = "kubernetes";
const SERVICE_NAME: &str = "kubernetes.io/service-name";
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";

/// Services, Pods and slices at one time.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) services: BTreeMap<String, ServiceSeen>,
    pub(crate) pods: Vec<PodSeen>,
    pub(crate) slices: Vec<SliceSeen>,
}

#[derive(Debug, Clone)]
pub(crate) struct ServiceSeen {
    pub(crate) uid: String,
    pub(crate) cluster_ip: String,
}

#[derive(Debug, Clone)]
pub(crate) struct PodSeen {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) address: Option<String>,
    pub(crate) node: Option<String>,
    pub(crate) ready: bool,
    pub(crate) terminating: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct SliceSeen {
    pub(crate) name: String,
    pub(crate) service: String,
    pub(crate) managed_by: String,
    pub(crate) owners: BTreeSet<String>,
    /// As `name number/protocol`, sorted.
    pub(crate) ports: Vec<String>,
    pub(crate) endpoints: Vec<EndpointSeen>,
}

#[derive(Debug, Clone)]
pub(crate) struct EndpointSeen {
    pub(crate) addresses: Vec<String>,
    pub(crate) pod: String,
    pub(crate) node: Option<String>,
    pub(crate) zone: Option<String>,
    pub(crate) ready: bool,
    pub(crate) serving: bool,
    pub(crate) terminating: bool,
}

/// The version of the apiserver.
pub(crate) async fn version(client: &Client) -> Result<String> {
    Ok(format!(
        "Kubernetes {}",
        client.apiserver_version().await?.git_version
    ))
}

impl Snapshot {
    /// Reads all three kinds. Slices first: what a Pod or Service has become since can only make a check wait longer.
    pub(crate) async fn read(client: &Client) -> Result<Self> {
        let all = ListParams::default();
        let slices = Api::<EndpointSlice>::namespaced(client.clone(), NAMESPACE)
            .list(&all)
            .await?;
        let pods = Api::<Pod>::namespaced(client.clone(), NAMESPACE)
            .list(&all)
            .await?;
        let services = Api::<Service>::namespaced(client.clone(), NAMESPACE)
            .list(&all)
            .await?;
        Ok(Self {
            services: services
                .into_iter()
                .filter(|service| service.name_any() != KUBERNETES)
                .map(|service| (service.name_any(), ServiceSeen::of(&service)))
                .collect(),
            pods: pods.iter().map(PodSeen::of).collect(),
            slices: slices
                .iter()
                .map(SliceSeen::of)
                .filter(|slice| slice.service != KUBERNETES)
                .collect(),
        })
    }

    /// The Pods with these labels, by name.
    pub(crate) fn pods_of(&self, labels: &[(&str, &str)]) -> Vec<&PodSeen> {
        let has = |pod: &&PodSeen| {
            labels
                .iter()
                .all(|(key, value)| pod.labels.get(*key).is_some_and(|found| found == value))
        };
        let mut pods: Vec<&PodSeen> = self.pods.iter().filter(has).collect();
        pods.sort_by(|a, b| a.name.cmp(&b.name));
        pods
    }

    /// The slices of a Service, by name.
    pub(crate) fn slices_of(&self, service: &str) -> Vec<&SliceSeen> {
        let mut slices: Vec<&SliceSeen> = self
            .slices
            .iter()
            .filter(|slice| slice.service == service)
            .collect();
        slices.sort_by(|a, b| a.name.cmp(&b.name));
        slices
    }
}

impl ServiceSeen {
    fn of(service: &Service) -> Self {
        Self {
            uid: service.uid().unwrap_or_default(),
            cluster_ip: service
                .spec
                .as_ref()
                .and_then(|spec| spec.cluster_ip.clone())
                .unwrap_or_default(),
        }
    }
}

impl PodSeen {
    fn of(pod: &Pod) -> Self {
        let status = pod.status.as_ref();
        Self {
            name: pod.name_any(),
            labels: pod.labels().clone(),
            address: status.and_then(|status| status.pod_ip.clone()),
            node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
            ready: status
                .and_then(|status| status.conditions.as_ref())
                .is_some_and(|conditions| {
                    conditions
                        .iter()
                        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
                }),
            terminating: pod.metadata.deletion_timestamp.is_some(),
        }
    }
}

impl SliceSeen {
    fn of(slice: &EndpointSlice) -> Self {
        let label = |key: &str| slice.labels().get(key).cloned().unwrap_or_default();
        let mut ports: Vec<String> = slice
            .ports
            .iter()
            .flatten()
            .map(|port| {
                let number = port
                    .port
                    .map_or_else(|| "any".to_owned(), |port| port.to_string());
                let protocol = port.protocol.as_deref().unwrap_or("TCP");
                let text = format!("{} {number}/{protocol}", port.name.as_deref().unwrap_or_default());
                text.trim_start().to_owned()
            })
            .collect();
        ports.sort();
        Self {
            name: slice.name_any(),
            service: label(SERVICE_NAME),
            managed_by: label(MANAGED_BY),
            owners: slice
                .owner_references()
                .iter()
                .map(|owner| owner.uid.clone())
                .collect(),
            ports,
            endpoints: slice
                .endpoints
                .iter()
                .flatten()
                .map(|endpoint| {
                    let conditions = endpoint.conditions.clone().unwrap_or_default();
                    EndpointSeen {
                        addresses: endpoint.addresses.clone(),
                        pod: endpoint
                            .target_ref
                            .as_ref()
                            .and_then(|target| target.name.clone())
                            .unwrap_or_default(),
                        node: endpoint.node_name.clone(),
                        zone: endpoint.zone.clone(),
                        ready: conditions.ready == Some(true),
                        serving: conditions.serving == Some(true),
                        terminating: conditions.terminating == Some(true),
                    }
                })
                .collect(),
        }
    }
}
