//! Metrics of the server.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use quaymaster_runtime::metrics::{Counter, Labels, Registry};

use crate::response::Response;
use crate::tls::Certificates;

/// From what a review costs to the most that an apiserver waits (30 s).
const BUCKETS: [f64; 17] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    30.0,
];

/// Metrics of the server. Clones count together.
#[derive(Clone, Debug)]
pub struct WebhookMetrics {
    duration: Family<Labels<2>, Histogram>,
    in_flight: Gauge,
    denials: Family<Labels<2>, Counter>,
    failures: Family<Labels<1>, Counter>,
    connections: Gauge,
    handshake_failures: Counter,
}

impl WebhookMetrics {
    /// Registers all of them.
    pub fn register(registry: &Registry, certificates: &Certificates) -> Self {
        let metrics = Self {
            duration: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            in_flight: Gauge::default(),
            denials: Family::default(),
            failures: Family::default(),
            connections: Gauge::default(),
            handshake_failures: Counter::default(),
        };
        let m = metrics.clone();
        registry.register(
            "quaymaster_webhook_duration_seconds",
            "Seconds from the whole review being read to its answer, by result",
            m.duration,
        );
        registry.register(
            "quaymaster_webhook_in_flight",
            "Requests that are being read or decided",
            m.in_flight,
        );
        registry.register(
            "quaymaster_webhook_denials_total",
            "Requests that were refused, by cause",
            m.denials,
        );
        registry.register(
            "quaymaster_webhook_failures_total",
            "Requests that were answered with an error in place of a review, by cause",
            m.failures,
        );
        registry.register(
            "quaymaster_webhook_connections",
            "Open connections",
            m.connections,
        );
        registry.register(
            "quaymaster_webhook_handshake_failures_total",
            "Connections that did not get through the TLS handshake",
            m.handshake_failures,
        );
        registry.register_collector(Expiry(certificates.clone()));
        metrics
    }

    pub(crate) fn answered(&self, path: &'static str, response: &Response, took: Duration) {
        self.duration
            .get_or_create(&[("path", path), ("result", response.result())])
            .observe(took.as_secs_f64());
        if let Some(denial) = response.denial() {
            self.denials
                .get_or_create(&[("path", path), ("cause", denial.cause)])
                .inc();
        }
    }

    pub(crate) fn failed(&self, cause: &'static str) {
        self.failures.get_or_create(&[("cause", cause)]).inc();
    }

    pub(crate) fn handshake_failed(&self) {
        self.handshake_failures.inc();
    }

    pub(crate) fn connection(&self) -> Held {
        Held::new(&self.connections)
    }

    pub(crate) fn request(&self) -> Held {
        Held::new(&self.in_flight)
    }
}

/// One in a gauge, as long as it lives.
#[derive(Debug)]
pub(crate) struct Held(Gauge);

impl Held {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Read when asked, since it changes by itself. Left out where nothing is presented yet.
#[derive(Debug)]
struct Expiry(Certificates);

impl Collector for Expiry {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let Some(not_after) = self.0.not_after() else {
            return Ok(());
        };
        let metric = encoder.encode_descriptor(
            "quaymaster_webhook_certificate_expiry_seconds",
            "Seconds until the certificate that is presented expires; below 0 it has",
            None,
            MetricType::Gauge,
        )?;
        ConstGauge::new(not_after.duration_since(Timestamp::now()).as_secs_f64()).encode(metric)
    }
}
