//! Metrics, and their text form.
//!
//! Each subsystem, a controller among them, owns a struct of handles that it registers once; counting is then an atomic operation. No
//! metric carries the name of an object as a label: labels come from closed sets.
//!
//! The text is Prometheus' format 0.0.4, not `OpenMetrics`. `OpenMetrics` demands that counters end in `_total`,
//! and `prometheus-client` appends it; kube-controller-manager's counters do not all end so
//! (`endpoint_slice_controller_changes`), and whoever has dashboards and alerts for them must find them under
//! their names. So counters are [`Counter`]s of our own, which encode their name as it is, gauges with labels
//! stand for `info`, units are part of the names, and no end marker is written: what is left is valid 0.0.4, which
//! every Prometheus reads.

mod changes;
mod counter;
mod handles;
mod process;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::registry::Metric;

pub use changes::{Changes, endpoint_buckets};
pub use counter::Counter;
pub use handles::{BuildInfo, DropReason, EventMetrics, QueueHandles, QueueMetrics, WriteMetrics};
pub use process::ProcessCollector;

/// The content type of [`Registry::encode`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Labels of a metric: names and values from closed sets.
pub type Labels<const N: usize> = [(&'static str, &'static str); N];

/// All metrics of the process. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    registry: prometheus_client::registry::Registry,
    names: BTreeSet<&'static str>,
}

impl Registry {
    /// A registry without metrics.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a metric under exactly this name. `help` is a sentence without its full stop.
    ///
    /// A name can be had once; a second metric of the name is not shown, and logged as the mistake it is.
    pub fn register(&self, name: &'static str, help: &'static str, metric: impl Metric) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.names.insert(name) {
            inner.registry.register(name, help, metric);
        } else {
            tracing::error!(name, "metric registered twice");
        }
    }

    /// Adds metrics that are read when asked for.
    pub fn register_collector(&self, collector: impl Collector) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.registry.register_collector(Box::new(collector));
    }

    /// All metrics as text of [`CONTENT_TYPE`].
    pub fn encode(&self) -> String {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        if encode_registry(&mut text, &inner.registry).is_err() {
            // Only a collector that gives up could cause it, and a String takes everything.
            tracing::error!("metrics are incomplete");
        }
        whole_bounds(&text)
    }
}

/// Writes bucket bounds as Go does, `le="2"` for `le="2.0"`: queries for kube-controller-manager's histograms
/// name them so.
fn whole_bounds(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        match line
            .split_once("le=\"")
            .and_then(|(before, rest)| Some((before, rest.split_once(".0\"")?)))
        {
            Some((before, (bound, after)))
                if before.contains("_bucket{") && bound.bytes().all(|b| b.is_ascii_digit()) =>
            {
                result.extend([before, "le=\"", bound, "\"", after]);
            }
            _ => result.push_str(line),
        }
    }
    result
}
