//! Nodes.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node, NodeCondition, NodeStatus};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};

use super::pairs;

/// The label that holds a node's zone.
const ZONE: &str = "topology.kubernetes.io/zone";

/// A Node to be built; without further words one without zone, capacity and conditions.
#[derive(Debug, Clone)]
#[must_use]
pub struct NodeBuilder {
    node: Node,
    status: NodeStatus,
}

/// Begins a Node of this name.
pub fn node(name: impl Into<String>) -> NodeBuilder {
    let mut node = Node::default();
    node.metadata.name = Some(name.into());
    NodeBuilder {
        node,
        status: NodeStatus::default(),
    }
}

impl NodeBuilder {
    /// Labels, beside those given before.
    pub fn labels<K: Into<String>, V: Into<String>>(
        mut self,
        labels: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.node
            .metadata
            .labels
            .get_or_insert_default()
            .extend(pairs(labels));
        self
    }

    /// The zone.
    pub fn zone(self, zone: impl Into<String>) -> Self {
        self.labels([(ZONE, zone)])
    }

    /// Capacity and allocatable CPU, such as `4` or `3500m`.
    pub fn cpu(mut self, cpu: impl Into<String>) -> Self {
        let resources = BTreeMap::from([("cpu".to_owned(), Quantity(cpu.into()))]);
        self.status.capacity = Some(resources.clone());
        self.status.allocatable = Some(resources);
        self
    }

    /// Ready.
    pub fn ready(self) -> Self {
        self.condition("Ready", true)
    }

    /// Not Ready.
    pub fn unready(self) -> Self {
        self.condition("Ready", false)
    }

    /// A condition; it replaces an earlier one of its type.
    pub fn condition(mut self, r#type: impl Into<String>, on: bool) -> Self {
        let r#type = r#type.into();
        let conditions = self.status.conditions.get_or_insert_default();
        conditions.retain(|condition| condition.type_ != r#type);
        conditions.push(NodeCondition {
            type_: r#type,
            status: if on { "True" } else { "False" }.to_owned(),
            last_transition_time: Some(Time(Timestamp::now())),
            ..NodeCondition::default()
        });
        self
    }

    /// The object.
    pub fn build(self) -> Node {
        Node {
            status: Some(self.status),
            ..self.node
        }
    }

    /// Creates it, status included, and gives it as the apiserver answered.
    pub async fn create(self, client: &Client) -> kube::Result<Node> {
        // Unlike with Pods, the apiserver takes the status at creation: kubelets register so.
        Api::all(client.clone())
            .create(&PostParams::default(), &self.build())
            .await
    }
}
