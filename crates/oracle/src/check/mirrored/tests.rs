//! What the comparison of mirrored slices forgives, and what it does not.

use serde_json::{Value, json};

use super::*;

const CONFIG: Config = Config {
    max_endpoints_per_subset: 2,
    minor: 37,
};

fn endpoints(subsets: &Value) -> Endpoints {
    let value = json!({
        "metadata": {"namespace": "ns", "name": "web", "uid": "e"},
        "subsets": subsets,
    });
    serde_json::from_value(value).unwrap()
}

fn plain() -> Endpoints {
    endpoints(&json!([{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80, "protocol": "TCP"}]}]))
}

/// The slices of Endpoints as they should be, with the owner told.
fn slices(endpoints: &Endpoints) -> Vec<EndpointSlice> {
    let mut slices = desired(endpoints, CONFIG).as_slices(endpoints, CONFIG);
    for slice in &mut slices {
        for owner in slice.metadata.owner_references.iter_mut().flatten() {
            tell_owner(owner, endpoints.metadata.uid.as_ref());
        }
    }
    slices
}

/// How many differences, and names of exceptions that applied, between kube-controller-manager and quaymaster.
fn run(
    endpoints: [&Endpoints; 2],
    sides: [&[EndpointSlice]; 2],
    refused: bool,
) -> (usize, Vec<&'static str>) {
    let service = Service::default();
    let setting = Setting {
        endpoints: endpoints.map(Some),
        service: Some(&service),
        config: CONFIG,
        upstream: [true, false],
        refused: [refused, false],
    };
    let mut exceptions = Exceptions::new();
    let found = fair(&setting, sides, &mut exceptions);
    (found.len(), exceptions.into_keys().map(Exception::name).collect())
}

#[test]
fn slices_that_say_the_same_do_not_differ_and_others_do() {
    let made = plain();
    let right = slices(&made);
    assert_eq!(run([&made; 2], [&slices(&made), &right], false), (0, vec![]));
    let mut unready = right.clone();
    unready[0].endpoints.as_mut().unwrap()[0]
        .conditions
        .as_mut()
        .unwrap()
        .ready = Some(false);
    assert_eq!(run([&made; 2], [&right, &unready], false).0, 1);
    assert_eq!(run([&made; 2], [&right, &[]], false).0, 1);
    assert_eq!(run([&made; 2], [&[], &right], false).0, 1);
    let twice = [right.clone(), right.clone()].concat();
    assert!(run([&made; 2], [&right, &twice], false).0 > 0);
}

#[test]
fn where_endpoints_differ_each_side_is_to_mirror_its_own() {
    let other =
        endpoints(&json!([{"addresses": [{"ip": "10.0.0.2"}], "ports": [{"port": 80, "protocol": "TCP"}]}]));
    let found = run([&plain(), &other], [&slices(&plain()), &slices(&other)], false);
    assert_eq!(found, (0, vec!["left-behind"]));
    assert!(run([&plain(), &other], [&slices(&plain()), &slices(&plain())], false).0 > 0);
}

#[test]
fn a_missing_owner_and_what_recycling_mixes_up_are_forgiven_to_kube_controller_manager_only() {
    let made = plain();
    let mut unowned = slices(&made);
    unowned[0].metadata.owner_references = None;
    assert_eq!(
        run([&made; 2], [&unowned, &slices(&made)], false),
        (0, vec!["unowned-mirror"])
    );
    assert_eq!(run([&made; 2], [&slices(&made), &unowned], false).0, 1);
    assert_eq!(
        run([&made; 2], [&[], &slices(&made)], true),
        (0, vec!["mirror-recycling"])
    );
    assert_eq!(run([&made; 2], [&slices(&made), &[]], true).0, 1);
}

#[test]
fn of_subsets_that_stay_apart_any_addresses_may_be_in_the_slice_and_no_others() {
    let of = |ips: &[&str], port: Value| {
        let addresses: Vec<Value> = ips.iter().map(|ip| json!({"ip": ip})).collect();
        json!({"addresses": addresses, "ports": [port]})
    };
    let http = || json!({"port": 80, "protocol": "TCP", "appProtocol": "http"});
    let subset = |ips: &[&str]| of(ips, http());
    let made = endpoints(&json!([
        subset(&["10.0.0.1", "10.0.0.2"]),
        subset(&["10.0.0.3", "10.0.0.4"])
    ]));
    let with = |ips: &[&str]| {
        let mut slices = slices(&made);
        for (endpoint, ip) in slices[0].endpoints.iter_mut().flatten().zip(ips) {
            endpoint.addresses = vec![(*ip).to_owned()];
        }
        slices
    };
    let wanted = slices(&made);
    let compared = |left: &[EndpointSlice]| run([&made; 2], [left, &wanted], false);
    let others = with(&["10.0.0.3", "10.0.0.2"]);
    assert_eq!(compared(&others), (0, vec!["application-protocol"]));
    assert!(compared(&with(&["10.0.0.9", "10.0.0.2"])).0 > 0);
    assert!(compared(&[]).0 > 0, "the slice is missing");
    let mut unlabelled = others.clone();
    unlabelled[0].metadata.annotations = Some([("a".to_owned(), "b".to_owned())].into());
    assert!(compared(&unlabelled).0 > 0);
    assert_eq!(
        run([&made; 2], [&wanted, &others], false),
        (0, vec!["application-protocol"])
    );
    let mut fewer = others.clone();
    fewer[0].endpoints.as_mut().unwrap().pop();
    assert!(
        run([&made; 2], [&wanted, &fewer], false).0 > 0,
        "quaymaster mirrors as many as there is room for"
    );
    // What does not stay apart, or differs in more than its number, is no choice either.
    for other in [
        json!({"port": 80, "protocol": "UDP", "appProtocol": "http"}),
        json!({"port": 80, "protocol": "TCP"}),
    ] {
        let made = endpoints(&json!([of(&["10.0.0.1"], http()), of(&["10.0.0.3"], other)]));
        let mut wrong = slices(&made);
        wrong[0].endpoints.as_mut().unwrap()[0].addresses = vec!["10.0.0.9".to_owned()];
        assert!(run([&made; 2], [&wrong, &slices(&made)], false).0 > 0, "{made:?}");
    }
}
