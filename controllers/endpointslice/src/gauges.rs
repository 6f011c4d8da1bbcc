//! Totals over all Services, kept as sums so that a change of one costs nothing for the others.

use std::collections::HashMap;

use quaymaster_model::TrafficDistribution;
use quaymaster_slices::Summary;
use quaymaster_world::ServiceId;

use crate::metrics::Metrics;

/// The gauges of the controller.
#[derive(Debug)]
pub(crate) struct Gauges {
    metrics: Metrics,
    services: HashMap<ServiceId, Summary>,
    distributions: HashMap<ServiceId, TrafficDistribution>,
    total: Summary,
}

impl Gauges {
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self {
            metrics,
            services: HashMap::new(),
            distributions: HashMap::new(),
            total: Summary::default(),
        }
    }

    /// A Service was looked at.
    pub(crate) fn update(&mut self, id: ServiceId, summary: Summary) {
        let before = self.services.insert(id, summary).unwrap_or_default();
        let replace = |total: &mut usize, old: usize, new: usize| *total = *total + new - old;
        replace(&mut self.total.endpoints, before.endpoints, summary.endpoints);
        replace(&mut self.total.slices, before.slices, summary.slices);
        replace(
            &mut self.total.desired_slices,
            before.desired_slices,
            summary.desired_slices,
        );
        replace(
            &mut self.total.pods_without_node,
            before.pods_without_node,
            summary.pods_without_node,
        );
        replace(
            &mut self.total.spare_slices,
            before.spare_slices,
            summary.spare_slices,
        );
    }

    /// A Service asks for this distribution of traffic.
    pub(crate) fn distribution(&mut self, id: ServiceId, value: TrafficDistribution) {
        let before = self.distributions.insert(id, value);
        self.count(before, -1);
        self.count(Some(value), 1);
    }

    /// A Service is no longer looked after.
    pub(crate) fn remove(&mut self, id: ServiceId) {
        self.update(id, Summary::default());
        self.services.remove(&id);
        let before = self.distributions.remove(&id);
        self.count(before, -1);
    }

    /// Shows the totals.
    pub(crate) fn show(&self) {
        let shown = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        self.metrics.endpoints_desired.set(shown(self.total.endpoints));
        self.metrics.slices.set(shown(self.total.slices));
        self.metrics.slices_desired.set(shown(self.total.desired_slices));
        let without_node = shown(self.total.pods_without_node);
        self.metrics.pods_without_node.set(without_node);
        self.metrics.spare_slices.set(shown(self.total.spare_slices));
    }

    fn count(&self, value: Option<TrafficDistribution>, by: i64) {
        if let Some(gauge) = value.and_then(|value| self.metrics.services(value)) {
            gauge.inc_by(by);
        }
    }
}

#[cfg(test)]
mod tests;
