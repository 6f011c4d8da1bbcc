use quaymaster_runtime::metrics::Registry;

use super::*;

fn summary(endpoints: usize, slices: usize, desired_slices: usize) -> Summary {
    Summary {
        endpoints,
        slices,
        desired_slices,
        ..Summary::default()
    }
}

fn has(registry: &Registry, line: &str) {
    let line = format!("endpoint_slice_controller_{line}");
    let text = registry.encode();
    assert!(text.lines().any(|found| found == line), "{line}\n{text}");
}

#[test]
fn gauges_are_sums_over_all_services() {
    let registry = Registry::new();
    let mut gauges = Gauges::new(Metrics::register(&registry));
    let mut shown = |change: &dyn Fn(&mut Gauges), expected: [usize; 3]| {
        change(&mut gauges);
        gauges.show();
        let names = [
            "endpoints_desired",
            "num_endpoint_slices",
            "desired_endpoint_slices",
        ];
        for (name, value) in names.iter().zip(expected) {
            has(&registry, &format!("{name} {value}"));
        }
    };
    shown(&|_| (), [0, 0, 0]);
    shown(
        &|gauges| gauges.update(ServiceId(1), summary(160, 3, 2)),
        [160, 3, 2],
    );
    shown(
        &|gauges| gauges.update(ServiceId(2), summary(0, 1, 1)),
        [160, 4, 3],
    );
    shown(
        &|gauges| gauges.update(ServiceId(1), summary(90, 2, 1)),
        [90, 3, 2],
    );
    shown(&|gauges| gauges.remove(ServiceId(2)), [90, 2, 1]);
    shown(&|gauges| gauges.remove(ServiceId(1)), [0, 0, 0]);
}

#[test]
fn services_count_by_the_traffic_distribution_that_they_have_now() {
    let registry = Registry::new();
    let mut gauges = Gauges::new(Metrics::register(&registry));
    let mut shown = |change: &dyn Fn(&mut Gauges), close: usize, node: usize| {
        change(&mut gauges);
        for (value, count) in [("PreferClose", close), ("PreferSameNode", node)] {
            let metric = "services_count_by_traffic_distribution";
            has(
                &registry,
                &format!("{metric}{{traffic_distribution=\"{value}\"}} {count}"),
            );
        }
    };
    let (zone, node, unset) = (
        TrafficDistribution::PreferClose,
        TrafficDistribution::PreferSameNode,
        TrafficDistribution::None,
    );
    shown(&|gauges| gauges.distribution(ServiceId(1), zone), 1, 0);
    shown(&|gauges| gauges.distribution(ServiceId(1), zone), 1, 0);
    shown(&|gauges| gauges.distribution(ServiceId(2), zone), 2, 0);
    shown(&|gauges| gauges.distribution(ServiceId(3), node), 2, 1);
    shown(&|gauges| gauges.distribution(ServiceId(4), unset), 2, 1);
    shown(&|gauges| gauges.distribution(ServiceId(2), node), 1, 2);
    shown(&|gauges| gauges.remove(ServiceId(3)), 1, 1);
    shown(&|gauges| gauges.distribution(ServiceId(1), unset), 0, 1);
    shown(&|gauges| gauges.distribution(ServiceId(2), unset), 0, 0);
}
