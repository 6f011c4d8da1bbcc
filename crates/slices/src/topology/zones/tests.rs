use super::*;
use crate::topology::tests::{node, zones};

fn ratios(zones: &Zones) -> Option<Vec<(String, f64)>> {
    Some(
        zones
            .ratios()?
            .iter()
            .map(|(zone, ratio)| (zone.to_string(), *ratio))
            .collect(),
    )
}

#[expect(clippy::unnecessary_wraps, reason = "compared with what may be none")]
fn expected(ratios: &[(&str, f64)]) -> Option<Vec<(String, f64)>> {
    Some(
        ratios
            .iter()
            .map(|(zone, ratio)| ((*zone).to_owned(), *ratio))
            .collect(),
    )
}

#[test]
fn ratios_follow_the_cpu_of_the_zones() {
    let zones = zones(&[
        ("a", 1000),
        ("b", 3000),
        ("a", 1000),
        ("c", 500),
        ("a", 1000),
        ("b", 1500),
        ("a", 2000),
    ]);
    assert_eq!(ratios(&zones), expected(&[("a", 0.5), ("b", 0.45), ("c", 0.05)]));
}

#[test]
fn fewer_than_two_zones_do_not_suffice() {
    assert_eq!(ratios(&zones(&[])), None);
    assert_eq!(ratios(&zones(&[("a", 1000)])), None);
    assert_eq!(ratios(&zones(&[("a", 1000), ("a", 1000)])), None);
}

#[test]
fn nodes_that_are_not_ready_or_run_the_control_plane_do_not_count() {
    let away = [
        NodeRecord {
            ready: false,
            ..node(Some("b"), 1000)
        },
        NodeRecord {
            control_plane: true,
            ..node(Some("b"), 1000)
        },
        NodeRecord {
            ready: false,
            ..node(None, 0)
        },
        NodeRecord {
            control_plane: true,
            ..node(None, 0)
        },
    ];
    for away in away {
        let mut one = zones(&[("a", 1000)]);
        assert!(!one.node_changed(None, Some(&away)));
        assert_eq!(ratios(&one), None);

        let mut two = zones(&[("a", 1000), ("b", 1000)]);
        assert!(!two.node_changed(None, Some(&away)));
        assert_eq!(ratios(&two), expected(&[("a", 0.5), ("b", 0.5)]));
    }
}

#[test]
fn one_node_without_zone_or_cpu_makes_all_unknown_until_it_goes_or_tells() {
    for incomplete in [node(None, 1000), node(Some("a"), 0)] {
        let mut zones = zones(&[("a", 1000), ("b", 1000)]);
        assert!(zones.node_changed(None, Some(&incomplete)));
        assert_eq!(ratios(&zones), None);
        assert!(
            !zones.node_changed(None, Some(&node(Some("b"), 2000))),
            "still unknown"
        );
        assert!(!zones.node_changed(None, Some(&incomplete)));
        assert!(!zones.node_changed(Some(&incomplete), None), "one is left");
        assert_eq!(ratios(&zones), None);
        assert!(zones.node_changed(Some(&incomplete), Some(&node(Some("a"), 2000))));
        assert_eq!(ratios(&zones), expected(&[("a", 0.5), ("b", 0.5)]));
    }
}

#[test]
fn a_node_that_changes_takes_its_cpu_along() {
    let mut zones = zones(&[("a", 1000), ("b", 1000)]);
    let before = node(Some("a"), 1000);
    assert!(zones.ratios().is_some(), "so that there is something to forget");

    let moved = node(Some("c"), 1000);
    assert!(zones.node_changed(Some(&before), Some(&moved)));
    assert_eq!(ratios(&zones), expected(&[("b", 0.5), ("c", 0.5)]));

    let grown = node(Some("c"), 3000);
    assert!(zones.node_changed(Some(&moved), Some(&grown)));
    assert_eq!(ratios(&zones), expected(&[("b", 0.25), ("c", 0.75)]));

    let down = NodeRecord {
        ready: false,
        ..grown.clone()
    };
    assert!(zones.node_changed(Some(&grown), Some(&down)));
    assert_eq!(ratios(&zones), None);
    assert!(!zones.node_changed(Some(&down), None));
    assert!(zones.node_changed(None, Some(&grown)));
    assert_eq!(ratios(&zones), expected(&[("b", 0.25), ("c", 0.75)]));
}

#[test]
fn a_change_of_anything_else_changes_nothing() {
    let mut zones = zones(&[("a", 1000), ("b", 1000)]);
    let before = node(Some("a"), 1000);
    let renamed = NodeRecord {
        name: Text::new("other"),
        ..before.clone()
    };
    assert!(!zones.node_changed(Some(&before), Some(&renamed)));
    assert!(!zones.node_changed(None, None));
    assert_eq!(ratios(&zones), expected(&[("a", 0.5), ("b", 0.5)]));
}

#[test]
fn the_order_of_changes_leaves_no_trace() {
    let mut grown = zones(&[("b", 7), ("a", 3), ("c", 1_000_003), ("b", 11)]);
    for _ in 0..1000 {
        grown.node_changed(None, Some(&node(Some("a"), 333)));
        grown.node_changed(None, Some(&node(Some("d"), 1)));
        grown.node_changed(Some(&node(Some("d"), 1)), None);
        grown.node_changed(Some(&node(Some("a"), 333)), None);
    }
    assert_eq!(
        ratios(&grown),
        ratios(&zones(&[("a", 3), ("b", 18), ("c", 1_000_003)]))
    );
}

#[test]
fn absurd_amounts_of_cpu_and_nodes_never_seen_do_no_harm() {
    let mut absurd = zones(&[("a", u64::MAX), ("a", u64::MAX), ("b", u64::MAX), ("b", u64::MAX)]);
    assert_eq!(ratios(&absurd), expected(&[("a", 0.5), ("b", 0.5)]));
    absurd.node_changed(Some(&node(Some("z"), 1)), None);
    absurd.node_changed(Some(&node(None, 1)), None);
    assert_eq!(ratios(&absurd), expected(&[("a", 0.5), ("b", 0.5)]));
}
