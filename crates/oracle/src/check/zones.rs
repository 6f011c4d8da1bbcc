//! The zones of a cluster, as hints by annotation see them.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Node;

use crate::names::{EXCLUDED_NODE_LABELS, ZONE};
use crate::rules::topology::TopologyCache;

/// The zones of the nodes that count, and the bounds that the algorithm has for them.
#[derive(Clone, Debug, Default)]
pub(super) struct Zones {
    names: BTreeSet<String>,
    bounds: TopologyCache,
}

impl Zones {
    pub(super) fn of(nodes: &[Node]) -> Self {
        let worker = |node: &&Node| {
            let labels = node.metadata.labels.as_ref();
            !EXCLUDED_NODE_LABELS
                .iter()
                .any(|key| labels.is_some_and(|labels| labels.contains_key(*key)))
        };
        let zone = |node: &Node| node.metadata.labels.as_ref()?.get(ZONE).cloned();
        Self {
            names: nodes.iter().filter(worker).filter_map(zone).collect(),
            bounds: TopologyCache::of_nodes(nodes),
        }
    }

    /// Whether endpoints may be hinted to this zone.
    pub(super) fn contains(&self, zone: &str) -> bool {
        self.names.contains(zone)
    }

    /// By how much two distributions of `ready` endpoints may differ in one zone when both keep minima and maxima.
    pub(super) fn slack(&self, ready: usize) -> usize {
        self.bounds.free(ready).unwrap_or(0)
    }

    /// How many of the endpoints in these zones the algorithm hints to another zone than their own, where all is hinted
    /// anew; none where it gives no hints.
    pub(super) fn moved(&self, own: &BTreeMap<String, usize>) -> Option<usize> {
        self.bounds.moved(own)
    }

    /// Whether the algorithm leaves this distribution as it is where no slice is written.
    pub(super) fn keeps(&self, hinted: &BTreeMap<String, usize>) -> bool {
        self.bounds.keeps(hinted)
    }

    /// Whether the algorithm leaves this distribution as it is, where all is hinted anew.
    pub(super) fn is_settled(&self, hinted: &BTreeMap<String, usize>) -> bool {
        self.bounds.is_settled(hinted)
    }
}
