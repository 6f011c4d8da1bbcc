//! The controller over a real world: what is told goes in as the apiserver's JSON, requests come out.

mod cluster;
mod marks;
mod others;
mod selector;
mod sums;

use quaymaster_engine::Verdict;
use quaymaster_runtime::api::{Verb, WriteError};
use serde_json::json;

use cluster::Cluster;

fn selecting() -> serde_json::Value {
    json!({ "selector": { "app": "web" }, "ipFamilies": ["IPv4"], "clusterIP": "10.1.0.1" })
}

/// A Service `web` with a ready Pod on `node-1` in `zone-a`, its slice stored.
fn settled() -> Cluster {
    let mut cluster = Cluster::new();
    cluster.node("node-1", "zone-a");
    cluster.service(json!({ "selector": { "app": "web" }, "ipFamilies": ["IPv4"], "clusterIP": "10.1.0.1" }));
    cluster.pod("web-1", &json!([{ "ip": "10.0.0.1" }]));
    cluster.begin();
    assert_eq!(cluster.write_all(), [Verb::Create]);
    assert_eq!(cluster.take_marked(), ["web"]);
    cluster
}

#[test]
fn a_changed_zone_of_a_node_reaches_its_endpoints() {
    let mut cluster = settled();
    cluster.node("node-1", "zone-b");
    assert_eq!(cluster.take_marked(), ["web"]);
    assert_eq!(cluster.write_all(), [Verb::Update]);
    assert_eq!(cluster.slices()[0]["endpoints"][0]["zone"], "zone-b");
}

#[test]
fn a_node_that_changes_in_another_way_concerns_nobody() {
    let mut cluster = settled();
    cluster.node_with_cpu("node-1", "zone-a", "8");
    assert!(cluster.take_marked().is_empty());
    assert!(cluster.write_all().is_empty());
}

#[test]
fn a_write_of_a_services_status_concerns_nobody() {
    let mut cluster = settled();
    cluster.service(json!({ "selector": { "app": "web" }, "ipFamilies": ["IPv4"], "clusterIP": "10.1.0.1" }));
    assert!(cluster.take_marked().is_empty());
}

#[test]
fn the_gauges_add_up_both_families_of_a_service() {
    let mut cluster = Cluster::new();
    cluster.node("node-1", "zone-a");
    cluster.service(
        json!({ "selector": { "app": "web" }, "ipFamilies": ["IPv4", "IPv6"], "clusterIP": "10.1.0.1" }),
    );
    cluster.pod("web-1", &json!([{ "ip": "10.0.0.1" }, { "ip": "fd00::1" }]));
    cluster.begin();
    assert_eq!(cluster.write_all(), [Verb::Create, Verb::Create]);
    let metrics = cluster.metrics();
    for line in [
        "endpoint_slice_controller_endpoints_desired 2",
        "endpoint_slice_controller_num_endpoint_slices 2",
        "endpoint_slice_controller_desired_endpoint_slices 2",
        "quaymaster_endpointslice_pods_without_node 0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
    }
}

#[test]
fn what_merging_sparse_slices_would_save_is_shown_although_it_is_off() {
    let mut cluster = settled();
    cluster.maximum(1);
    cluster.pod("web-2", &json!([{ "ip": "10.0.0.2" }]));
    cluster.pod("web-3", &json!([{ "ip": "10.0.0.3" }]));
    cluster.write_all();
    let spare = |cluster: &mut Cluster, count: usize| {
        let metrics = cluster.metrics();
        let line = format!("quaymaster_endpointslice_spare_slices {count}");
        assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
    };
    spare(&mut cluster, 0);
    cluster.maximum(100);
    assert!(cluster.write_all().is_empty());
    spare(&mut cluster, 2);
}

#[test]
fn a_conflict_is_tried_again_without_an_event_and_a_refusal_is_told_on_the_service() {
    let refusal = WriteError::Forbidden {
        verb: "update",
        resource: "endpointslices.discovery.k8s.io".to_owned(),
        message: "no".to_owned(),
    };
    for (error, told) in [
        (conflict(), None),
        (refusal, Some("FailedToUpdateEndpointSlices")),
    ] {
        let mut cluster = settled();
        cluster.node("node-1", "zone-b");
        match cluster.refuse_next(&error) {
            Verdict::Retry { notice } => {
                assert_eq!(
                    notice.as_ref().map(|notice| notice.reason.as_str()),
                    told,
                    "{error}"
                );
            }
            other => panic!("{error}: {other:?}"),
        }
    }
}

#[test]
fn a_slice_that_a_policy_changes_is_written_once_and_told_on_the_service() {
    let mut cluster = settled();
    cluster.policy(|slice| slice["metadata"]["labels"]["team"] = json!("blue"));
    cluster.node("node-1", "zone-b");
    match cluster.write_next() {
        Verdict::Altered { more, notice } => {
            assert!(!more);
            assert_eq!(notice.reason, "EndpointSliceAltered");
            assert_eq!(notice.regarding.name.as_deref(), Some("web"));
            assert!(
                notice.note.contains("EndpointSlice web-") && notice.note.contains("shop/web"),
                "{}",
                notice.note
            );
        }
        other => panic!("{other:?}"),
    }
    assert!(
        cluster.write_all().is_empty(),
        "there is no use in writing it again"
    );
    cluster.node("node-1", "zone-c");
    assert_eq!(
        cluster.write_all(),
        [Verb::Update],
        "but its content still follows"
    );
}

#[test]
fn under_a_policy_the_first_fill_goes_on_without_a_pause() {
    let mut cluster = Cluster::new();
    cluster.policy(|slice| slice["metadata"]["labels"]["team"] = json!("blue"));
    cluster.node("node-1", "zone-a");
    cluster.service(
        json!({ "selector": { "app": "web" }, "ipFamilies": ["IPv4", "IPv6"], "clusterIP": "10.1.0.1" }),
    );
    cluster.pod("web-1", &json!([{ "ip": "10.0.0.1" }, { "ip": "fd00::1" }]));
    cluster.begin();
    for is_last in [false, true] {
        match cluster.write_next() {
            Verdict::Altered { more, .. } => assert_eq!(more, !is_last),
            other => panic!("{other:?}"),
        }
    }
    assert!(cluster.write_all().is_empty());
}

#[test]
fn pods_whose_node_is_not_known_show_in_a_gauge() {
    let mut cluster = Cluster::new();
    cluster.service(json!({ "selector": { "app": "web" }, "ipFamilies": ["IPv4"], "clusterIP": "10.1.0.1" }));
    cluster.pod("web-1", &json!([{ "ip": "10.0.0.1" }]));
    cluster.begin();
    cluster.write_all();
    let shown = |cluster: &mut Cluster, count: u32| {
        let line = format!("quaymaster_endpointslice_pods_without_node {count}");
        let metrics = cluster.metrics();
        assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
    };
    shown(&mut cluster, 1);
    cluster.node("node-1", "zone-a");
    cluster.write_all();
    shown(&mut cluster, 0);
}

#[test]
fn an_edit_that_the_watch_tells_before_the_answer_to_our_write_is_put_right() {
    let mut cluster = settled();
    cluster.node("node-1", "zone-b");
    let mut request = cluster.send();
    let stored = cluster.carry_out(&mut request);
    let edited = cluster.edit(&request.object.name, |slice| {
        slice["endpoints"] = json!([]);
    });
    cluster.told(stored.clone());
    cluster.told(edited);
    assert!(matches!(cluster.answer(&request, stored), Verdict::Again));
    assert_eq!(cluster.write_all(), [Verb::Update]);
    assert_eq!(cluster.slices()[0]["endpoints"][0]["zone"], "zone-b");
}

#[test]
fn a_create_that_finds_nothing_to_be_created_in_is_tried_again() {
    let mut cluster = Cluster::new();
    cluster.node("node-1", "zone-a");
    cluster.service(selecting());
    cluster.pod("web-1", &json!([{ "ip": "10.0.0.1" }]));
    cluster.begin();
    let missing = WriteError::NotFound {
        message: "namespaces \"shop\" not found".to_owned(),
    };
    let page = WriteError::Server {
        code: 404,
        retry_after: None,
        message: "<html>".to_owned(),
    };
    for error in [missing, page] {
        assert!(
            matches!(cluster.refuse_next(&error), Verdict::Retry { .. }),
            "{error}"
        );
    }
    assert_eq!(cluster.write_all(), [Verb::Create]);
}

#[test]
fn what_was_decided_before_a_term_is_decided_anew_in_it() {
    let mut cluster = settled();
    cluster.take_marked();
    cluster.begin_term();
    assert!(cluster.take_marked().is_empty(), "nothing was decided");
    cluster.node("node-1", "zone-b");
    cluster.decide();
    cluster.take_marked();
    cluster.begin_term();
    assert_eq!(cluster.take_marked(), ["web"]);
    assert_eq!(cluster.write_all(), [Verb::Update]);
}

#[test]
fn a_slice_that_came_and_went_while_the_watch_was_down_is_made_again() {
    let mut cluster = Cluster::new();
    cluster.node("node-1", "zone-a");
    cluster.service(selecting());
    cluster.pod("web-1", &json!([{ "ip": "10.0.0.1" }]));
    cluster.begin();
    let mut request = cluster.send();
    let stored = cluster.carry_out(&mut request);
    cluster.no_slices_listed();
    assert!(matches!(cluster.answer(&request, stored), Verdict::Again));
    assert_eq!(cluster.write_all(), [Verb::Create]);
}

fn conflict() -> WriteError {
    WriteError::Conflict {
        message: "the object has been modified".to_owned(),
    }
}

#[test]
fn a_conflict_brings_up_to_date_what_the_world_knows_better() {
    let mut cluster = settled();
    cluster.node("node-1", "zone-b");
    let update = cluster.send();
    let edited = cluster.edit(&update.object.name, |slice| slice["endpoints"] = json!([]));
    cluster.written(edited);
    assert!(matches!(
        cluster.fail(&update, &conflict()),
        Verdict::Retry { .. }
    ));
    assert_eq!(cluster.write_all(), [Verb::Update]);
    assert_eq!(cluster.slices()[0]["endpoints"][0]["zone"], "zone-b");
}

#[test]
fn a_write_that_a_restored_snapshot_has_undone_is_made_again() {
    // The slice is as it was before the write, in the version of then, in an earlier one, or not there.
    type Snapshot = fn(&serde_json::Value) -> Vec<serde_json::Value>;
    let snapshots: [(&str, Snapshot, Verb); 3] = [
        ("as it was", |slice| vec![slice.clone()], Verb::Update),
        (
            "earlier",
            |slice| {
                let mut slice = slice.clone();
                slice["metadata"]["resourceVersion"] = json!("2");
                slice["endpoints"] = json!([]);
                vec![slice]
            },
            Verb::Update,
        ),
        ("not there", |_| Vec::new(), Verb::Create),
    ];
    for (what, snapshot, verb) in snapshots {
        let mut cluster = settled();
        let restored = snapshot(cluster.slices()[0]);
        cluster.node("node-1", "zone-b");
        let mut update = cluster.send();
        cluster.carry_out(&mut update);
        cluster.restored(restored);
        assert!(
            matches!(cluster.fail(&update, &WriteError::Aborted), Verdict::Retry { .. }),
            "{what}"
        );
        assert_eq!(cluster.write_all(), [verb], "{what}");
        assert_eq!(cluster.slices()[0]["endpoints"][0]["zone"], "zone-b", "{what}");
    }
}

#[test]
fn hints_are_looked_at_again_only_where_the_shares_of_the_zones_no_longer_fit() {
    let mut cluster = Cluster::new();
    cluster.node("node-1", "zone-a");
    cluster.node("node-2", "zone-b");
    cluster.annotate_service(json!({ "service.kubernetes.io/topology-mode": "Auto" }));
    cluster.service(selecting());
    for n in 1..=4 {
        cluster.pod(&format!("web-{n}"), &json!([{ "ip": format!("10.0.0.{n}") }]));
    }
    cluster.begin();
    cluster.write_all();
    assert_eq!(
        cluster.slices()[0]["endpoints"][0]["hints"]["forZones"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    cluster.take_marked();
    cluster.node_with_cpu("node-1", "zone-a", "4100m");
    assert!(cluster.take_marked().is_empty(), "they fit still");
    cluster.node_with_cpu("node-1", "zone-a", "40");
    assert_eq!(cluster.take_marked(), ["web"]);
}

#[test]
fn a_write_carries_the_time_of_a_pods_readiness_and_not_that_of_an_earlier_one() {
    let mut cluster = settled();
    let times = [
        ("10.0.0.2", "2026-01-01T00:00:00Z", json!("2026-01-01T00:00:00Z")),
        // Its address changed, and not its readiness.
        ("10.0.0.3", "2026-01-01T00:00:00Z", json!(null)),
        ("10.0.0.4", "2026-01-02T00:00:00Z", json!("2026-01-02T00:00:00Z")),
    ];
    for (address, since, told) in times {
        cluster.pod_since("web-2", &json!([{ "ip": address }]), since);
        assert_eq!(cluster.write_all(), [Verb::Update], "{address}");
        let annotations = &cluster.slices()[0]["metadata"]["annotations"];
        assert_eq!(
            annotations["endpoints.kubernetes.io/last-change-trigger-time"], told,
            "{address}"
        );
    }
}

#[test]
fn a_slice_whose_labels_a_policy_removes_is_not_made_again_and_again() {
    let mut cluster = settled();
    cluster.policy(|slice| slice["metadata"]["labels"] = json!({}));
    cluster.node("node-1", "zone-b");
    assert!(matches!(cluster.write_next(), Verdict::Altered { .. }));
    assert!(cluster.write_all().is_empty());
    assert_eq!(cluster.slices().len(), 1);
}

/// kubernetes/kubernetes has one mark for both families, so that only the one that has hints says when to look again.
#[test]
fn a_family_that_was_refused_hints_gets_them_as_soon_as_the_zones_allow_it() {
    let mut cluster = Cluster::new();
    let shares = |cluster: &mut Cluster, a: &str, b: &str| {
        cluster.node_with_cpu("node-1", "zone-a", a);
        cluster.node_with_cpu("node-2", "zone-b", b);
    };
    shares(&mut cluster, "11", "9");
    cluster.annotate_service(json!({ "service.kubernetes.io/topology-mode": "Auto" }));
    cluster.service(
        json!({ "selector": { "app": "web" }, "ipFamilies": ["IPv4", "IPv6"], "clusterIP": "10.1.0.1" }),
    );
    for number in 0..20 {
        let (v4, v6) = (format!("10.0.0.{number}"), format!("fd00::{number}"));
        let addresses = if number < 3 {
            json!([{ "ip": v4 }, { "ip": v6 }])
        } else {
            json!([{ "ip": v6 }])
        };
        cluster.pod(&format!("web-{number}"), &addresses);
    }
    cluster.begin();
    cluster.write_all();
    let hinted = |cluster: &Cluster, family: &str| {
        let slices = cluster.slices();
        let slice = slices.iter().find(|slice| slice["addressType"] == family);
        !slice.unwrap()["endpoints"][0]["hints"].is_null()
    };
    // Of three endpoints each zone would need two.
    assert_eq!(
        (hinted(&cluster, "IPv4"), hinted(&cluster, "IPv6")),
        (false, true)
    );
    cluster.take_marked();
    // Now the smaller zone needs one, and nothing is overloaded.
    shares(&mut cluster, "12400m", "7600m");
    assert!(!cluster.take_marked().is_empty());
    cluster.write_all();
    assert_eq!((hinted(&cluster, "IPv4"), hinted(&cluster, "IPv6")), (true, true));
}
