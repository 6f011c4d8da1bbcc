use quaymaster_model::Text;
use quaymaster_model::rules::PortOrder;

use super::*;
use crate::tests::records::{port, subset};

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(Text::new("shop"), Text::new(name))
}

/// Two groups of ports of so many addresses each.
fn desired(counts: [usize; 2]) -> Desired {
    let ips = |count: usize| -> Vec<String> { (0..count).map(|n| format!("10.0.0.{n}")).collect() };
    let subsets = [(80, counts[0]), (81, counts[1])].map(|(number, count)| {
        let ips = ips(count);
        let ips: Vec<&str> = ips.iter().map(String::as_str).collect();
        subset(&ips, &[], &[port("", number)])
    });
    Desired::of(&subsets, 1000, PortOrder::Fnv128a)
}

#[test]
fn gauges_are_sums_over_all_endpoints() {
    let mut gauges = Gauges::default();
    let mut totals = |change: &dyn Fn(&mut Gauges)| {
        change(&mut gauges);
        (gauges.total().endpoints, gauges.total().slices)
    };
    assert_eq!(totals(&|_| ()), (0, 0));
    assert_eq!(
        totals(&|gauges| gauges.update(&key("a"), &desired([3, 2]))),
        (5, 2)
    );
    assert_eq!(
        totals(&|gauges| gauges.update(&key("b"), &desired([1, 0]))),
        (6, 3)
    );
    assert_eq!(
        totals(&|gauges| gauges.update(&key("a"), &desired([4, 0]))),
        (5, 2)
    );
    assert_eq!(
        totals(&|gauges| gauges.update(&key("b"), &desired([0, 0]))),
        (4, 1)
    );
    assert_eq!(totals(&|gauges| gauges.remove(&key("a"))), (0, 0));
    assert_eq!(
        totals(&|gauges| gauges.remove(&key("a"))),
        (0, 0),
        "once is enough"
    );
}
