//! Events about addresses that are left out, and metrics.

use std::time::Duration;

use quaymaster_runtime::api::Verb;
use serde_json::json;

use super::cluster::{Cluster, subset};

#[test]
fn addresses_that_are_none_are_told_once_until_their_number_changes() {
    let mut cluster = Cluster::mirroring(json!([subset(
        &["10.0.0.1", "x", "10.0.0.256"],
        &[],
        &[("", 80)]
    )]));
    cluster.write_all();
    let notice = cluster.notices[0].clone();
    assert_eq!(cluster.take_notices(), ["InvalidIPAddress"]);
    assert_eq!(
        notice.note,
        "Skipped 2 invalid IP addresses when mirroring to EndpointSlices"
    );
    let regarding = (notice.regarding.kind.as_deref(), notice.regarding.name.as_deref());
    assert_eq!(regarding, (Some("Endpoints"), Some("db")));
    cluster.endpoints(json!([subset(&["10.0.0.2", "x", "y"], &[], &[("", 80)])]));
    cluster.write_all();
    assert_eq!(cluster.take_notices(), [""; 0], "the same cause");
    for (addresses, told) in [
        (vec!["10.0.0.2", "x"], vec!["InvalidIPAddress"]),
        (vec!["10.0.0.2"], vec![]),
        (vec!["10.0.0.2", "x"], vec!["InvalidIPAddress"]),
    ] {
        cluster.endpoints(json!([subset(&addresses, &[], &[("", 80)])]));
        cluster.write_all();
        assert_eq!(cluster.take_notices(), told, "{addresses:?}");
    }
}

#[test]
fn addresses_over_the_maximum_are_told_with_the_invalid_ones_among_them() {
    let mut cluster = Cluster::with_most(2);
    cluster.service(json!({}));
    cluster.endpoints(json!([subset(
        &["10.0.0.1", "!", "10.0.0.2", "10.0.0.3"],
        &[],
        &[("", 80)]
    )]));
    cluster.begin();
    cluster.write_all();
    let note = cluster.notices[1].note.clone();
    assert_eq!(
        cluster.take_notices(),
        ["InvalidIPAddress", "TooManyAddressesToMirror"]
    );
    assert_eq!(
        note,
        "A max of 2 addresses can be mirrored to EndpointSlices per Endpoints subset. 2 addresses were skipped"
    );
    cluster.endpoints(json!([subset(
        &["10.0.0.1", "10.0.0.2", "10.0.0.4"],
        &[],
        &[("", 80)]
    )]));
    cluster.write_all();
    assert_eq!(cluster.take_notices(), [""; 0], "one too many, as before");
    cluster.endpoints(json!([subset(
        &["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"],
        &[],
        &[("", 80)]
    )]));
    cluster.write_all();
    assert_eq!(cluster.take_notices(), ["TooManyAddressesToMirror"]);
}

#[test]
fn metrics_have_kube_controller_managers_names_and_meaning() {
    let mut cluster = Cluster::mirroring(json!([
        subset(&["10.0.0.1", "10.0.0.2", "fd00::1", "x"], &[], &[("", 80)]),
        subset(&["10.0.0.3"], &[], &[("", 81)]),
    ]));
    for mut request in cluster.plan(16) {
        cluster.now += Duration::from_millis(10);
        let stored = cluster.carry_out(&mut request);
        cluster.answer(&request, stored);
    }
    assert!(cluster.write_all().is_empty());
    let shown = |cluster: &mut Cluster, lines: &[&str]| {
        let metrics = cluster.metrics();
        for line in lines {
            let line = format!("endpoint_slice_mirroring_controller_{line}");
            assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
        }
    };
    shown(
        &mut cluster,
        &[
            "endpoints_desired 4",
            "num_endpoint_slices 3",
            "desired_endpoint_slices 3",
            "endpoints_added_per_sync_sum 4.0",
            "endpoints_added_per_sync_count 1",
            "addresses_skipped_per_sync_sum 1.0",
            "endpoints_sync_duration_count 1",
            "endpoints_sync_duration_sum 0.03",
        ],
    );
    // One more, one changed, one gone with its slice.
    cluster.endpoints(json!([
        subset(&["10.0.0.1", "10.0.0.4"], &["10.0.0.2"], &[("", 80)]),
        subset(&["10.0.0.3"], &[], &[("", 81)]),
    ]));
    assert_eq!(cluster.write_all(), [Verb::Update, Verb::Delete]);
    shown(
        &mut cluster,
        &[
            "endpoints_desired 4",
            "num_endpoint_slices 2",
            "endpoints_added_per_sync_sum 5.0",
            "endpoints_updated_per_sync_sum 1.0",
            "endpoints_removed_per_sync_sum 1.0",
            "endpoints_sync_duration_count 2",
            "endpoints_sync_duration_sum 0.03",
        ],
    );
    cluster.no_endpoints();
    cluster.write_all();
    shown(&mut cluster, &["endpoints_desired 0", "num_endpoint_slices 0"]);
}
