//! What can be seen of the watches.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use quaymaster_runtime::metrics::Counter;
use quaymaster_watch::{Mode, Stats};
use quaymaster_world::Kind;

use crate::kinds::resource;

/// Reads the counters of the watches when metrics are asked for.
#[derive(Debug)]
pub(crate) struct WatchCollector(pub(crate) Vec<(Kind, Arc<Stats>)>);

impl Collector for WatchCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.counters(
            &mut encoder,
            "quaymaster_watch_events_total",
            "Objects received, by kind",
            Stats::events,
        )?;
        self.counters(
            &mut encoder,
            "quaymaster_watch_received_bytes_total",
            "Bytes received, by kind",
            Stats::bytes,
        )?;
        self.counters(
            &mut encoder,
            "quaymaster_watch_streams_total",
            "Watches accepted, by kind",
            Stats::streams,
        )?;
        self.counters(
            &mut encoder,
            "quaymaster_watch_lists_total",
            "Lists begun, by kind",
            Stats::lists,
        )?;
        self.counters(
            &mut encoder,
            "quaymaster_watch_decode_errors_total",
            "Objects that could not be read, by kind",
            Stats::decode_errors,
        )?;
        self.gauges(
            &mut encoder,
            "quaymaster_watch_synced",
            "1 once the first list is complete, by kind",
            |stats| f64::from(u8::from(stats.is_synced())),
        )?;
        self.gauges(
            &mut encoder,
            "quaymaster_watch_healthy",
            "1 while the last request did not fail, by kind",
            |stats| f64::from(u8::from(stats.is_healthy())),
        )?;
        self.gauges(
            &mut encoder,
            "quaymaster_watch_absent",
            "1 while the apiserver does not serve the kind, whose definition need not be installed, by kind",
            |stats| f64::from(u8::from(stats.is_absent())),
        )?;
        self.gauges(
            &mut encoder,
            "quaymaster_watch_streaming_list",
            "1 if the last list was streamed, 0 if it came in pages, by kind",
            |stats| f64::from(u8::from(stats.mode() == Mode::Streaming)),
        )?;
        self.gauges(
            &mut encoder,
            "quaymaster_watch_silence_seconds",
            "Time since anything came, bookmarks included, by kind",
            |stats| stats.age().unwrap_or_default().as_secs_f64(),
        )?;
        self.failures(&mut encoder)
    }
}

impl WatchCollector {
    fn counters(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        name: &str,
        help: &str,
        read: impl Fn(&Stats) -> u64,
    ) -> Result<(), std::fmt::Error> {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (kind, stats) in &self.0 {
            total(read(stats)).encode(family.encode_family(&[("kind", resource(*kind).name)])?)?;
        }
        Ok(())
    }

    fn gauges(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        name: &str,
        help: &str,
        read: impl Fn(&Stats) -> f64,
    ) -> Result<(), std::fmt::Error> {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (kind, stats) in &self.0 {
            ConstGauge::new(read(stats)).encode(family.encode_family(&[("kind", resource(*kind).name)])?)?;
        }
        Ok(())
    }

    fn failures(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut family = encoder.encode_descriptor(
            "quaymaster_watch_failures_total",
            "Lists and watches that failed, by kind and cause",
            None,
            MetricType::Counter,
        )?;
        for (kind, stats) in &self.0 {
            for (cause, count) in stats.failures() {
                let labels = [("kind", resource(*kind).name), ("cause", cause)];
                total(count).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

/// A counter that keeps the name it is given: `prometheus-client`'s own appends `_total` to the samples and not to the
/// family, which in Prometheus' text format are then of unknown type.
fn total(count: u64) -> Counter {
    let counter = Counter::default();
    counter.add(count);
    counter
}

#[cfg(test)]
mod tests;
