use super::*;
use crate::testing::node;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

fn equal_zones(count: usize) -> TopologyCache {
    let nodes: Vec<Node> = (0..count)
        .map(|zone| node(&format!("n{zone}"), Some(&format!("z{zone}"))))
        .collect();
    TopologyCache::of_nodes(&nodes)
}

/// Found by running upstream's code: doubles decide, exact arithmetic would allow 6, 12 and 24 in five zones.
#[test]
fn with_equal_zones_these_numbers_of_endpoints_never_get_hints() {
    for (zones, refused) in [
        (2, vec![3, 5]),
        (3, vec![4, 5, 8, 11]),
        (4, vec![5, 6, 7, 10, 11, 15]),
        (5, vec![6, 7, 8, 9, 12, 13, 14, 19, 24]),
    ] {
        let cache = equal_zones(zones);
        let least = i64::try_from(zones).unwrap();
        let found: Vec<i64> = (least..200)
            .filter(|endpoints| cache.allocations(*endpoints).is_err())
            .collect();
        assert_eq!(found, refused, "{zones} zones");
    }
}

#[test]
fn fewer_endpoints_than_zones_are_refused() {
    let error = equal_zones(3).allocations(2).unwrap_err();
    assert_eq!(error, "Insufficient number of endpoints (2 endpoints, 3 zones)");
}

#[test]
fn before_the_first_node_event_the_reason_is_another_than_without_zones() {
    assert_eq!(
        TopologyCache::default().allocations(9).unwrap_err(),
        "Nodes only ready in one zone"
    );
    let insufficient = equal_zones(1).allocations(9).unwrap_err();
    assert!(
        insufficient.starts_with("Insufficient Node information: "),
        "{insufficient}"
    );
}

#[test]
fn one_ready_worker_without_zone_or_cpu_spoils_the_data_others_do_not_count() {
    let usable = |change: fn(&mut Node)| {
        let mut nodes = vec![node("a", Some("a")), node("b", Some("b")), node("c", Some("c"))];
        change(&mut nodes[2]);
        match TopologyCache::of_nodes(&nodes).ratios {
            Ratios::Known(ratios) => ratios.len(),
            _ => 0,
        }
    };
    assert_eq!(usable(|_| {}), 3);
    assert_eq!(usable(|node| node.metadata.labels = None), 0);
    assert_eq!(
        usable(|node| {
            node.metadata
                .labels
                .as_mut()
                .unwrap()
                .insert(names::ZONE.to_owned(), String::new());
        }),
        0
    );
    assert_eq!(usable(|node| node.status.as_mut().unwrap().allocatable = None), 0);
    assert_eq!(
        usable(|node| {
            node.metadata.labels = Some([(names::EXCLUDED_NODE_LABELS[1].to_owned(), String::new())].into());
        }),
        2
    );
    assert_eq!(
        usable(|node| {
            node.metadata.labels = None;
            node.status.as_mut().unwrap().conditions = None;
        }),
        2
    );
}

#[test]
fn zones_count_by_their_cpu() {
    let mut nodes = vec![node("a", Some("a")), node("b", Some("b"))];
    let cpu = |text: &str| Some(BTreeMap::from([("cpu".to_owned(), Quantity(text.to_owned()))]));
    nodes[0].status.as_mut().unwrap().allocatable = cpu("3");
    nodes[1].status.as_mut().unwrap().allocatable = cpu("1000m");
    let allocations = TopologyCache::of_nodes(&nodes).allocations(8).unwrap();
    assert_eq!(
        allocations["a"],
        Allocation {
            minimum: 5,
            maximum: 6,
            desired: 6.0
        }
    );
    assert_eq!(
        allocations["b"],
        Allocation {
            minimum: 2,
            maximum: 3,
            desired: 2.0
        }
    );
    // A share below its own minimum is raised to it.
    let allocations = TopologyCache::of_nodes(&nodes).allocations(6).unwrap();
    assert_eq!(
        allocations["b"],
        Allocation {
            minimum: 2,
            maximum: 2,
            desired: 2.0
        }
    );
}

#[test]
fn a_service_is_overloaded_when_a_zone_has_too_few_hints_or_the_shares_are_gone() {
    let mut cache = equal_zones(2);
    let hints = |a: i64, b: i64| {
        let counts = BTreeMap::from([("z0".to_owned(), a), ("z1".to_owned(), b)]);
        BTreeMap::from([("ns/a".to_owned(), BTreeMap::from([(AddressType::IPv4, counts)]))])
    };
    // ceil(12 / 2 / 1.2) = 5
    cache.hints = hints(5, 7);
    assert!(cache.overloaded().is_empty());
    cache.hints = hints(4, 8);
    assert_eq!(cache.overloaded(), ["ns/a"]);
    cache.hints = hints(6, 6);
    cache.set_nodes(&[]);
    assert_eq!(cache.overloaded(), ["ns/a"]);
    cache.forget("ns/a", AddressType::IPv4);
    assert!(cache.overloaded().is_empty());
}

/// The limits of `getGivingAndReceivingZones`.
#[test]
fn zones_give_and_receive_whole_endpoints() {
    let case = |desired: &[(&str, f64)], counts: &[(&str, i64)]| {
        let allocations = desired
            .iter()
            .map(|(zone, desired)| {
                (
                    (*zone).to_owned(),
                    Allocation {
                        minimum: 0,
                        maximum: 0,
                        desired: *desired,
                    },
                )
            })
            .collect();
        let counts = counts
            .iter()
            .map(|(zone, count)| ((*zone).to_owned(), *count))
            .collect();
        let (giving, receiving) = giving_and_receiving(&allocations, &counts);
        let flat = |units: Units| units.into_iter().collect::<Vec<_>>();
        (flat(giving), flat(receiving))
    };
    let unit = |zone: &str, count| vec![(zone.to_owned(), count)];
    assert_eq!(
        case(&[("a", 1.0), ("b", 1.0)], &[("a", 1), ("b", 1)]),
        (vec![], vec![])
    );
    assert_eq!(
        case(&[("a", 2.0), ("b", 2.0)], &[("a", 4)]),
        (unit("a", 2), unit("b", 2))
    );
    // Less than half an endpoint is not moved, nor are two halves that are both below one.
    assert_eq!(
        case(&[("a", 1.7), ("b", 1.3)], &[("a", 2), ("b", 1)]),
        (vec![], vec![])
    );
    assert_eq!(
        case(&[("a", 1.4), ("b", 1.6)], &[("a", 2), ("b", 1)]),
        (vec![], vec![])
    );
    // A surplus of one suffices for a shortage of one half.
    assert_eq!(
        case(&[("a", 1.0), ("b", 1.5)], &[("a", 2), ("b", 1)]),
        (unit("a", 1), unit("b", 1))
    );
}

/// Ten endpoints in zones with 37, 27.5 and 35.5 % of the CPU: minima of 4, 3 and 3 leave none free, and yet 4, 2 and 4
/// stay as they are, since the last zone has no more than 0.45 endpoints to give.
#[test]
fn a_distribution_may_be_settled_outside_its_minima() {
    let cpu = [("a", "3700m"), ("b", "2750m"), ("c", "3550m")];
    let nodes = cpu.map(|(zone, cpu)| {
        let mut node = node(zone, Some(zone));
        let status = node.status.get_or_insert_default();
        status
            .allocatable
            .get_or_insert_default()
            .insert("cpu".to_owned(), Quantity(cpu.to_owned()));
        node
    });
    let cache = TopologyCache::of_nodes(&nodes);
    let hinted = |counts: [usize; 3]| {
        let zones = ["a", "b", "c"].map(str::to_owned);
        zones.into_iter().zip(counts).collect::<BTreeMap<_, _>>()
    };
    assert_eq!(cache.free(10), Some(0));
    assert!(cache.is_settled(&hinted([4, 3, 3])));
    assert!(cache.is_settled(&hinted([4, 2, 4])));
    assert!(!cache.is_settled(&hinted([5, 2, 3])));
    assert!(!cache.is_settled(&hinted([10, 0, 0])));
    // Minima and maxima are 4, 3 and 3.
    assert!(cache.keeps(&hinted([4, 3, 3])));
    assert!(!cache.keeps(&hinted([5, 2, 3])));
    assert!(!cache.keeps(&BTreeMap::from([("d".to_owned(), 3)])));
    // Without hints for so many endpoints nothing is settled, and nothing free.
    assert!(!cache.is_settled(&hinted([1, 1, 0])));
    assert_eq!(cache.free(2), None);
}
