//! What metrics say after each sync.

use quaymaster_runtime::api::Verb;
use serde_json::json;

use super::cluster::Cluster;
use super::selecting;

fn shown(cluster: &mut Cluster, lines: &[&str]) {
    let metrics = cluster.metrics();
    for line in lines {
        let line = format!("endpoint_slice_controller_{line}");
        assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
    }
}

#[test]
fn metrics_follow_pods_that_come_and_go() {
    let mut cluster = Cluster::new();
    cluster.node("node-1", "zone-a");
    let mut spec = selecting();
    spec["trafficDistribution"] = json!("PreferClose");
    cluster.service(spec);
    let pod = |cluster: &mut Cluster, n: u8| {
        cluster.pod(&format!("web-{n}"), &json!([{ "ip": format!("10.0.0.{n}") }]));
    };
    for n in 1..=4 {
        pod(&mut cluster, n);
    }
    cluster.begin();
    assert_eq!(cluster.write_all(), [Verb::Create]);
    shown(
        &mut cluster,
        &[
            "endpoints_desired 4",
            "num_endpoint_slices 1",
            "desired_endpoint_slices 1",
            "endpoints_added_per_sync_sum 4.0",
            "endpoints_removed_per_sync_sum 0.0",
            "changes{operation=\"create\"} 1",
            "services_count_by_traffic_distribution{traffic_distribution=\"PreferClose\"} 1",
        ],
    );
    cluster.no_pod("web-1");
    cluster.no_pod("web-2");
    assert_eq!(cluster.write_all(), [Verb::Update]);
    shown(
        &mut cluster,
        &[
            "endpoints_desired 2",
            "num_endpoint_slices 1",
            "desired_endpoint_slices 1",
            "endpoints_added_per_sync_sum 4.0",
            "endpoints_removed_per_sync_sum 2.0",
            "changes{operation=\"update\"} 1",
        ],
    );
    cluster.no_pod("web-3");
    cluster.no_pod("web-4");
    assert_eq!(cluster.write_all(), [Verb::Update]);
    shown(
        &mut cluster,
        &[
            // An empty slice that stands for the Service counts as wanted.
            "endpoints_desired 0",
            "num_endpoint_slices 1",
            "desired_endpoint_slices 1",
            // As upstream counts: what goes with its ports is not removed.
            "endpoints_removed_per_sync_sum 2.0",
        ],
    );
}
