//! Metrics of our own machinery.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use quaymaster_model::names::metrics as kcm_names;
use quaymaster_queue::Stats;

use super::{Counter, Labels, Registry};
use crate::api::Verb;

/// A gauge of seconds.
type Seconds = Gauge<f64, AtomicU64>;

/// What is running; registered once, then constant.
#[derive(Clone, Copy, Debug)]
pub struct BuildInfo;

impl BuildInfo {
    /// Registers `quaymaster_build_info`.
    pub fn register(registry: &Registry, version: &'static str, revision: &'static str) {
        let info = Family::<Labels<2>, Gauge>::default();
        info.get_or_create(&[("version", version), ("revision", revision)])
            .set(1);
        registry.register(
            "quaymaster_build_info",
            "Always 1; the labels say what is running",
            info,
        );
    }
}

/// Metrics of all queues, with kube-controller-manager's names where the meaning is the same.
///
/// Its `unfinished_work_seconds` and `longest_running_processor_seconds` are not kept: they find stuck workers, of
/// which there are none here; the core task has a heartbeat instead.
#[derive(Clone, Debug)]
pub struct QueueMetrics {
    depth: Family<Labels<1>, Gauge>,
    delayed: Family<Labels<1>, Gauge>,
    in_process: Family<Labels<1>, Gauge>,
    oldest_age: Family<Labels<1>, Seconds>,
    adds: Family<Labels<1>, Counter>,
    retries: Family<Labels<1>, Counter>,
    retry_causes: Family<Labels<2>, Counter>,
    repeated_repairs: Family<Labels<1>, Counter>,
    queue_duration: Family<Labels<1>, Histogram>,
    work_duration: Family<Labels<1>, Histogram>,
}

/// 10 ns to 10 s, as upstream.
fn workqueue_buckets() -> Histogram {
    Histogram::new(exponential_buckets(1e-8, 10.0, 10))
}

impl QueueMetrics {
    /// Registers all of them.
    pub fn register(registry: &Registry) -> Self {
        let metrics = Self {
            depth: Family::default(),
            delayed: Family::default(),
            in_process: Family::default(),
            oldest_age: Family::default(),
            adds: Family::default(),
            retries: Family::default(),
            retry_causes: Family::default(),
            repeated_repairs: Family::default(),
            queue_duration: Family::new_with_constructor(workqueue_buckets),
            work_duration: Family::new_with_constructor(workqueue_buckets),
        };
        let m = metrics.clone();
        registry.register(kcm_names::WORKQUEUE_DEPTH, "Keys that are due", m.depth);
        registry.register(kcm_names::WORKQUEUE_ADDS, "Keys that began to wait", m.adds);
        registry.register(kcm_names::WORKQUEUE_RETRIES, "Retries", m.retries);
        registry.register(
            kcm_names::WORKQUEUE_QUEUE_DURATION,
            "Seconds from a key being due to its being taken",
            m.queue_duration,
        );
        registry.register(
            kcm_names::WORKQUEUE_WORK_DURATION,
            "Seconds from a key being taken to its being done",
            m.work_duration,
        );
        registry.register(
            "quaymaster_queue_delayed",
            "Keys that wait for their due time",
            m.delayed,
        );
        registry.register(
            "quaymaster_queue_in_process",
            "Keys being processed",
            m.in_process,
        );
        registry.register(
            "quaymaster_queue_oldest_age_seconds",
            "Seconds since the oldest due key became due; 0 if none is due",
            m.oldest_age,
        );
        registry.register(
            "quaymaster_queue_retry_causes_total",
            "Retries, by cause",
            m.retry_causes,
        );
        registry.register(
            "quaymaster_queue_repeated_repairs_total",
            "Repairs of what another writer changed again within a minute of the last repair",
            m.repeated_repairs,
        );
        metrics
    }

    /// Handles for one queue, for example [`QUEUE_ENDPOINTSLICE`](quaymaster_model::names::QUEUE_ENDPOINTSLICE).
    pub fn for_queue(&self, name: &'static str) -> QueueHandles {
        let labels = [(kcm_names::QUEUE_NAME, name)];
        QueueHandles {
            name,
            depth: self.depth.get_or_create_owned(&labels),
            delayed: self.delayed.get_or_create_owned(&labels),
            in_process: self.in_process.get_or_create_owned(&labels),
            oldest_age: self.oldest_age.get_or_create_owned(&labels),
            adds: self.adds.get_or_create_owned(&labels),
            retries: self.retries.get_or_create_owned(&labels),
            retry_causes: self.retry_causes.clone(),
            repeated_repairs: self.repeated_repairs.get_or_create_owned(&labels),
            queue_duration: self.queue_duration.get_or_create_owned(&labels),
            work_duration: self.work_duration.get_or_create_owned(&labels),
        }
    }
}

/// Metrics of one queue.
#[derive(Clone, Debug)]
pub struct QueueHandles {
    name: &'static str,
    depth: Gauge,
    delayed: Gauge,
    in_process: Gauge,
    oldest_age: Seconds,
    adds: Counter,
    retries: Counter,
    retry_causes: Family<Labels<2>, Counter>,
    repeated_repairs: Counter,
    queue_duration: Histogram,
    work_duration: Histogram,
}

impl QueueHandles {
    /// Takes over what the queue says of itself.
    pub fn observe(&self, stats: &Stats) {
        let Stats {
            depth,
            delayed,
            in_process,
            oldest_age,
            adds,
            retries,
        } = *stats;
        self.depth.set(as_i64(depth));
        self.delayed.set(as_i64(delayed));
        self.in_process.set(as_i64(in_process));
        self.oldest_age.set(oldest_age.as_secs_f64());
        self.adds.raise_to(adds);
        self.retries.raise_to(retries);
    }

    /// A key was taken that had been due for this long.
    pub fn taken(&self, waited: Duration) {
        self.queue_duration.observe(waited.as_secs_f64());
    }

    /// A key was processed for this long.
    pub fn done(&self, worked: Duration) {
        self.work_duration.observe(worked.as_secs_f64());
    }

    /// What was repaired a moment ago has to be repaired again.
    pub fn repaired_again(&self) {
        self.repeated_repairs.inc();
    }

    /// A key is retried because of this, for example [`crate::api::WriteError::label`].
    pub fn retried(&self, cause: &'static str) {
        self.retry_causes
            .get_or_create(&[(kcm_names::QUEUE_NAME, self.name), ("cause", cause)])
            .inc();
    }
}

/// Metrics of writes.
#[derive(Clone, Debug)]
pub struct WriteMetrics {
    in_flight: Gauge,
    limit: Gauge,
    paused: Gauge,
    duration: Family<Labels<2>, Histogram>,
    results: Family<Labels<3>, Counter>,
}

/// 1 ms to 16 s, doubling: an apiserver answers in milliseconds, a write is given up after ten seconds.
fn write_buckets() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 15))
}

impl WriteMetrics {
    /// Registers all of them.
    pub fn register(registry: &Registry) -> Self {
        let metrics = Self {
            in_flight: Gauge::default(),
            limit: Gauge::default(),
            paused: Gauge::default(),
            duration: Family::new_with_constructor(write_buckets),
            results: Family::default(),
        };
        let m = metrics.clone();
        registry.register(
            "quaymaster_writes_in_flight",
            "Writes sent and not answered",
            m.in_flight,
        );
        registry.register(
            "quaymaster_writes_limit",
            "Writes that may be in flight at once",
            m.limit,
        );
        registry.register(
            "quaymaster_writes_paused",
            "1 while the apiserver has asked for a pause by Retry-After",
            m.paused,
        );
        registry.register(
            "quaymaster_write_duration_seconds",
            "Seconds from sending a write, or a read that confirms one (verb get), to the end of its answer, by verb and resource",
            m.duration,
        );
        registry.register(
            "quaymaster_writes_total",
            "Writes, and reads that confirm one (verb get), that have ended, by verb, resource and result",
            m.results,
        );
        metrics
    }

    /// Takes over the state of a [`quaymaster_queue::Limit`].
    pub fn limit(&self, in_flight: usize, limit: usize, paused: bool) {
        self.in_flight.set(as_i64(in_flight));
        self.limit.set(as_i64(limit));
        self.paused.set(i64::from(paused));
    }

    /// A write has ended, with this [`crate::api::WriteError::label_of`] its result.
    pub fn ended(&self, verb: Verb, resource: &'static str, result: &'static str, latency: Duration) {
        let (verb, resource) = (("verb", verb.label()), ("resource", resource));
        self.duration
            .get_or_create(&[verb, resource])
            .observe(latency.as_secs_f64());
        self.results
            .get_or_create(&[verb, resource, ("result", result)])
            .inc();
    }
}

/// Why an Event was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// `budget`: its object had too many.
    Budget,
    /// `full`: too many wait.
    Full,
    /// `not_permitted`: this process may not write.
    NotPermitted,
    /// `error`: the apiserver did not take it.
    Error,
}

impl DropReason {
    const ALL: [Self; 4] = [Self::Budget, Self::Full, Self::NotPermitted, Self::Error];

    const fn label(self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::Full => "full",
            Self::NotPermitted => "not_permitted",
            Self::Error => "error",
        }
    }
}

/// Metrics of Events.
#[derive(Clone, Debug)]
pub struct EventMetrics {
    sent: Counter,
    dropped: Family<Labels<1>, Counter>,
}

impl EventMetrics {
    /// Registers all of them.
    pub fn register(registry: &Registry) -> Self {
        let metrics = Self {
            sent: Counter::default(),
            dropped: Family::default(),
        };
        for reason in DropReason::ALL {
            drop(metrics.dropped.get_or_create(&[("reason", reason.label())]));
        }
        registry.register(
            "quaymaster_events_sent_total",
            "Events sent",
            metrics.sent.clone(),
        );
        registry.register(
            "quaymaster_events_dropped_total",
            "Events not sent, by reason: budget (too many about one object), full (too many wait), not_permitted (this \
             process may not write), error (the apiserver refused it or gave no answer)",
            metrics.dropped.clone(),
        );
        metrics
    }

    pub(crate) fn sent(&self) {
        self.sent.inc();
    }

    pub(crate) fn dropped(&self, reason: DropReason) {
        self.dropped.get_or_create(&[("reason", reason.label())]).inc();
    }

    /// Events dropped so far for this reason.
    pub fn count_dropped(&self, reason: DropReason) -> u64 {
        self.dropped.get_or_create(&[("reason", reason.label())]).get()
    }

    /// Events sent so far.
    pub fn count_sent(&self) -> u64 {
        self.sent.get()
    }
}

fn as_i64(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
