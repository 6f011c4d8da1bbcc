//! The metrics that users of kube-controller-manager's EndpointSlice controller know.

use std::sync::atomic::AtomicI64;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use quaymaster_model::TrafficDistribution;
use quaymaster_model::names::metrics as names;
use quaymaster_runtime::api::Verb;
use quaymaster_runtime::metrics::{Changes, Counter, Labels, Registry, endpoint_buckets};

/// How a sync ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum SyncResult {
    /// `success`
    Success,
    /// `stale`: what was known was out of date, and it is tried again without an error.
    Stale,
    /// `error`
    Error,
}

impl SyncResult {
    const ALL: [Self; 3] = [Self::Success, Self::Stale, Self::Error];

    const fn label(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Stale => "stale",
            Self::Error => "error",
        }
    }
}

/// Whether hints by annotation are on for a Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Topology {
    /// `Auto`
    Auto,
    /// `Disabled`
    Disabled,
}

impl Topology {
    const fn label(self) -> &'static str {
        match self {
            Self::Auto => "Auto",
            Self::Disabled => "Disabled",
        }
    }
}

/// Handles of the EndpointSlice controller's metrics.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    endpoints_added: Histogram,
    endpoints_removed: Histogram,
    /// Endpoints wanted, over all Services.
    pub(crate) endpoints_desired: Gauge,
    /// Slices there are, over all Services.
    pub(crate) slices: Gauge,
    /// Slices there would be if all were filled.
    pub(crate) slices_desired: Gauge,
    /// Pods left out because their Node is not known, over all Services; one for each Service that selects it.
    pub(crate) pods_without_node: Gauge,
    /// Slices that would go if sparse ones were merged, over all Services, at most.
    pub(crate) spare_slices: Gauge,
    changes: Changes,
    changed_per_sync: Family<Labels<2>, Histogram>,
    syncs: Family<Labels<1>, Counter>,
    services: Family<Labels<1>, Gauge>,
}

/// The Go client's `DefBuckets`. They were made for seconds and say little of a number of slices, but a histogram
/// with other buckets could not be added to kube-controller-manager's.
fn default_buckets() -> Histogram {
    Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
}

impl Metrics {
    /// Registers all of them.
    pub(crate) fn register(registry: &Registry) -> Self {
        let metrics = Self {
            endpoints_added: endpoint_buckets(),
            endpoints_removed: endpoint_buckets(),
            endpoints_desired: Gauge::default(),
            slices: Gauge::default(),
            slices_desired: Gauge::default(),
            pods_without_node: Gauge::default(),
            spare_slices: Gauge::default(),
            changes: Changes::register(registry, names::CHANGES, "Writes of EndpointSlices, by operation"),
            changed_per_sync: Family::new_with_constructor(default_buckets),
            syncs: Family::default(),
            services: Family::default(),
        };
        // From zero on, or the first of each kind is no increase to a query.
        for result in SyncResult::ALL {
            drop(metrics.syncs.get_or_create(&[(names::RESULT, result.label())]));
        }
        for value in TrafficDistribution::SET {
            drop(
                metrics
                    .services
                    .get_or_create(&[(names::TRAFFIC_DISTRIBUTION, value.label())]),
            );
        }
        let m = metrics.clone();
        registry.register(
            names::ENDPOINTS_ADDED_PER_SYNC,
            "Endpoints added by a sync of a Service, for each address type",
            m.endpoints_added,
        );
        registry.register(
            names::ENDPOINTS_REMOVED_PER_SYNC,
            "Endpoints removed by a sync of a Service, for each address type",
            m.endpoints_removed,
        );
        registry.register(names::ENDPOINTS_DESIRED, "Endpoints wanted", m.endpoints_desired);
        registry.register(names::NUM_ENDPOINT_SLICES, "EndpointSlices there are", m.slices);
        registry.register(
            names::DESIRED_ENDPOINT_SLICES,
            "EndpointSlices there would be if all were filled",
            m.slices_desired,
        );
        registry.register(
            "quaymaster_endpointslice_pods_without_node",
            "Pods that are left out because their Node is not known, once for each Service",
            m.pods_without_node,
        );
        registry.register(
            "quaymaster_endpointslice_spare_slices",
            "EndpointSlices that would go if sparse ones were merged (--rebalance), at most",
            m.spare_slices,
        );
        registry.register(
            names::SLICES_CHANGED_PER_SYNC,
            "EndpointSlices changed by a sync of a Service",
            m.changed_per_sync,
        );
        registry.register(names::SYNCS, "Syncs of Services, by result", m.syncs);
        registry.register(
            names::SERVICES_BY_TRAFFIC_DISTRIBUTION,
            "Services that set trafficDistribution, by value",
            m.services,
        );
        metrics
    }

    /// One address type of a Service was synced.
    pub(crate) fn synced_endpoints(&self, added: u32, removed: u32) {
        self.endpoints_added.observe(f64::from(added));
        self.endpoints_removed.observe(f64::from(removed));
    }

    /// A write was made.
    pub(crate) fn changed(&self, verb: Verb) {
        self.changes.count(verb);
    }

    /// The writes of a sync of a Service are complete.
    pub(crate) fn slices_changed(&self, topology: Topology, distribution: TrafficDistribution, count: u32) {
        let labels = [
            (names::TOPOLOGY, topology.label()),
            (names::TRAFFIC_DISTRIBUTION, distribution.label()),
        ];
        self.changed_per_sync
            .get_or_create(&labels)
            .observe(f64::from(count));
    }

    /// A sync of a Service has ended.
    pub(crate) fn synced(&self, result: SyncResult) {
        self.syncs.get_or_create(&[(names::RESULT, result.label())]).inc();
    }

    /// The gauge of Services with this value; nothing is counted for those without one, as upstream.
    pub(crate) fn services(&self, distribution: TrafficDistribution) -> Option<Gauge<i64, AtomicI64>> {
        (distribution != TrafficDistribution::None).then(|| {
            self.services
                .get_or_create_owned(&[(names::TRAFFIC_DISTRIBUTION, distribution.label())])
        })
    }
}

#[cfg(test)]
mod tests;
