//! Clusters beside each other, and what of them a run takes.

use std::collections::BTreeSet;

use k8s_openapi::api::networking::v1::ServiceCIDR;

use super::*;

fn controllers(names: &[&str]) -> Controllers {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    Controllers::named(&names).unwrap()
}

fn family() -> Controllers {
    controllers(&[
        "endpointslice-controller",
        "endpoints-controller",
        "endpointslice-mirroring-controller",
        "service-cidr-controller",
    ])
}

/// Every object that is ever put.
fn objects(world: &World) -> Vec<Object> {
    let put = world.steps.iter().filter_map(|step| match &step.action {
        Action::Put(object) => Some(object.clone()),
        _ => None,
    });
    world.cluster.objects().cloned().chain(put).collect()
}

fn service_addresses(world: &World) -> BTreeSet<String> {
    let objects = objects(world);
    let services = objects.iter().filter_map(Service::of);
    let addresses = services.filter_map(|service| service.spec.clone().unwrap_or_default().cluster_ips);
    addresses.flatten().filter(|address| address != "None").collect()
}

#[test]
fn clusters_beside_each_other_share_no_address_and_no_range() {
    for seed in 0..10 {
        let [one, other] = [0, 62].map(|index| World::generate(seed, Size::Small, index, 37, &family()));
        let (one_has, other_has) = (service_addresses(&one), service_addresses(&other));
        assert!(
            !one_has.is_empty() && one_has.is_disjoint(&other_has),
            "{one_has:?} {other_has:?}"
        );
        for address in one_has.iter().chain(&other_has) {
            assert!(address.parse::<IpAddr>().is_ok(), "{address}");
            assert_ne!(address, "10.96.0.1", "the apiserver's own");
        }
        for address in one_has
            .iter()
            .chain(&other_has)
            .filter(|address| address.starts_with("fd00:96:"))
        {
            let segments = address.parse::<Ipv6Addr>().unwrap().segments();
            assert_eq!(segments[..7], MAIN_SIX.segments()[..7], "{address}");
        }
        let ranges = |world: &World| -> BTreeSet<String> {
            let cidrs = objects(world)
                .into_iter()
                .filter_map(|object| ServiceCIDR::of(&object).cloned());
            cidrs
                .filter_map(|cidr| cidr.spec.and_then(|spec| spec.cidrs))
                .flatten()
                .collect()
        };
        assert!(ranges(&one).is_disjoint(&ranges(&other)));
    }
}

#[test]
fn what_no_controller_of_the_run_looks_at_is_left_out() {
    let kinds = |controllers: &Controllers| -> BTreeSet<Kind> {
        let worlds = (0..10).map(|seed| World::generate(seed, Size::Small, 0, 37, controllers));
        worlds
            .flat_map(|world| objects(&world))
            .map(|object| object.kind())
            .collect()
    };
    let slices = kinds(&controllers(&["endpointslice-controller"]));
    assert_eq!(slices, [Kind::Node, Kind::Service, Kind::Pod].into());
    assert!(kinds(&family()).is_superset(&[Kind::Endpoints, Kind::ServiceCIDR].into()));
    // Services with an address of a ServiceCIDR are there all the same, with another one.
    for seed in 0..10 {
        let world = World::generate(
            seed,
            Size::Small,
            3,
            37,
            &controllers(&["endpointslice-controller"]),
        );
        let four = service_addresses(&world)
            .into_iter()
            .filter(|address| !address.contains(':'));
        assert!(four.into_iter().all(|address| address.starts_with("10.")));
    }
}

#[test]
fn addresses_have_one_form_where_the_apiserver_takes_no_other() {
    for (ip, wanted) in [
        ("::ffff:10.200.0.3", "10.200.0.3"),
        ("010.200.000.003", "10.200.0.3"),
        ("10.0.0.10", "10.0.0.10"),
        ("FD00:200:0:0::3", "FD00:200:0:0::3"),
    ] {
        assert_eq!(strict(ip), wanted);
    }
    let mapped = |minor: u32| {
        let worlds = (0..60).map(|seed| World::generate(seed, Size::Small, 0, minor, &family()));
        worlds.flat_map(|world| objects(&world)).any(|object| {
            let endpoints = Endpoints::of(&object);
            endpoints.is_some_and(|endpoints| serde_json::to_string(endpoints).unwrap().contains("::ffff:"))
        })
    };
    assert!(mapped(33) && !mapped(37));
}
