//! By how much hints by annotation may differ.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Node;

use crate::names::{EXCLUDED_NODE_LABELS, ZONE};

/// The zones' shares of CPU by name, for the bounds of hints by annotation (`k8s.io/endpointslice/topologycache`).
#[derive(Clone, Debug, Default)]
pub(super) struct Zones(BTreeMap<String, f64>);

impl Zones {
    pub(super) fn of(nodes: &[Node]) -> Self {
        let mut cpu = BTreeMap::<&str, f64>::new();
        for node in nodes {
            let labels = node.metadata.labels.as_ref();
            if EXCLUDED_NODE_LABELS
                .iter()
                .any(|key| labels.is_some_and(|labels| labels.contains_key(*key)))
            {
                continue;
            }
            let conditions = node
                .status
                .iter()
                .flat_map(|status| status.conditions.iter().flatten());
            let ready = conditions
                .into_iter()
                .any(|condition| condition.type_ == "Ready" && condition.status == "True");
            let zone = labels.and_then(|labels| labels.get(ZONE)).map(String::as_str);
            let quantity = node
                .status
                .as_ref()
                .and_then(|status| status.allocatable.as_ref()?.get("cpu"));
            if let (true, Some(zone), Some(quantity)) = (ready, zone, quantity) {
                *cpu.entry(zone).or_default() += cores(&quantity.0);
            }
        }
        let total: f64 = cpu.values().sum();
        let shares = cpu
            .into_iter()
            .map(|(zone, cores)| (zone.to_owned(), cores / total));
        Self(shares.collect())
    }

    /// Whether endpoints may be hinted to this zone.
    pub(super) fn contains(&self, zone: &str) -> bool {
        self.0.contains_key(zone)
    }

    /// By how much two valid distributions of `ready` endpoints may differ in one zone: a zone may have any number
    /// from its minimum to that plus all that no minimum claims.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "numbers of endpoints of one Service, and shares of them"
    )]
    pub(super) fn slack(&self, ready: usize) -> usize {
        /// A zone may be overloaded by a fifth.
        const OVERLOAD: f64 = 1.2;
        let minima = self
            .0
            .values()
            .map(|share| (share * ready as f64 / OVERLOAD).ceil() as usize);
        ready.saturating_sub(minima.sum())
    }
}

fn cores(quantity: &str) -> f64 {
    match quantity.strip_suffix('m') {
        Some(milli) => milli.parse::<f64>().unwrap_or_default() / 1000.0,
        None => quantity.parse().unwrap_or_default(),
    }
}
