use std::collections::BTreeSet;

use quaymaster_runtime::metrics::Registry;
use quaymaster_watch::Cause;

use super::*;

fn text() -> String {
    let registry = Registry::new();
    let stats = Kind::ALL.map(|kind| (kind, Arc::new(Stats::default())));
    registry.register_collector(WatchCollector(stats.into()));
    registry.encode()
}

#[test]
fn each_metric_has_its_name_its_type_and_one_line_a_kind() {
    let text = text();
    let expected = [
        ("quaymaster_watch_events_total", "counter"),
        ("quaymaster_watch_received_bytes_total", "counter"),
        ("quaymaster_watch_streams_total", "counter"),
        ("quaymaster_watch_lists_total", "counter"),
        ("quaymaster_watch_decode_errors_total", "counter"),
        ("quaymaster_watch_synced", "gauge"),
        ("quaymaster_watch_healthy", "gauge"),
        ("quaymaster_watch_absent", "gauge"),
        ("quaymaster_watch_streaming_list", "gauge"),
        ("quaymaster_watch_silence_seconds", "gauge"),
    ];
    for (name, kind) in expected {
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| line.split('{').next() == Some(name))
            .collect();
        let labels: Vec<&str> = lines
            .iter()
            .map(|line| &line[name.len()..line.find(' ').unwrap()])
            .collect();
        assert_eq!(
            labels,
            [
                r#"{kind="pods"}"#,
                r#"{kind="services"}"#,
                r#"{kind="nodes"}"#,
                r#"{kind="endpointslices"}"#,
                r#"{kind="endpoints"}"#,
                r#"{kind="servicecidrs"}"#,
                r#"{kind="ipaddresses"}"#,
                r#"{kind="namespaces"}"#,
                r#"{kind="serviceippools"}"#,
                r#"{kind="nodeportpools"}"#,
                r#"{kind="servicereservations"}"#,
                r#"{kind="allocationclaims"}"#,
            ],
            "{name}"
        );
        assert!(
            text.contains(&format!("# TYPE {name} {kind}\n")),
            "{name}:\n{text}"
        );
    }
    let families: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    let known = expected
        .map(|(name, _)| name)
        .into_iter()
        .chain(["quaymaster_watch_failures_total"]);
    assert_eq!(families, known.collect());
}

#[test]
fn failures_are_counted_by_kind_and_cause() {
    let text = text();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("quaymaster_watch_failures_total{"))
        .collect();
    assert_eq!(lines.len(), Kind::ALL.len() * Cause::LABELS.len());
    assert!(
        lines.contains(&r#"quaymaster_watch_failures_total{kind="pods",cause="forbidden"} 0"#),
        "{text}"
    );
}
