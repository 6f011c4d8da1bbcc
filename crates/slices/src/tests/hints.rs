//! Topology hints, as far as placement decides them. How zones share endpoints is tested with `topology`.
//!
//! | Rule | Test |
//! |---|---|
//! | `trafficDistribution` by value and version | `the_value_and_the_version_decide_which_hints_there_are` |
//! | without zone | `an_endpoint_without_zone_has_no_zone_hint` |
//! | not ready | `endpoints_that_are_not_ready_get_no_hints`, `an_endpoint_that_serves_and_terminates_gets_no_hint`, `an_endpoint_that_is_ready_only_because_it_is_published_gets_hints`, `hints_of_endpoints_that_are_not_ready_are_nobodys_business` |
//! | deviation | `a_wrong_or_missing_or_further_hint_is_put_right` |
//! | not in use | `hints_are_removed_where_nobody_asks_for_them` |
//! | annotation wins | `the_annotation_wins_over_the_field` |
//! | by annotation | `by_annotation_each_zone_gets_its_share_and_it_is_told_once`, `a_refusal_is_told_and_writes_no_hints` |
//! | annotation gone | `without_the_annotation_the_hints_go_and_it_is_told_once` |
//! | a restart | `hints_by_annotation_survive_a_restart_without_a_write` |

use quaymaster_model::{EndpointRecord, Hints, KubernetesVersion, UpstreamRules};
use smallvec::smallvec;

use super::fixture::{Fixture, counts, node, only_endpoint, pod, updates};

fn hints(endpoint: &EndpointRecord) -> (Vec<&str>, Vec<&str>) {
    let list = |of: fn(&Hints) -> &[quaymaster_model::Text]| {
        endpoint
            .hints
            .as_deref()
            .map(of)
            .unwrap_or_default()
            .iter()
            .map(quaymaster_model::Text::as_str)
            .collect()
    };
    (list(|hints| &hints.zones), list(|hints| &hints.nodes))
}

fn distributed(value: Option<&str>, minor: u32) -> Fixture {
    let mut fixture = Fixture::new().with_pods(1);
    fixture.settings.rules = UpstreamRules::of(KubernetesVersion { minor });
    fixture.service.traffic_distribution = value.map(quaymaster_model::Text::new);
    fixture.start();
    fixture
}

#[test]
fn the_value_and_the_version_decide_which_hints_there_are() {
    let none = (vec![], vec![]);
    let zone = (vec!["z"], vec![]);
    let both = (vec!["z"], vec!["n"]);
    let table = [
        (None, 37, &none),
        (Some("Unknown"), 37, &none),
        (Some("PreferClose"), 33, &zone),
        (Some("PreferClose"), 37, &zone),
        (Some("PreferSameZone"), 33, &none),
        (Some("PreferSameZone"), 34, &zone),
        (Some("PreferSameNode"), 33, &none),
        (Some("PreferSameNode"), 34, &both),
        (Some("PreferSameNode"), 37, &both),
    ];
    for (value, minor, expected) in table {
        let fixture = distributed(value, minor);
        assert_eq!(hints(&only_endpoint(&fixture)), *expected, "{value:?} 1.{minor}");
    }
}

#[test]
fn an_endpoint_without_zone_has_no_zone_hint() {
    let mut fixture = Fixture::new();
    fixture.service.traffic_distribution = Some("PreferSameNode".into());
    fixture.world.set_node(node("bare", None));
    let mut bare = pod(0);
    bare.node = Some("bare".into());
    fixture.world.add(bare);
    fixture.start();
    assert_eq!(hints(&only_endpoint(&fixture)), (vec![], vec!["bare"]));
}

#[test]
fn endpoints_that_are_not_ready_get_no_hints() {
    let mut fixture = Fixture::new();
    fixture.service.traffic_distribution = Some("PreferClose".into());
    let mut pod = pod(0);
    pod.flags.ready = false;
    fixture.world.add(pod);
    fixture.start();
    assert_eq!(only_endpoint(&fixture).hints, None);
}

#[test]
fn an_endpoint_that_serves_and_terminates_gets_no_hint() {
    let mut fixture = Fixture::new();
    fixture.service.traffic_distribution = Some("PreferClose".into());
    let mut pod = pod(0);
    pod.flags.terminating = true;
    fixture.world.add(pod);
    fixture.start();
    let endpoint = only_endpoint(&fixture);
    assert_eq!(endpoint.conditions.serving, Some(true));
    assert_eq!(endpoint.hints, None);
}

/// Upstream looks at the condition alone, whatever it comes from (`k8s.io/endpointslice`, `trafficdist/trafficdist.go`,
/// `endpointReady`).
#[test]
fn an_endpoint_that_is_ready_only_because_it_is_published_gets_hints() {
    for (ready, terminating) in [(false, false), (true, true), (false, true)] {
        let mut fixture = Fixture::new();
        fixture.service.traffic_distribution = Some("PreferClose".into());
        fixture.service.publish_not_ready = true;
        let mut pod = pod(0);
        pod.flags.ready = ready;
        pod.flags.terminating = terminating;
        fixture.world.add(pod);
        fixture.start();
        let endpoint = only_endpoint(&fixture);
        assert_eq!(endpoint.conditions.ready, Some(true));
        assert_eq!(hints(&endpoint), (vec!["z"], vec![]), "{ready} {terminating}");
    }
}

#[test]
fn hints_of_endpoints_that_are_not_ready_are_nobodys_business() {
    let mut fixture = Fixture::new();
    fixture.service.traffic_distribution = Some("PreferClose".into());
    let mut pod = pod(0);
    pod.flags.ready = false;
    fixture.world.add(pod);
    fixture.restart();
    let writes = fixture.settle();
    let name = writes[0].key.name.clone();
    let slice = fixture.touch(&name, |slice| {
        slice.endpoints[0].hints = Some(zone_hint(&["other"]));
    });
    fixture.see(slice);
    assert_eq!(fixture.settle(), []);
}

#[allow(clippy::unnecessary_box_returns, reason = "hints are held in a box")]
fn zone_hint(zones: &[&str]) -> Box<Hints> {
    Box::new(Hints {
        zones: zones.iter().map(|zone| (*zone).into()).collect(),
        nodes: smallvec![],
    })
}

#[test]
fn a_wrong_or_missing_or_further_hint_is_put_right() {
    for wrong in [
        None,
        Some(zone_hint(&["other"])),
        Some(zone_hint(&["z", "other"])),
    ] {
        let mut fixture = distributed(Some("PreferClose"), 37);
        let name = fixture.world.slices.keys().next().unwrap().clone();
        let slice = fixture.touch(&name, |slice| slice.endpoints[0].hints.clone_from(&wrong));
        fixture.see(slice);
        assert_eq!(updates(&fixture.settle()), 1);
        assert_eq!(hints(&only_endpoint(&fixture)), (vec!["z"], vec![]));
    }
}

#[test]
fn hints_are_removed_where_nobody_asks_for_them() {
    for value in [None, Some("Unknown")] {
        let mut fixture = distributed(Some("PreferSameNode"), 37);
        fixture.service.traffic_distribution = value.map(quaymaster_model::Text::new);
        fixture.refresh();
        assert_eq!(counts(&fixture.settle()), (0, 1, 0), "{value:?}");
        assert_eq!(only_endpoint(&fixture).hints, None, "{value:?}");
    }
}

/// Three zones of equal CPU and six Pods, all in the first one.
fn zones() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.world = super::fixture::World::default();
    for zone in ["a", "b", "c"] {
        fixture.world.set_node(node(zone, Some(zone)));
    }
    for n in 0..6 {
        let mut pod = pod(n);
        pod.node = Some("a".into());
        fixture.world.add(pod);
    }
    fixture.service.topology_auto = true;
    fixture.restart();
    fixture
}

fn hinted(fixture: &Fixture) -> Vec<String> {
    let slices = fixture.world.slices.values();
    let mut zones: Vec<String> = slices
        .flat_map(|slice| &slice.endpoints)
        .flat_map(|endpoint| {
            hints(endpoint)
                .0
                .into_iter()
                .map(ToOwned::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    zones.sort();
    zones
}

#[test]
fn by_annotation_each_zone_gets_its_share_and_it_is_told_once() {
    let mut fixture = zones();
    let first = fixture.plan_whole(16);
    assert_eq!(
        first
            .events
            .iter()
            .map(crate::topology::TopologyEvent::reason)
            .collect::<Vec<_>>(),
        ["TopologyAwareHintsEnabled"]
    );
    for write in &first.writes {
        fixture.perform(write);
    }
    let second = fixture.plan_whole(16);
    assert!(second.writes.is_empty() && second.events.is_empty());
    assert_eq!(hinted(&fixture), ["a", "a", "b", "b", "c", "c"]);
    assert!(!fixture.state.has_work());
}

#[test]
fn a_refusal_is_told_and_writes_no_hints() {
    let mut fixture = zones();
    fixture.settle();
    for n in 0..4 {
        fixture.remove_pod(n);
    }
    let plan = fixture.plan_whole(16);
    let [event] = plan.events.as_slice() else {
        panic!("{:?}", plan.events)
    };
    let expected = "Insufficient number of endpoints (2 endpoints, 3 zones), addressType: IPv4";
    assert_eq!(
        (event.event_type(), event.message().as_str()),
        ("Warning", expected)
    );
    for write in &plan.writes {
        fixture.perform(write);
    }
    fixture.settle();
    assert_eq!(hinted(&fixture), [""; 0]);
    assert_eq!(fixture.sizes(), [2]);
}

#[test]
fn without_the_annotation_the_hints_go_and_it_is_told_once() {
    let mut fixture = zones();
    fixture.settle();
    fixture.service.topology_auto = false;
    fixture.refresh();
    let plan = fixture.plan_whole(16);
    let messages: Vec<_> = plan
        .events
        .iter()
        .map(crate::topology::TopologyEvent::message)
        .collect();
    assert_eq!(
        messages,
        ["Topology Aware Hints has been disabled, addressType: IPv4"]
    );
    for write in &plan.writes {
        fixture.perform(write);
    }
    assert!(fixture.plan_whole(16).events.is_empty());
    assert_eq!(hinted(&fixture), [""; 0]);
}

#[test]
fn the_annotation_wins_over_the_field() {
    let mut fixture = zones();
    fixture.service.traffic_distribution = Some("PreferClose".into());
    fixture.start();
    assert_eq!(hinted(&fixture), ["a", "a", "b", "b", "c", "c"]);
    fixture.service.topology_auto = false;
    fixture.refresh();
    fixture.settle();
    assert_eq!(hinted(&fixture), ["a"; 6]);
}

#[test]
fn hints_by_annotation_survive_a_restart_without_a_write() {
    let mut fixture = zones();
    fixture.settle();
    fixture.restart();
    assert_eq!(fixture.settle(), []);
}

#[test]
fn shares_of_zones_are_not_computed_while_writes_are_in_flight() {
    let mut fixture = zones();
    fixture.settle();
    let mut changed = pod(0);
    changed.flags.ready = false;
    fixture.set_pod(changed);
    let first = fixture.plan(16);
    assert!(!first.is_empty());
    let mut further = pod(90);
    further.node = Some("b".into());
    fixture.set_pod(further);
    let plan = fixture.plan_whole(16);
    assert_eq!((plan.writes, plan.events), (Vec::new(), Vec::new()));
    for write in &first {
        fixture.perform(write);
    }
    assert!(!fixture.settle().is_empty());
}
