//! Nodes: with and without zones, ready or not, of different size.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node, NodeAddress, NodeCondition, NodeStatus};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Generator;
use super::object::Key;
use super::step::{Step, StepKind};
use crate::names;

const ZONES: [&str; 3] = ["zone-a", "zone-b", "zone-c"];
/// Nodes that Pods name, but that may come late or never.
pub(super) const LATE_NODES: [&str; 2] = ["late-0", "late-1"];

impl Generator {
    pub(super) fn new_node(&mut self) -> Step {
        let late = self.rng.pick(LATE_NODES);
        let name = if self.rng.chance(10) && self.cluster.all::<Node>().next().is_some() {
            late.to_owned()
        } else {
            format!("node-{}", self.serial())
        };
        let serial = self.serial();
        let mut labels = BTreeMap::from([("kubernetes.io/hostname".to_owned(), name.clone())]);
        if let Some(zone) = self.zone() {
            labels.insert(names::ZONE.to_owned(), zone);
        }
        if self.rng.chance(8) {
            labels.insert(names::EXCLUDED_NODE_LABELS[0].to_owned(), String::new());
        }
        let cpu = if self.zoned || self.rng.chance(95) {
            self.rng.pick(["4", "3920m", "8"])
        } else {
            "0"
        };
        let ready = self.rng.chance(92);
        let node = Node {
            metadata: ObjectMeta {
                name: Some(name),
                uid: Some(format!("node-uid-{serial}")),
                labels: Some(labels),
                ..ObjectMeta::default()
            },
            spec: None,
            status: Some(NodeStatus {
                addresses: Some(vec![NodeAddress {
                    address: format!("192.168.{}.{}", serial / 250, serial % 250 + 1),
                    type_: "InternalIP".to_owned(),
                }]),
                allocatable: Some(BTreeMap::from([("cpu".to_owned(), Quantity(cpu.to_owned()))])),
                conditions: Some(vec![NodeCondition {
                    type_: "Ready".to_owned(),
                    status: if ready { "True" } else { "False" }.to_owned(),
                    last_transition_time: Some(self.cluster.now()),
                    ..NodeCondition::default()
                }]),
                ..NodeStatus::default()
            }),
        };
        Step::put(StepKind::NodeAdded, node)
    }

    fn zone(&mut self) -> Option<String> {
        let zone = self.rng.pick(ZONES).to_owned();
        match self.rng.below(100) {
            // A label without a value is as good as none.
            0..5 if !self.zoned => Some(String::new()),
            5..30 if !self.zoned => None,
            _ => Some(zone),
        }
    }

    pub(super) fn change_node(&mut self) -> Step {
        let nodes: Vec<Node> = self.cluster.nodes();
        let Some(mut node) = self.rng.pick_opt(&nodes).cloned() else {
            return self.new_node();
        };
        let kind = match self.rng.below(4) {
            0 => return self.new_node(),
            1 => {
                let name = node.metadata.name.unwrap_or_default();
                return Step::delete(StepKind::NodeRemoved, Key::of::<Node>("", &name));
            }
            2 => {
                let zone = self.zone();
                let labels = node.metadata.labels.get_or_insert_default();
                match zone {
                    Some(zone) => _ = labels.insert(names::ZONE.to_owned(), zone),
                    None => _ = labels.remove(names::ZONE),
                }
                StepKind::NodeZoneChanged
            }
            _ => {
                let status = node.status.get_or_insert_default();
                for condition in status.conditions.iter_mut().flatten() {
                    let flipped = if condition.status == "True" {
                        "False"
                    } else {
                        "True"
                    };
                    flipped.clone_into(&mut condition.status);
                }
                StepKind::NodeReadinessFlipped
            }
        };
        Step::put(kind, node)
    }
}
