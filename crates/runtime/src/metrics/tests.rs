use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use quaymaster_model::names::QUEUE_ENDPOINTSLICE;
use quaymaster_queue::Stats;

use super::*;
use crate::api::Verb;

/// Everything registered, and everything touched once.
fn everything() -> Registry {
    let registry = Registry::new();
    BuildInfo::register(&registry, "0.1.0", "abc");
    registry.register_collector(ProcessCollector);
    let queue = QueueMetrics::register(&registry).for_queue(QUEUE_ENDPOINTSLICE);
    queue.observe(&Stats {
        depth: 2,
        delayed: 1,
        in_process: 1,
        oldest_age: Duration::from_millis(250),
        adds: 9,
        retries: 4,
    });
    queue.taken(Duration::from_millis(1));
    queue.done(Duration::from_micros(1));
    queue.retried("conflict");
    let writes = WriteMetrics::register(&registry);
    writes.limit(3, 16, false);
    writes.ended(
        Verb::Update,
        "endpointslices",
        "success",
        Duration::from_millis(4),
    );
    EventMetrics::register(&registry).sent();
    registry
}

fn has(text: &str, line: &str) -> bool {
    text.lines().any(|l| l == line)
}

#[test]
fn the_workqueues_metrics_have_upstreams_names() {
    let text = everything().encode();
    for line in [
        "# TYPE workqueue_depth gauge",
        "workqueue_depth{name=\"endpoint_slice\"} 2",
        "# TYPE workqueue_adds_total counter",
        "workqueue_adds_total{name=\"endpoint_slice\"} 9",
        "# TYPE workqueue_retries_total counter",
        "workqueue_retries_total{name=\"endpoint_slice\"} 4",
        "# TYPE workqueue_queue_duration_seconds histogram",
        "workqueue_queue_duration_seconds_count{name=\"endpoint_slice\"} 1",
        "# TYPE workqueue_work_duration_seconds histogram",
        "workqueue_work_duration_seconds_count{name=\"endpoint_slice\"} 1",
    ] {
        assert!(has(&text, line), "missing: {line}\n{text}");
    }
}

#[test]
fn our_own_metrics_say_what_they_were_told() {
    let text = everything().encode();
    for line in [
        "quaymaster_queue_oldest_age_seconds{name=\"endpoint_slice\"} 0.25",
        "quaymaster_queue_retry_causes_total{name=\"endpoint_slice\",cause=\"conflict\"} 1",
        "quaymaster_writes_limit 16",
        "quaymaster_writes_total{verb=\"update\",resource=\"endpointslices\",result=\"success\"} 1",
        "quaymaster_events_sent_total 1",
        "quaymaster_events_dropped_total{reason=\"budget\"} 0",
        "# TYPE process_cpu_seconds_total counter",
    ] {
        assert!(has(&text, line), "missing: {line}\n{text}");
    }
}

/// What Prometheus' format 0.0.4 demands: one TYPE of a known kind for each family, before its samples, which bear
/// its name; and each sample once.
#[test]
fn the_text_is_valid_prometheus_text() {
    let text = everything().encode();
    let mut types: BTreeMap<&str, &str> = BTreeMap::new();
    let mut samples = BTreeSet::new();
    let mut current = "";
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(types.insert(name, kind), None, "second TYPE of {name}");
            current = name;
        } else if let Some(comment) = line.strip_prefix('#') {
            assert!(comment.starts_with(" HELP "), "{line}");
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            value.parse::<f64>().unwrap();
            assert!(samples.insert(sample), "twice: {sample}");
            let name = sample.split('{').next().unwrap();
            let family = match types[current] {
                "histogram" => ["_bucket", "_sum", "_count"]
                    .iter()
                    .find_map(|s| name.strip_suffix(s))
                    .unwrap(),
                _ => name,
            };
            assert_eq!(family, current, "{line}");
        }
    }
    assert!(types.len() > 20, "{types:?}");
}

#[test]
fn a_name_can_be_had_only_once() {
    let registry = Registry::new();
    let (first, second) = (Counter::default(), Counter::default());
    registry.register("a_total", "A", first.clone());
    registry.register("a_total", "A", second.clone());
    first.inc();
    second.add(100);
    let text = registry.encode();
    assert_eq!(text.matches("a_total 1\n").count(), 1, "{text}");
    assert!(!text.contains("100"), "{text}");
}

#[test]
fn only_whole_bucket_bounds_are_rewritten() {
    for (line, expected) in [
        (
            "x_bucket{le=\"2.0\",a=\"b\"} 3\n",
            "x_bucket{le=\"2\",a=\"b\"} 3\n",
        ),
        (
            "x_bucket{le=\"2.5\",v=\"1.0\"} 3\n",
            "x_bucket{le=\"2.5\",v=\"1.0\"} 3\n",
        ),
        ("x_bucket{le=\"+Inf\"} 3", "x_bucket{le=\"+Inf\"} 3"),
        ("x{le=\"2.0\"} 1\n", "x{le=\"2.0\"} 1\n"),
        ("x{file=\"2.0\"} 1\n", "x{file=\"2.0\"} 1\n"),
    ] {
        assert_eq!(whole_bounds(line), expected);
    }
}

#[test]
fn totals_taken_over_never_go_back() {
    let counter = Counter::default();
    counter.raise_to(5);
    counter.raise_to(3);
    counter.inc();
    assert_eq!(counter.get(), 6);
}
