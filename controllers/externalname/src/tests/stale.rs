//! What controllers have left behind.

use std::time::Duration;

use quaymaster_world::Kind;
use serde_json::{Value, json};

use super::cluster::{Cluster, GRACE, bare, external, selecting};
use crate::view::SETTLE;

/// A second less than it takes.
const ALMOST: Duration = GRACE
    .saturating_add(SETTLE)
    .saturating_sub(Duration::from_secs(1));

const SLICE_BY: &str = "endpointslice.kubernetes.io/managed-by";
const ENDPOINTS_BY: &str = "endpoints.kubernetes.io/managed-by";

/// A slice of `web` as the EndpointSlice controller writes it.
pub(super) fn slice(service: &str) -> Value {
    json!({
        "metadata": {
            "labels": {
                "kubernetes.io/service-name": "web",
                SLICE_BY: "endpointslice-controller.k8s.io",
            },
            "ownerReferences": [
                { "apiVersion": "v1", "kind": "Service", "name": "web", "uid": service, "controller": true },
            ],
        },
        "addressType": "IPv4",
        "endpoints": [{ "addresses": ["10.2.0.1"], "targetRef": pod() }],
        "ports": [{ "name": "http", "port": 8080 }],
    })
}

fn pod() -> Value {
    json!({ "kind": "Pod", "namespace": "shop", "name": "a", "uid": "u" })
}

/// Endpoints as the Endpoints controller writes them.
pub(super) fn endpoints() -> Value {
    json!({
        "metadata": { "labels": { ENDPOINTS_BY: "endpoint-controller" } },
        "subsets": [{
            "addresses": [{ "ip": "10.2.0.1", "targetRef": pod() }],
            "notReadyAddresses": [{ "ip": "10.2.0.2", "targetRef": pod() }],
            "ports": [{ "name": "http", "port": 8080 }],
        }],
    })
}

/// A Service that has lost its selector, with what it had.
fn left() -> Cluster {
    let mut cluster = Cluster::deleting();
    fill(&mut cluster);
    cluster.begin();
    cluster.service("web", &bare());
    cluster
}

fn fill(cluster: &mut Cluster) {
    cluster.service("web", &selecting());
    let uid = cluster.uid(Kind::Service, "web");
    cluster.slice("web-1", slice(&uid));
    cluster.slice("web-2", slice(&uid));
    cluster.endpoints("web", endpoints());
}

const ALL: [&str; 5] = [
    "get endpoints web",
    "get service web",
    "delete endpoints web",
    "delete slice web-1",
    "delete slice web-2",
];

#[test]
fn without_a_time_of_grace_everything_stays() {
    let mut cluster = Cluster::new();
    fill(&mut cluster);
    cluster.begin();
    for spec in [bare(), external("example.org"), selecting()] {
        cluster.service("web", &spec);
        assert_eq!(cluster.pass(Duration::from_hours(1000)), [""; 0]);
    }
    assert_eq!(cluster.names(Kind::Slice), ["web-1", "web-2"]);
}

#[test]
fn what_is_left_goes_after_the_time_of_grace_and_a_last_look() {
    for spec in [bare(), external("example.org")] {
        let mut cluster = left();
        cluster.service("web", &spec);
        assert_eq!(cluster.pass(ALMOST), [""; 0]);
        assert!(
            cluster
                .metrics()
                .contains("quaymaster_externalname_stale_objects 3")
        );
        assert_eq!(cluster.pass(Duration::from_secs(1)), ALL);
        assert_eq!(cluster.pass(GRACE * 10), [""; 0]);
        assert!(
            cluster
                .metrics()
                .contains("quaymaster_externalname_stale_objects 0")
        );
    }
    // A selector that an ExternalName Service still has is not asked for.
    let mut cluster = left();
    let mut spec = external("example.org");
    spec["selector"] = json!({ "app": "web" });
    cluster.service("web", &spec);
    assert_eq!(cluster.pass(SETTLE + GRACE), ALL);
}

#[test]
fn what_was_left_before_the_start_goes_a_time_of_grace_after_it() {
    let mut cluster = left();
    cluster.pass(GRACE);
    cluster.restart();
    assert_eq!(cluster.pass(GRACE), [""; 0]);
    assert_eq!(cluster.pass(SETTLE), ALL);
}

#[test]
fn a_selector_that_comes_back_in_time_saves_all() {
    let mut cluster = left();
    cluster.pass(GRACE);
    cluster.service("web", &selecting());
    assert_eq!(cluster.pass(GRACE * 10), [""; 0]);
    cluster.service("web", &bare());
    assert_eq!(cluster.pass(GRACE), [""; 0], "it begins anew");
    assert_eq!(cluster.pass(SETTLE), ALL);
}

#[test]
fn a_selector_of_which_the_watch_has_not_told_saves_all() {
    let mut cluster = left();
    cluster.pass(GRACE);
    cluster.store_service("web", &selecting());
    let question = ["get endpoints web", "get service web"];
    assert_eq!(cluster.pass(SETTLE), question);
    assert_eq!(
        cluster.pass(GRACE.saturating_sub(SETTLE)),
        [""; 0],
        "its time begins anew"
    );
    assert_eq!(cluster.pass(SETTLE), question);
    cluster.tell_service("web");
    cluster.service("web", &bare());
    assert_eq!(cluster.pass(SETTLE + GRACE), ALL);
}

#[test]
fn a_watch_that_is_behind_is_waited_for_without_a_stream_of_questions() {
    let mut cluster = Cluster::with(Some(Duration::ZERO));
    fill(&mut cluster);
    cluster.begin();
    cluster.service("web", &bare());
    cluster.store_service("web", &selecting());
    let questions = cluster.pass(Duration::from_mins(1)).len();
    assert!((2..=2 * 51).contains(&questions), "{questions}");
    assert_eq!(cluster.names(Kind::Slice), ["web-1", "web-2"]);
}

#[test]
fn endpoints_without_the_label_are_somebodys() {
    let mut cluster = left();
    let mut taken = endpoints();
    taken["metadata"]["labels"] = json!({ "app": "web" });
    cluster.endpoints("web", taken);
    let slices = ["get service web", "delete slice web-1", "delete slice web-2"];
    assert_eq!(cluster.pass(SETTLE + GRACE), slices);
    assert_eq!(cluster.names(Kind::Endpoints), ["web"]);
}

#[test]
fn a_label_that_is_taken_off_at_the_last_moment_saves_endpoints() {
    for told in [false, true] {
        let mut cluster = left();
        cluster.pass(GRACE);
        cluster.meanwhile = Some(Box::new(move |cluster| {
            let mut taken = endpoints();
            taken["metadata"]["labels"] = json!({});
            cluster.store_endpoints("web", taken);
            if told {
                cluster.tell_endpoints("web");
            }
        }));
        cluster.pass(SETTLE);
        cluster.pass(GRACE * 10);
        assert_eq!(cluster.names(Kind::Endpoints), ["web"]);
        if !told {
            cluster.tell_endpoints("web");
            cluster.pass(GRACE);
        }
        assert_eq!(
            cluster.names(Kind::Slice),
            [""; 0],
            "the slices are nobody's still"
        );
    }
}

#[test]
fn endpoints_with_an_address_by_hand_stay_whatever_their_label() {
    for place in ["addresses", "notReadyAddresses"] {
        let mut cluster = left();
        let mut by_hand = endpoints();
        by_hand["subsets"][0][place]
            .as_array_mut()
            .unwrap()
            .push(json!({ "ip": "192.0.2.1" }));
        cluster.endpoints("web", by_hand);
        let requests = cluster.pass(SETTLE + GRACE);
        assert_eq!(
            requests,
            [
                "get endpoints web",
                "get service web",
                "delete slice web-1",
                "delete slice web-2"
            ]
        );
        assert_eq!(cluster.pass(GRACE * 10), [""; 0], "they are not asked for again");
        cluster.endpoints("web", endpoints());
        assert_eq!(
            cluster.pass(SETTLE + GRACE).last().unwrap(),
            "delete endpoints web"
        );
    }
}

#[test]
fn endpoints_without_any_address_go() {
    let mut cluster = left();
    let mut empty = endpoints();
    empty["subsets"] = Value::Null;
    cluster.endpoints("web", empty);
    assert_eq!(cluster.pass(SETTLE + GRACE), ALL);
}

#[test]
fn slices_that_are_not_the_controllers_stay() {
    let changes: [fn(&mut Value); 6] = [
        |slice| slice["metadata"]["labels"][SLICE_BY] = json!("staff"),
        |slice| slice["metadata"]["labels"][SLICE_BY] = json!("endpointslicemirroring-controller.k8s.io"),
        |slice| slice["metadata"]["labels"] = json!({ "kubernetes.io/service-name": "web" }),
        |slice| slice["metadata"]["ownerReferences"] = json!([]),
        |slice| slice["endpoints"] = json!([{ "addresses": ["192.0.2.1"] }]),
        |slice| slice["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"),
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let mut cluster = Cluster::deleting();
        cluster.service("web", &bare());
        let uid = cluster.uid(Kind::Service, "web");
        let mut kept = slice(&uid);
        change(&mut kept);
        cluster.slice("kept", kept);
        cluster.begin();
        assert_eq!(cluster.pass(GRACE * 10), [""; 0], "{at}");
    }
}

#[test]
fn locks_of_leader_election_and_the_apiservers_own_stay() {
    let mut cluster = Cluster::deleting();
    cluster.service("web", &bare());
    let mut lock = endpoints();
    lock["metadata"]["annotations"] = json!({ "control-plane.alpha.kubernetes.io/leader": "" });
    cluster.endpoints("web", lock);
    cluster.service("kubernetes", &bare());
    cluster.endpoints(
        "kubernetes",
        json!({ "metadata": { "labels": { "endpointslice.kubernetes.io/skip-mirror": "true" } } }),
    );
    cluster.begin();
    assert_eq!(cluster.pass(GRACE * 10), [""; 0]);
}

#[test]
fn what_is_on_its_way_out_by_itself_is_not_deleted() {
    let mut cluster = Cluster::deleting();
    cluster.service("web", &bare());
    let mut going = endpoints();
    going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    going["metadata"]["finalizers"] = json!(["example.com/f"]);
    cluster.endpoints("web", going);
    cluster.begin();
    assert_eq!(cluster.pass(GRACE * 10), [""; 0]);
    let mut cluster = left();
    cluster.terminating_service("web", &bare());
    assert_eq!(
        cluster.pass(GRACE * 10),
        [""; 0],
        "all of it goes with the Service"
    );
}

#[test]
fn what_is_written_in_the_time_of_grace_begins_it_anew_for_that_alone() {
    let mut cluster = left();
    cluster.pass(GRACE);
    let uid = cluster.uid(Kind::Service, "web");
    cluster.slice("web-1", slice(&uid));
    let others = [
        "get endpoints web",
        "get service web",
        "delete endpoints web",
        "delete slice web-2",
    ];
    assert_eq!(cluster.pass(SETTLE), others);
    assert_eq!(cluster.pass(GRACE), ["get service web", "delete slice web-1"]);
}

#[test]
fn what_is_written_right_before_its_deletion_stays() {
    let mut cluster = left();
    cluster.remove(Kind::Endpoints, "web");
    cluster.remove(Kind::Slice, "web-2");
    cluster.pass(ALMOST);
    cluster.meanwhile = Some(Box::new(|cluster| {
        let uid = cluster.uid(Kind::Service, "web");
        cluster.slice("web-1", slice(&uid));
    }));
    assert_eq!(cluster.pass(Duration::from_secs(1)), ["get service web"]);
    assert_eq!(cluster.names(Kind::Slice), ["web-1"]);
}

#[test]
fn a_failure_is_tried_again_with_a_new_look_at_the_service() {
    let mut cluster = left();
    cluster.remove(Kind::Slice, "web-1");
    cluster.remove(Kind::Slice, "web-2");
    for failing in 0..3 {
        let mut cluster = left();
        cluster.remove(Kind::Slice, "web-1");
        cluster.remove(Kind::Slice, "web-2");
        cluster.pass(GRACE);
        let fail = move |cluster: &mut Cluster| cluster.fails = true;
        cluster.meanwhile = Some(match failing {
            0 => Box::new(fail),
            1 => Box::new(move |cluster| cluster.meanwhile = Some(Box::new(fail))),
            _ => Box::new(move |cluster| {
                cluster.meanwhile = Some(Box::new(move |cluster| {
                    cluster.meanwhile = Some(Box::new(fail));
                }));
            }),
        });
        let requests = cluster.pass(SETTLE + GRACE);
        let gets = |what: &str| {
            requests
                .iter()
                .filter(|request| request.starts_with(what))
                .count()
        };
        assert_eq!(cluster.names(Kind::Endpoints), [""; 0], "{requests:?}");
        let expected = [(2, 1, 1), (1, 2, 1), (1, 2, 2)][failing];
        let found = (
            gets("get endpoints"),
            gets("get service"),
            gets("delete endpoints"),
        );
        assert_eq!(found, expected, "{requests:?}");
    }
}

#[test]
fn many_go_in_parts_with_a_look_at_the_service_before_each() {
    let mut cluster = Cluster::deleting();
    cluster.limit = 2;
    cluster.service("web", &bare());
    let uid = cluster.uid(Kind::Service, "web");
    for at in 0..5 {
        cluster.slice(&format!("web-{at}"), slice(&uid));
    }
    cluster.begin();
    let requests = cluster.pass(SETTLE + GRACE);
    let questions = requests.iter().filter(|request| *request == "get service web");
    assert_eq!((questions.count(), requests.len()), (3, 8), "{requests:?}");
    assert_eq!(cluster.names(Kind::Slice), [""; 0]);
}

#[test]
fn a_service_that_goes_or_is_made_again_takes_the_matter_with_it() {
    let mut cluster = left();
    cluster.pass(GRACE);
    cluster.remove(Kind::Service, "web");
    assert_eq!(
        cluster.pass(GRACE * 10),
        [""; 0],
        "that is for others to clear away"
    );
    assert!(
        cluster
            .metrics()
            .contains("quaymaster_externalname_stale_objects 0")
    );
    cluster.service("web", &bare());
    let requests = cluster.pass(SETTLE + GRACE);
    assert_eq!(
        requests,
        ["get endpoints web", "get service web", "delete endpoints web"],
        "the slices are of the former one, and the garbage collector's"
    );
}

#[test]
fn a_service_that_is_made_again_at_once_begins_the_time_anew() {
    let mut cluster = left();
    cluster.pass(GRACE);
    cluster.remove(Kind::Service, "web");
    cluster.service("web", &bare());
    assert_eq!(cluster.pass(GRACE), [""; 0]);
    assert_eq!(cluster.pass(SETTLE).last().unwrap(), "delete endpoints web");
    // The watch tells of neither.
    let mut cluster = left();
    cluster.pass(GRACE);
    cluster.store_successor("web", &bare());
    assert_eq!(cluster.pass(SETTLE), ["get endpoints web", "get service web"]);
    assert_eq!(cluster.names(Kind::Endpoints), ["web"]);
    assert_eq!(cluster.names(Kind::Slice), ["web-1", "web-2"]);
}

#[test]
fn endpoints_that_were_written_since_they_were_found_are_not_judged_before_the_watch_tells() {
    let mut cluster = left();
    cluster.pass(GRACE);
    cluster.store_endpoints("web", endpoints());
    assert_eq!(cluster.pass(SETTLE), ["get endpoints web"]);
    cluster.tell_endpoints("web");
    assert_eq!(
        cluster.pass(SETTLE),
        ["get service web", "delete slice web-1", "delete slice web-2"]
    );
    assert_eq!(cluster.pass(GRACE).last().unwrap(), "delete endpoints web");
}

#[test]
fn nothing_is_asked_while_the_question_for_the_service_is_under_way() {
    let mut cluster = left();
    cluster.remove(Kind::Endpoints, "web");
    cluster.pass(ALMOST);
    cluster.meanwhile = Some(Box::new(|cluster| assert_eq!(cluster.turn("web"), [""; 0])));
    assert_eq!(
        cluster.pass(Duration::from_secs(1)),
        ["get service web", "delete slice web-1", "delete slice web-2"]
    );
}
