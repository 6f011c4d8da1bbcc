//! The metrics that users of kube-controller-manager's EndpointSlice mirroring controller know.

use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use quaymaster_model::names::metrics as names;
use quaymaster_runtime::api::Verb;
use quaymaster_runtime::metrics::{Changes, Registry, endpoint_buckets};

use crate::difference::Difference;
use crate::gauges::Totals;

/// Handles of the mirroring controller's metrics.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    added: Histogram,
    updated: Histogram,
    removed: Histogram,
    skipped: Histogram,
    sync_duration: Histogram,
    endpoints_desired: Gauge,
    slices: Gauge,
    slices_desired: Gauge,
    changes: Changes,
}

impl Metrics {
    /// Registers all of them.
    pub(crate) fn register(registry: &Registry) -> Self {
        let metrics = Self {
            added: endpoint_buckets(),
            updated: endpoint_buckets(),
            removed: endpoint_buckets(),
            skipped: endpoint_buckets(),
            sync_duration: Histogram::new(exponential_buckets(0.001, 2.0, 15)),
            endpoints_desired: Gauge::default(),
            slices: Gauge::default(),
            slices_desired: Gauge::default(),
            changes: Changes::register(
                registry,
                names::MIRRORING_CHANGES,
                "Writes of mirrored EndpointSlices, by operation",
            ),
        };
        let m = metrics.clone();
        registry.register(
            names::MIRRORING_ENDPOINTS_ADDED_PER_SYNC,
            "Endpoints added to mirrored EndpointSlices by a sync of Endpoints",
            m.added,
        );
        registry.register(
            names::MIRRORING_ENDPOINTS_UPDATED_PER_SYNC,
            "Endpoints changed in mirrored EndpointSlices by a sync of Endpoints",
            m.updated,
        );
        registry.register(
            names::MIRRORING_ENDPOINTS_REMOVED_PER_SYNC,
            "Endpoints removed from mirrored EndpointSlices by a sync of Endpoints",
            m.removed,
        );
        registry.register(
            names::MIRRORING_ADDRESSES_SKIPPED_PER_SYNC,
            "Addresses that a sync of Endpoints left out: invalid ones, and those above the maximum of a subset",
            m.skipped,
        );
        registry.register(
            names::MIRRORING_SYNC_DURATION,
            "Seconds from when Endpoints are looked at until all is written",
            m.sync_duration,
        );
        registry.register(
            names::MIRRORING_ENDPOINTS_DESIRED,
            "Endpoints wanted in mirrored EndpointSlices",
            m.endpoints_desired,
        );
        registry.register(
            names::MIRRORING_NUM_ENDPOINT_SLICES,
            "Mirrored EndpointSlices there are, what is being written among them",
            m.slices,
        );
        registry.register(
            names::MIRRORING_DESIRED_ENDPOINT_SLICES,
            "Mirrored EndpointSlices there would be if all were filled",
            m.slices_desired,
        );
        metrics
    }

    /// Endpoints were looked at.
    pub(crate) fn synced(&self, difference: Difference, skipped: usize) {
        let Difference {
            added,
            updated,
            removed,
        } = difference;
        let observe = |histogram: &Histogram, count: usize| {
            histogram.observe(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
        };
        observe(&self.added, added);
        observe(&self.updated, updated);
        observe(&self.removed, removed);
        observe(&self.skipped, skipped);
    }

    /// All that was to be written is.
    pub(crate) fn took(&self, time: Duration) {
        self.sync_duration.observe(time.as_secs_f64());
    }

    /// A slice was written.
    pub(crate) fn changed(&self, verb: Verb) {
        self.changes.count(verb);
    }

    /// Shows the totals. There is one slice for each group, so as many are wanted as there are.
    pub(crate) fn show(&self, totals: Totals) {
        let shown = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        self.endpoints_desired.set(shown(totals.endpoints));
        self.slices.set(shown(totals.slices));
        self.slices_desired.set(shown(totals.slices));
    }
}
