//! What must hold of Endpoints, mirrored slices and ServiceCIDRs at each revision.

use super::*;

const FAMILY: [&str; 4] = [
    "endpointslice-controller",
    "endpoints-controller",
    "endpointslice-mirroring-controller",
    "service-cidr-controller",
];

fn run_family(events: &[Event], edits: &Edits) -> Vec<String> {
    let trace = run_with(&FAMILY, events, edits, &[hold(Holder::Subject, 0)]);
    trace.violations.into_iter().map(|(_, what)| what).collect()
}

fn at(seconds: u64, event: Event) -> Event {
    Event {
        at: Duration::from_secs(seconds),
        ..event
    }
}

fn gone(event: Event) -> Event {
    Event {
        deleted: true,
        ..event
    }
}

fn service(selector: &Value) -> Object {
    Object::Service(parse(json!({
        "metadata": { "namespace": "s1-ns-0", "name": "web", "uid": "s" },
        "spec": { "type": "ClusterIP", "clusterIP": "None", "ipFamilies": ["IPv4"], "selector": selector },
    })))
}

fn ready_pod() -> Object {
    published().swap_remove(2).object
}

fn endpoints(ips: &[&str], annotations: &Value) -> Object {
    let addresses: Vec<Value> = ips
        .iter()
        .map(|ip| {
            let target = json!({ "kind": "Pod", "namespace": "s1-ns-0", "name": "pod", "uid": "p" });
            json!({ "ip": ip, "targetRef": target })
        })
        .collect();
    let subsets = if ips.is_empty() {
        json!([])
    } else {
        json!([{ "addresses": addresses }])
    };
    Object::Endpoints(parse(json!({
        "metadata": { "namespace": "s1-ns-0", "name": "web", "uid": "e", "annotations": annotations },
        "subsets": subsets,
    })))
}

/// A Service with one ready Pod that Endpoints publish.
fn published_by_endpoints() -> Vec<Event> {
    vec![
        event(1, service(&json!({ "app": "web" }))),
        event(2, ready_pod()),
        event(3, endpoints(&["10.0.0.1"], &json!({}))),
    ]
}

#[test]
fn a_ready_address_that_goes_from_endpoints_is_reported() {
    let mut events = published_by_endpoints();
    assert_eq!(run_family(&events, &Edits::default()), [""; 0]);
    events.push(event(4, endpoints(&[], &json!({}))));
    let found = run_family(&events, &Edits::default());
    assert!(found.len() == 1 && found[0].contains("10.0.0.1"), "{found:?}");
    let edits = Edits {
        revisions: [4].into(),
        ..Edits::default()
    };
    assert_eq!(run_family(&events, &edits), [""; 0], "a step took it");
}

#[test]
fn endpoints_written_without_a_change_or_without_the_annotations_of_others_are_reported() {
    let mut events = published_by_endpoints();
    events.push(event(
        4,
        endpoints(&["10.0.0.1"], &json!({ "edits.example.com/note": "1" })),
    ));
    events.push(event(
        5,
        endpoints(&["10.0.0.1"], &json!({ "edits.example.com/note": "1" })),
    ));
    events.push(event(6, endpoints(&["10.0.0.1"], &json!({}))));
    let edits = Edits {
        revisions: [4].into(),
        ..Edits::default()
    };
    let found = run_family(&events, &edits);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("nothing of them changed"), "{found:?}");
    assert!(
        found[1].contains("without the annotations of others"),
        "{found:?}"
    );
}

#[test]
fn endpoints_are_nobodys_business_ten_seconds_after_their_selector_went() {
    let mut events = published_by_endpoints();
    events.push(event(4, service(&Value::Null)));
    let late = |seconds| {
        let mut events = events.clone();
        let more = endpoints(&["10.0.0.1", "10.0.0.2"], &json!({}));
        events.push(at(seconds, event(5, more)));
        run_family(&events, &Edits::default())
    };
    assert_eq!(late(13), [""; 0]);
    let found = late(15);
    assert!(found.len() == 1 && found[0].contains("nobody keeps"), "{found:?}");
}

#[test]
fn endpoints_do_not_go_as_their_selector_goes_however_soon() {
    let mut events = published_by_endpoints();
    events.push(at(20, event(4, service(&Value::Null))));
    let with = |last: Event| {
        let mut events = events.clone();
        events.push(at(21, last));
        run_family(&events, &Edits::default())
    };
    let emptied = with(event(5, endpoints(&[], &json!({}))));
    assert!(
        emptied.len() == 1 && emptied[0].contains("10.0.0.1 (pod) is missing"),
        "{emptied:?}"
    );
    let deleted = with(gone(event(5, endpoints(&["10.0.0.1"], &json!({})))));
    assert!(
        deleted
            .iter()
            .any(|what| what.contains("although their Service is there")),
        "{deleted:?}"
    );
}

#[test]
fn endpoints_of_a_service_that_is_there_may_not_be_deleted() {
    let mut events = published_by_endpoints();
    events.push(at(20, gone(event(4, endpoints(&["10.0.0.1"], &json!({}))))));
    let found = run_family(&events, &Edits::default());
    assert!(
        found
            .iter()
            .any(|what| what.contains("although their Service is there")),
        "{found:?}"
    );
    let mut events = published_by_endpoints();
    events.push(at(20, gone(event(4, service(&json!({ "app": "web" }))))));
    events.push(at(40, gone(event(5, endpoints(&["10.0.0.1"], &json!({}))))));
    assert_eq!(run_family(&events, &Edits::default()), [""; 0]);
}

/// A Service without selector, hand-made Endpoints, and the slice that mirrors them.
fn mirrored() -> (Vec<Event>, Edits) {
    let events = vec![
        event(1, service(&Value::Null)),
        event(2, endpoints(&["10.0.0.1"], &json!({}))),
        event(
            3,
            slice(quaymaster_oracle::names::MIRRORING_CONTROLLER, &["10.0.0.1"]),
        ),
    ];
    let edits = Edits {
        revisions: [2].into(),
        ..Edits::default()
    };
    (events, edits)
}

#[test]
fn a_ready_address_that_goes_from_the_mirror_is_reported() {
    let (mut events, edits) = mirrored();
    assert_eq!(run_family(&events, &edits), [""; 0]);
    events.push(event(
        4,
        slice(quaymaster_oracle::names::MIRRORING_CONTROLLER, &[]),
    ));
    let found = run_family(&events, &edits);
    assert!(
        found.len() == 1 && found[0].contains("mirror of s1-ns-0/web"),
        "{found:?}"
    );
}

#[test]
fn a_mirror_that_goes_with_the_endpoints_it_was_made_for_is_the_garbage_collectors_and_a_later_one_is_not() {
    let of = |uid: &str, ips: &[&str]| {
        let Object::Endpoints(mut endpoints) = endpoints(ips, &json!({})) else {
            panic!("these are Endpoints");
        };
        endpoints.metadata.uid = Some(uid.to_owned());
        Object::Endpoints(endpoints)
    };
    let owned = |uid: &str, ips: &[&str]| {
        let Object::EndpointSlice(mut slice) = slice(quaymaster_oracle::names::MIRRORING_CONTROLLER, ips)
        else {
            panic!("this is a slice");
        };
        let owner = json!([{ "apiVersion": "v1", "kind": "Endpoints", "name": "web", "uid": uid }]);
        slice.metadata.owner_references = Some(*parse(owner));
        Object::EndpointSlice(slice)
    };
    let deleted = |first: &str, after: u64| {
        let events = [
            event(1, service(&Value::Null)),
            event(2, of("old", &["10.0.0.1"])),
            event(3, owned(first, &["10.0.0.1"])),
            at(20, gone(event(4, of("old", &["10.0.0.1"])))),
            at(20, event(5, of("new", &["10.0.0.1", "10.0.0.2"]))),
            at(20, event(6, owned("new", &["10.0.0.1", "10.0.0.2"]))),
            at(
                20 + after,
                gone(event(7, owned("new", &["10.0.0.1", "10.0.0.2"]))),
            ),
        ];
        let edits = Edits {
            revisions: [2, 4, 5].into(),
            ..Edits::default()
        };
        run_family(&events, &edits)
    };
    assert_eq!(deleted("old", 1), [""; 0]);
    assert!(!deleted("old", 15).is_empty(), "so late it is somebody else");
    assert!(!deleted("new", 1).is_empty(), "it has no former owner");
}

#[test]
fn a_mirror_of_what_is_not_mirrored_and_one_that_says_the_same_are_reported() {
    let (mut events, edits) = mirrored();
    events.push(event(4, events[2].object.clone()));
    let found = run_family(&events, &edits);
    assert!(
        found.len() == 1 && found[0].contains("nothing of it changed"),
        "{found:?}"
    );
    let (mut events, edits) = mirrored();
    events.push(event(4, service(&json!({ "app": "db" }))));
    let labelled = |events: &mut Vec<Event>, seconds| {
        let Object::EndpointSlice(mut slice) = events[2].object.clone() else {
            panic!("the third event is of the slice");
        };
        slice
            .metadata
            .labels
            .get_or_insert_default()
            .insert("a".to_owned(), "b".to_owned());
        events.push(at(seconds, event(5, Object::EndpointSlice(slice))));
    };
    labelled(&mut events, 20);
    let found = run_family(&events, &edits);
    assert!(
        found
            .iter()
            .any(|what| what.contains("nothing is to be mirrored")),
        "{found:?}"
    );
}

fn cidr(name: &str, deleted: bool) -> Object {
    let mut cidr = json!({
        "metadata": { "name": name, "uid": name, "finalizers": ["networking.k8s.io/service-cidr-finalizer"] },
        "spec": { "cidrs": ["172.16.0.0/24"] },
    });
    if deleted {
        cidr["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    }
    Object::ServiceCIDR(parse(cidr))
}

#[test]
fn a_service_cidr_that_goes_early_or_leaves_an_address_behind_is_reported() {
    let edits = Edits {
        revisions: [1, 2, 4].into(),
        deleted: ["s1-a".to_owned()].into(),
    };
    let address = Object::IPAddress(parse(json!({
        "metadata": {
            "name": "172.16.0.7", "labels": { "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io" },
        },
        "spec": { "parentRef": { "resource": "services", "name": "web" } },
    })));
    let run = |twin: bool, address: Option<Object>, seconds: u64| {
        let mut events = vec![event(1, cidr("s1-a", false))];
        events.extend(twin.then(|| event(2, cidr("s1-b", false))));
        events.extend(address.map(|address| event(3, address)));
        events.push(event(4, cidr("s1-a", true)));
        events.push(at(seconds, gone(event(5, cidr("s1-a", true)))));
        run_family(&events, &edits)
    };
    assert_eq!(run(false, None, 14), [""; 0]);
    let found = run(false, None, 12);
    assert!(
        found.len() == 1 && found[0].contains("before its grace"),
        "{found:?}"
    );
    let found = run(false, Some(address.clone()), 14);
    assert!(found.len() == 1 && found[0].contains("172.16.0.7"), "{found:?}");
    assert_eq!(
        run(true, Some(address), 14),
        [""; 0],
        "another one holds the address"
    );
}
