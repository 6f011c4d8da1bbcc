//! How the CPU of the cluster is divided among its zones.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use quaymaster_model::{NodeRecord, Text};

/// CPU per zone of the Nodes that count: those that are ready and do not belong to the control plane.
///
/// Kept up with every change of a Node, where upstream computes it anew from all Nodes, and only when one comes, goes,
/// changes its readiness or its zone (`k8s.io/endpointslice/topologycache/topologycache.go`, `SetNodes`). A change costs
/// the logarithm of the number of zones; ratios are computed when they are first asked for after a change.
#[derive(Debug, Default)]
pub struct Zones {
    by_name: BTreeMap<Text, Zone>,
    /// Number of Nodes that count but do not tell their zone or CPU. A single one makes all ratios unknown.
    incomplete: usize,
    /// None inside if the data do not suffice.
    ratios: OnceLock<Option<BTreeMap<Text, f64>>>,
}

#[derive(Debug, Default)]
struct Zone {
    nodes: usize,
    /// Sum over the Nodes; wide enough for any number of them.
    cpu_millis: u128,
}

/// What a Node that counts adds.
#[derive(Clone, Copy, PartialEq)]
enum Part<'a> {
    Cpu { zone: &'a Text, millis: u64 },
    Incomplete,
}

impl<'a> Part<'a> {
    fn of(node: &'a NodeRecord) -> Option<Self> {
        if !node.ready || node.control_plane {
            return None;
        }
        Some(match (&node.zone, node.allocatable_cpu_millis) {
            (None, _) | (_, 0) => Self::Incomplete,
            (Some(zone), millis) => Self::Cpu { zone, millis },
        })
    }
}

impl Zones {
    /// Takes in that a Node came (`old` is none), changed, or went (`new` is none). `old` must be what was last given
    /// as `new` for this Node.
    ///
    /// Returns whether the ratios changed, became known, or became unknown.
    pub fn node_changed(&mut self, old: Option<&NodeRecord>, new: Option<&NodeRecord>) -> bool {
        let (old, new) = (old.and_then(Part::of), new.and_then(Part::of));
        if old == new {
            return false;
        }
        let known = self.suffice();
        if let Some(part) = old {
            self.remove(part);
        }
        if let Some(part) = new {
            self.add(part);
        }
        self.ratios = OnceLock::new();
        // A Node changes the CPU of one zone, or moves CPU from one zone to another; neither leaves all ratios of two
        // or more zones as they are.
        known || self.suffice()
    }

    /// The share of each zone in the CPU of all; they sum up to one. None if there are fewer than two zones, or if
    /// any Node that counts does not tell its zone or CPU.
    pub fn ratios(&self) -> Option<&BTreeMap<Text, f64>> {
        self.ratios
            .get_or_init(|| self.suffice().then(|| self.compute()))
            .as_ref()
    }

    fn suffice(&self) -> bool {
        self.incomplete == 0 && self.by_name.len() >= 2
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "upstream divides doubles, and a share needs no more digits"
    )]
    fn compute(&self) -> BTreeMap<Text, f64> {
        let total: u128 = self.by_name.values().map(|zone| zone.cpu_millis).sum();
        let share = |zone: &Zone| zone.cpu_millis as f64 / total as f64;
        self.by_name
            .iter()
            .map(|(name, zone)| (name.clone(), share(zone)))
            .collect()
    }

    fn add(&mut self, part: Part<'_>) {
        match part {
            Part::Incomplete => self.incomplete += 1,
            Part::Cpu { zone, millis } => {
                let zone = self.by_name.entry(zone.clone()).or_default();
                zone.nodes += 1;
                zone.cpu_millis += u128::from(millis);
            }
        }
    }

    /// Saturates: an `old` that was never given must not bring the process down.
    fn remove(&mut self, part: Part<'_>) {
        match part {
            Part::Incomplete => self.incomplete = self.incomplete.saturating_sub(1),
            Part::Cpu { zone: name, millis } => {
                let Some(zone) = self.by_name.get_mut(name) else {
                    return;
                };
                zone.nodes = zone.nodes.saturating_sub(1);
                zone.cpu_millis = zone.cpu_millis.saturating_sub(u128::from(millis));
                if zone.nodes == 0 {
                    self.by_name.remove(name);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
