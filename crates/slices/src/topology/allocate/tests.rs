use super::*;
use crate::topology::Zones;
use crate::topology::tests::zones;

fn equal_zones(count: usize) -> Zones {
    let names: Vec<String> = (0..count).map(|zone| format!("zone-{zone}")).collect();
    zones(&names.iter().map(|name| (name.as_str(), 4000)).collect::<Vec<_>>())
}

fn desiring(desired: &[(&str, f64)]) -> Allocations {
    let allocation = |desired| Allocation {
        minimum: 0,
        maximum: usize::MAX,
        desired,
    };
    desired
        .iter()
        .map(|(zone, desired)| (Text::new(zone), allocation(*desired)))
        .collect()
}

fn counts(counts: &[(&str, usize)]) -> Counts {
    counts
        .iter()
        .map(|(zone, hints)| (Text::new(zone), *hints))
        .collect()
}

#[test]
fn numbers_of_endpoints_that_equal_zones_cannot_divide() {
    for (zones, refused) in [
        (2, &[3, 5][..]),
        (3, &[4, 5, 8, 11]),
        (4, &[5, 6, 7, 10, 11, 15]),
        (5, &[6, 7, 8, 9, 12, 13, 14, 19, 24]),
    ] {
        let equal = equal_zones(zones);
        for endpoints in 0..3000 {
            let expected = if endpoints < zones {
                Some(DisabledReason::TooFewEndpoints { endpoints, zones })
            } else if refused.contains(&endpoints) {
                Some(DisabledReason::WouldOverload { endpoints, zones })
            } else {
                None
            };
            assert_eq!(
                allocations(equal.ratios(), endpoints).err(),
                expected,
                "{endpoints} in {zones} zones"
            );
        }
    }
}

#[test]
fn a_zone_may_get_what_the_minima_of_the_others_leave() {
    let zones = zones(&[("a", 500), ("b", 450), ("c", 50)]);
    let allocations = allocations(zones.ratios(), 20).unwrap();
    let expected = [("a", 9, 11, 10.0), ("b", 8, 10, 9.0), ("c", 1, 3, 1.0)];
    let expected = expected.map(|(zone, minimum, maximum, desired)| {
        (
            Text::new(zone),
            Allocation {
                minimum,
                maximum,
                desired,
            },
        )
    });
    assert_eq!(allocations, Allocations::from(expected));
}

#[test]
fn a_small_zone_desires_its_minimum() {
    let zones = zones(&[("a", 990), ("b", 10)]);
    let allocations = allocations(zones.ratios(), 10).unwrap();
    let small = allocations[&Text::new("b")];
    assert_eq!((small.minimum, small.maximum), (1, 1));
    assert!((small.desired - 1.0).abs() < f64::EPSILON);
}

#[test]
fn no_ratios_are_refused_before_anything_else() {
    assert_eq!(allocations(None, 0), Err(DisabledReason::InsufficientNodes));
}

#[test]
fn hints_move_from_the_largest_surplus_to_the_largest_shortage() {
    struct Case {
        name: &'static str,
        desired: &'static [(&'static str, f64)],
        counted: &'static [(&'static str, usize)],
        giving: &'static [(&'static str, usize)],
        receiving: &'static [(&'static str, usize)],
    }
    for case in [
        Case {
            name: "nothing",
            desired: &[],
            counted: &[],
            giving: &[],
            receiving: &[],
        },
        Case {
            name: "balanced",
            desired: &[("a", 1.2), ("b", 1.1), ("c", 1.0)],
            counted: &[("a", 1), ("b", 1), ("c", 1)],
            giving: &[],
            receiving: &[],
        },
        Case {
            name: "the own zone is better than a slightly better balance",
            desired: &[("a", 5.1), ("b", 5.1), ("c", 5.8)],
            counted: &[("a", 16)],
            giving: &[("a", 10)],
            receiving: &[("b", 5), ("c", 5)],
        },
        Case {
            name: "two zones lack less than one endpoint",
            desired: &[("a", 5.0), ("b", 5.6), ("c", 5.4)],
            counted: &[("a", 16)],
            giving: &[("a", 11)],
            receiving: &[("b", 6), ("c", 5)],
        },
        Case {
            name: "two zones can give",
            desired: &[("a", 5.0), ("b", 5.6), ("c", 5.4)],
            counted: &[("b", 8), ("c", 8)],
            giving: &[("b", 2), ("c", 3)],
            receiving: &[("a", 5)],
        },
        Case {
            name: "all have more than they desire",
            desired: &[("a", 5.0), ("b", 5.0)],
            counted: &[("a", 6), ("b", 6)],
            giving: &[],
            receiving: &[],
        },
        Case {
            name: "all have less than they desire",
            desired: &[("a", 5.0), ("b", 5.0)],
            counted: &[("a", 4)],
            giving: &[],
            receiving: &[],
        },
        Case {
            name: "a surplus that is just half an endpoint goes where a whole one is lacking",
            desired: &[("a", 2.5), ("b", 3.0)],
            counted: &[("a", 3), ("b", 1)],
            giving: &[("a", 1)],
            receiving: &[("b", 1)],
        },
        Case {
            name: "a zone that is to get nothing neither gives nor receives",
            desired: &[("a", 2.0), ("b", 2.0)],
            counted: &[("a", 1), ("b", 2), ("x", 9)],
            giving: &[],
            receiving: &[],
        },
    ] {
        let transfers = Transfers::between(&desiring(case.desired), &counts(case.counted));
        let expected = Transfers {
            giving: counts(case.giving),
            receiving: counts(case.receiving),
        };
        assert_eq!(transfers, expected, "{}", case.name);
    }
}

#[test]
fn endpoints_are_handed_out_until_there_is_nothing_to_give_or_to_receive() {
    let (a, b, c) = (Text::new("a"), Text::new("b"), Text::new("c"));
    let mut counted = counts(&[("a", 3), ("b", 1)]);
    let mut transfers = Transfers {
        giving: counts(&[("a", 2)]),
        receiving: counts(&[("b", 1), ("c", 1)]),
    };
    assert_eq!(transfers.next(&b, &mut counted), None, "it has nothing to give");
    assert_eq!(transfers.next(&a, &mut counted), Some(b));
    assert_eq!(transfers.next(&a, &mut counted), Some(c));
    assert_eq!(transfers.next(&a, &mut counted), None);
    assert_eq!(counted, counts(&[("a", 1), ("b", 2), ("c", 1)]));
}
