use super::*;

#[test]
fn the_metrics_have_upstreams_names_types_and_labels() {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry);
    metrics.synced_endpoints(3, 0);
    metrics.changed(Verb::Create);
    metrics.slices_changed(Topology::Auto, TrafficDistribution::None, 2);
    metrics.synced(SyncResult::Success);
    metrics
        .services(TrafficDistribution::PreferSameNode)
        .unwrap()
        .set(4);
    let text = registry.encode();
    for line in [
        "# TYPE endpoint_slice_controller_endpoints_added_per_sync histogram",
        "endpoint_slice_controller_endpoints_added_per_sync_bucket{le=\"2\"} 0",
        "endpoint_slice_controller_endpoints_added_per_sync_bucket{le=\"4\"} 1",
        "endpoint_slice_controller_endpoints_added_per_sync_bucket{le=\"32768\"} 1",
        "endpoint_slice_controller_endpoints_added_per_sync_bucket{le=\"+Inf\"} 1",
        "endpoint_slice_controller_endpoints_added_per_sync_sum 3.0",
        "endpoint_slice_controller_endpoints_removed_per_sync_bucket{le=\"2\"} 1",
        "# TYPE endpoint_slice_controller_endpoints_desired gauge",
        "# TYPE endpoint_slice_controller_num_endpoint_slices gauge",
        "# TYPE endpoint_slice_controller_desired_endpoint_slices gauge",
        "# TYPE endpoint_slice_controller_changes counter",
        "endpoint_slice_controller_changes{operation=\"create\"} 1",
        "endpoint_slice_controller_changes{operation=\"update\"} 0",
        "endpoint_slice_controller_changes{operation=\"delete\"} 0",
        "# TYPE endpoint_slice_controller_endpointslices_changed_per_sync histogram",
        "endpoint_slice_controller_endpointslices_changed_per_sync_bucket{le=\"2.5\",topology=\"Auto\",traffic_distribution=\"\"} 1",
        "# TYPE endpoint_slice_controller_syncs counter",
        "endpoint_slice_controller_syncs{result=\"success\"} 1",
        "endpoint_slice_controller_syncs{result=\"stale\"} 0",
        "endpoint_slice_controller_syncs{result=\"error\"} 0",
        "# TYPE endpoint_slice_controller_services_count_by_traffic_distribution gauge",
        "endpoint_slice_controller_services_count_by_traffic_distribution{traffic_distribution=\"PreferSameNode\"} 4",
    ] {
        assert!(text.lines().any(|shown| shown == line), "missing: {line}\n{text}");
    }
    let buckets = text
        .lines()
        .filter(|l| l.starts_with("endpoint_slice_controller_endpoints_added_per_sync_bucket"))
        .count();
    assert_eq!(buckets, 16, "15 bounds and infinity");
}

#[test]
fn services_without_a_traffic_distribution_are_not_counted_by_it() {
    let metrics = Metrics::register(&Registry::new());
    assert!(metrics.services(TrafficDistribution::None).is_none());
}
