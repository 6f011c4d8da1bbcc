mod family;

use k8s_openapi::jiff::Timestamp;
use quaymaster_oracle::names::SLICE_CONTROLLER;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;

#[expect(clippy::unnecessary_box_returns, reason = "as the variants hold it")]
fn parse<T: DeserializeOwned>(value: Value) -> Box<T> {
    Box::new(serde_json::from_value(value).unwrap())
}

fn event(revision: u64, object: Object) -> Event {
    Event {
        revision,
        at: Duration::from_secs(revision),
        deleted: false,
        object,
    }
}

fn slice(manager: &str, endpoints: &[&str]) -> Object {
    let endpoints: Vec<Value> = endpoints
        .iter()
        .map(|address| {
            json!({
                "addresses": [address], "conditions": { "ready": true },
                "targetRef": { "kind": "Pod", "namespace": "s1-ns-0", "name": "pod", "uid": "p" },
            })
        })
        .collect();
    Object::EndpointSlice(parse(json!({
        "metadata": {
            "namespace": "s1-ns-0", "name": "web-abc", "uid": "slice",
            "labels": { SERVICE_NAME: "web", SLICE_MANAGED_BY: manager },
        },
        "addressType": "IPv4", "endpoints": endpoints, "ports": [],
    })))
}

/// A Service with one ready Pod that a slice publishes.
fn published() -> Vec<Event> {
    let node = json!({ "metadata": { "name": "s1-node-1" } });
    let service = json!({
        "metadata": { "namespace": "s1-ns-0", "name": "web", "uid": "s" },
        "spec": { "type": "ClusterIP", "clusterIP": "None", "ipFamilies": ["IPv4"], "selector": { "app": "web" } },
    });
    let pod = json!({
        "metadata": { "namespace": "s1-ns-0", "name": "pod", "uid": "p", "labels": { "app": "web" } },
        "spec": { "containers": [], "nodeName": "s1-node-1" },
        "status": {
            "phase": "Running", "podIP": "10.0.0.1", "podIPs": [{ "ip": "10.0.0.1" }],
            "conditions": [{ "type": "Ready", "status": "True" }],
        },
    });
    vec![
        event(1, Object::Node(parse(node))),
        event(2, Object::Service(parse(service))),
        event(3, Object::Pod(parse(pod))),
        event(4, slice(SLICE_CONTROLLER, &["10.0.0.1"])),
    ]
}

/// From this revision and second on, to the next one.
fn hold(holder: Holder, after: u64) -> Hold {
    Hold {
        holder,
        after,
        from: Duration::from_secs(after),
        until: None,
        started: Timestamp::UNIX_EPOCH,
        ended: None,
    }
}

/// Replays under these controllers, of which slices and mirrored subsets have at most three endpoints.
fn run_with(names: &[&str], events: &[Event], edits: &Edits, holds: &[Hold]) -> Trace {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let given = Given {
        edits,
        holds,
        controllers: &Controllers::named(&names).unwrap(),
        max_endpoints: 3,
        max_mirrored: 3,
        minor: 37,
    };
    replay(events, given)
}

fn run(events: &[Event], edits: &Edits, holds: &[Hold]) -> Trace {
    run_with(&["endpointslice-controller"], events, edits, holds)
}

/// What does not hold while quaymaster keeps the slices.
fn violations(events: &[Event], edits: &Edits) -> Vec<String> {
    let trace = run(events, edits, &[hold(Holder::Subject, 0)]);
    let violations = trace.violations.into_iter();
    violations
        .map(|(holder, what)| {
            assert_eq!(holder, Holder::Subject);
            what
        })
        .collect()
}

#[test]
fn a_ready_endpoint_that_goes_for_one_revision_is_reported_once() {
    let mut events = published();
    assert_eq!(violations(&events, &Edits::default()), Vec::<String>::new());
    events.push(event(5, slice(SLICE_CONTROLLER, &[])));
    events.push(event(6, slice(SLICE_CONTROLLER, &["10.0.0.1"])));
    let found = violations(&events, &Edits::default());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("revision 5") && found[0].contains("10.0.0.1"),
        "{found:?}"
    );
}

#[test]
fn what_a_step_takes_out_of_a_slice_is_not_the_controllers_doing() {
    let mut events = published();
    events.push(event(5, slice(SLICE_CONTROLLER, &[])));
    let edits = Edits {
        revisions: [5].into(),
        ..Edits::default()
    };
    assert_eq!(violations(&events, &edits), Vec::<String>::new());
}

#[test]
fn a_slice_over_the_maximum_and_one_of_another_manager_are_reported() {
    let mut events = published();
    let addresses = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"];
    events.push(event(5, slice(SLICE_CONTROLLER, &addresses)));
    let found = violations(&events, &Edits::default());
    assert!(
        found.iter().any(|what| what.contains("4 endpoints, more than 3")),
        "{found:?}"
    );
    let foreign = vec![event(1, slice("other.example.com", &[]))];
    assert_eq!(violations(&foreign, &Edits::default()).len(), 1);
}

/// The Pod of [`published`] in another condition.
fn pod(events: &[Event], ready: bool) -> Object {
    let Object::Pod(pod) = &events[2].object else {
        panic!("the third event is of the Pod");
    };
    let mut pod = pod.clone();
    let conditions = pod.status.as_mut().unwrap().conditions.as_mut().unwrap();
    if ready { "True" } else { "False" }.clone_into(&mut conditions[0].status);
    Object::Pod(pod)
}

#[test]
fn a_late_write_for_a_pod_that_was_not_ready_in_between_is_no_violation_and_a_later_one_is() {
    let mut events = published();
    events.push(event(5, pod(&events, false)));
    events.push(event(6, pod(&events, true)));
    events.push(event(7, slice(SLICE_CONTROLLER, &[])));
    assert_eq!(violations(&events, &Edits::default()), Vec::<String>::new());
    events.push(event(8, slice(SLICE_CONTROLLER, &["10.0.0.1"])));
    events.push(event(9, slice(SLICE_CONTROLLER, &[])));
    let found = violations(&events, &Edits::default());
    assert!(found.len() == 1 && found[0].contains("revision 9"), "{found:?}");
}

fn node(name: &str, labels: &Value) -> Object {
    Object::Node(parse(json!({ "metadata": { "name": name, "labels": labels } })))
}

#[test]
fn a_node_that_changes_or_is_of_no_concern_excuses_nothing() {
    for other in [
        node("s1-node-1", &json!({ "topology.kubernetes.io/zone": "b" })),
        node("s1-node-9", &json!({})),
    ] {
        let mut events = published();
        events.push(event(5, other));
        events.push(event(6, slice(SLICE_CONTROLLER, &[])));
        assert_eq!(violations(&events, &Edits::default()).len(), 1);
    }
}

#[test]
fn a_pod_whose_node_is_missing_may_go_and_a_late_write_of_that_may_come_after_the_node() {
    let gone = || Event {
        deleted: true,
        ..event(5, node("s1-node-1", &json!({})))
    };
    let mut events = published();
    events.extend([gone(), event(6, slice(SLICE_CONTROLLER, &[]))]);
    assert_eq!(violations(&events, &Edits::default()), [""; 0]);
    let mut events = published();
    events.extend([
        gone(),
        event(6, node("s1-node-1", &json!({}))),
        event(7, slice(SLICE_CONTROLLER, &[])),
    ]);
    assert_eq!(violations(&events, &Edits::default()), [""; 0]);
}

#[test]
fn an_endpoint_that_stays_published_as_ready_long_after_its_pod_is_not_is_reported_once() {
    let mut events = published();
    events.push(event(5, pod(&events, false)));
    let soon = event(
        60,
        Object::Pod(parse(
            json!({ "metadata": { "namespace": "s1-ns-0", "name": "other" } }),
        )),
    );
    events.push(soon);
    assert_eq!(violations(&events, &Edits::default()), [""; 0]);
    events.push(event(66, pod(&events, false)));
    events.push(event(90, pod(&events, false)));
    let found = violations(&events, &Edits::default());
    assert!(found.len() == 1 && found[0].contains("revision 66"), "{found:?}");
}

#[test]
fn a_write_of_what_is_there_already_is_reported() {
    let mut events = published();
    events.push(event(5, slice(SLICE_CONTROLLER, &["10.0.0.1"])));
    let found = violations(&events, &Edits::default());
    assert!(
        found.len() == 1 && found[0].contains("nothing of it changed"),
        "{found:?}"
    );
}

#[test]
fn what_does_not_hold_is_told_of_who_kept_the_slices_then() {
    let mut events = published();
    events.push(event(5, slice(SLICE_CONTROLLER, &[])));
    let holds = [
        hold(Holder::Subject, 0),
        hold(Holder::Kcm, 3),
        hold(Holder::Subject, 5),
    ];
    let trace = run(&events, &Edits::default(), &holds);
    assert_eq!(trace.violations[0].0, Holder::Kcm);
    assert_eq!(trace.updates, [1, 0]);
}

#[test]
fn while_nobody_keeps_the_slices_nobody_is_late() {
    let mut events = published();
    events.push(event(5, pod(&events, false)));
    events.push(event(100, pod(&events, false)));
    let ended = |at| Hold {
        until: Some(Duration::from_secs(at)),
        ..hold(Holder::Subject, 0)
    };
    let late = |holds: &[Hold]| run(&events, &Edits::default(), holds).violations.len();
    assert_eq!(late(&[ended(7), hold(Holder::Subject, 42)]), 0);
    assert_eq!(late(&[ended(7), hold(Holder::Subject, 37)]), 1, "61 s of work");
    assert_eq!(late(&[ended(7), hold(Holder::Kcm, 42)]), 0);
}

#[test]
fn what_is_published_when_a_controller_has_come_to_rest_stays_for_too_long() {
    let mut events = published();
    events.push(event(5, pod(&events, false)));
    events.push(event(12, pod(&events, false)));
    let ended = |at| Hold {
        until: Some(Duration::from_secs(at)),
        ..hold(Holder::Subject, 0)
    };
    let late = |holds: &[Hold]| run(&events, &Edits::default(), holds).violations.len();
    assert_eq!(late(&[ended(7), hold(Holder::Subject, 10)]), 0, "no time to rest");
    assert_eq!(late(&[ended(8), hold(Holder::Subject, 10)]), 1);
    assert_eq!(late(&[hold(Holder::Subject, 0)]), 0, "it is at work");
}

#[test]
fn what_a_controller_leaves_published_as_it_ends_is_its_doing_whoever_puts_it_right() {
    let mut events = published();
    events.push(event(5, pod(&events, false)));
    let ended = |at| Hold {
        until: Some(Duration::from_secs(at)),
        ..hold(Holder::Subject, 0)
    };
    let last = run(&events, &Edits::default(), &[ended(8)]).violations;
    assert!(last.len() == 1 && last[0].0 == Holder::Subject, "{last:?}");
    events.push(event(12, slice(SLICE_CONTROLLER, &[])));
    let holds = [ended(8), hold(Holder::Kcm, 10)];
    let put_right = run(&events, &Edits::default(), &holds).violations;
    assert_eq!(put_right, last);
    let holds = [ended(7), hold(Holder::Kcm, 10)];
    let no_time = run(&events, &Edits::default(), &holds).violations;
    assert!(no_time.is_empty(), "{no_time:?}");
}

#[test]
fn slices_of_a_service_that_nobody_looks_after_are_not_written() {
    let written_at = |at: u64| {
        let mut events = published();
        let Object::Service(service) = &events[1].object else {
            panic!("the second event is of the Service");
        };
        let mut external = service.clone();
        external.spec.as_mut().unwrap().type_ = Some("ExternalName".to_owned());
        events.push(event(5, Object::Service(external)));
        events.push(event(at, slice(SLICE_CONTROLLER, &["10.0.0.1", "10.0.0.2"])));
        violations(&events, &Edits::default()).len()
    };
    assert_eq!(written_at(15), 0, "decided before");
    assert_eq!(written_at(16), 1);
}

#[test]
fn slices_of_a_service_that_nobody_looks_after_are_deleted_for_want_of_their_owner_alone() {
    let deleted = |owner: &str| {
        let mut events = published();
        let Object::Service(service) = &events[1].object else {
            panic!("the second event is of the Service");
        };
        let mut external = service.clone();
        external.spec.as_mut().unwrap().type_ = Some("ExternalName".to_owned());
        let mut slice = slice(SLICE_CONTROLLER, &["10.0.0.1"]);
        let owner = json!([{ "apiVersion": "v1", "kind": "Service", "name": "web", "uid": owner }]);
        slice.metadata_mut().owner_references = Some(*parse(owner));
        events[3].object = slice.clone();
        events.push(event(5, Object::Service(external)));
        let gone = Event {
            deleted: true,
            ..event(16, slice)
        };
        events.push(gone);
        let found = violations(&events, &Edits::default());
        found.iter().any(|what| what.contains("nobody looks after"))
    };
    assert!(deleted("s"));
    assert!(!deleted("an earlier one"));
}

#[test]
fn slices_are_not_written_long_after_their_service_has_gone() {
    let written_at = |at: u64| {
        let mut events = published();
        let gone = Event {
            deleted: true,
            ..event(5, events[1].object.clone())
        };
        events.push(gone);
        events.push(event(at, slice(SLICE_CONTROLLER, &["10.0.0.1", "10.0.0.2"])));
        violations(&events, &Edits::default()).len()
    };
    assert_eq!(written_at(15), 0, "decided before");
    assert_eq!(written_at(16), 1);
}

#[test]
fn another_type_of_a_service_that_is_looked_after_frees_no_controller() {
    let mut events = published();
    let Object::Service(service) = &events[1].object else {
        panic!("the second event is of the Service");
    };
    let mut service = service.clone();
    service.spec.as_mut().unwrap().type_ = Some("NodePort".to_owned());
    events.push(event(5, Object::Service(service)));
    events.push(event(6, slice(SLICE_CONTROLLER, &[])));
    assert_eq!(violations(&events, &Edits::default()).len(), 1);
}

#[test]
fn a_slice_that_is_written_after_someone_else_has_changed_it_counts_as_put_right() {
    let put_right = |edited: &[u64]| {
        let mut events = published();
        events.push(event(5, slice(SLICE_CONTROLLER, &[])));
        events.push(event(6, slice(SLICE_CONTROLLER, &["10.0.0.1"])));
        events.push(event(7, slice(SLICE_CONTROLLER, &["10.0.0.1", "10.0.0.2"])));
        let edits = Edits {
            revisions: edited.iter().copied().collect(),
            ..Edits::default()
        };
        let trace = run(&events, &edits, &[hold(Holder::Subject, 0)]);
        trace.coverage[Holder::Subject.side()].of(Rule::PutRight)
    };
    assert_eq!(put_right(&[]), 0);
    assert_eq!(put_right(&[5]), 1);
    assert_eq!(put_right(&[7]), 0, "nothing was written since");
}

#[test]
fn endpoints_without_a_slice_count_when_a_service_that_was_being_deleted_goes() {
    let skipped = |terminating: bool, addresses: &[&str]| {
        let mut events = published();
        events.push(event(5, slice(SLICE_CONTROLLER, addresses)));
        let Object::Service(service) = &events[1].object else {
            panic!("the second event is of the Service");
        };
        let mut service = service.clone();
        if terminating {
            service.metadata.deletion_timestamp =
                serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
        }
        events.push(event(6, Object::Service(service.clone())));
        events.push(Event {
            deleted: true,
            ..event(7, Object::Service(service))
        });
        let trace = run(&events, &Edits::default(), &[hold(Holder::Subject, 0)]);
        trace.coverage[Holder::Subject.side()].of(Rule::CreateSkipped)
    };
    assert_eq!(skipped(true, &[]), 1);
    assert_eq!(skipped(true, &["10.0.0.1"]), 0);
    assert_eq!(skipped(false, &[]), 0);
}

#[test]
fn an_edit_that_leaves_an_endpoint_alone_does_not_free_the_controller_of_it() {
    let mut events = published();
    events.push(event(5, slice(SLICE_CONTROLLER, &["10.0.0.1", "10.0.0.9"])));
    events.push(event(6, slice(SLICE_CONTROLLER, &[])));
    let edits = Edits {
        revisions: [5].into(),
        ..Edits::default()
    };
    assert_eq!(violations(&events, &edits).len(), 1);
}

/// The slice of [`published`] with this port.
fn with_port(endpoints: &[&str], number: i32) -> Object {
    let Object::EndpointSlice(mut slice) = slice(SLICE_CONTROLLER, endpoints) else {
        panic!("it is a slice");
    };
    slice.ports = serde_json::from_value(json!([{ "name": "", "port": number }])).unwrap();
    Object::EndpointSlice(slice)
}

#[test]
fn an_endpoint_under_other_ports_than_its_own_is_missing_and_so_is_one_of_a_service_that_is_being_deleted() {
    let deleted = |events: &[Event]| {
        let Object::Service(service) = &events[1].object else {
            panic!("the second event is of the Service");
        };
        let mut service = service.clone();
        service.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
        Object::Service(service)
    };
    for terminating in [false, true] {
        let mut events = published();
        if terminating {
            events.push(event(5, deleted(&events)));
        }
        let mut moved = events.clone();
        moved.push(event(6, with_port(&["10.0.0.1"], 1)));
        let found = violations(&moved, &Edits::default());
        assert!(
            found.len() == 1 && found[0].contains("with ports"),
            "{terminating}: {found:?}"
        );
        events.push(event(6, slice(SLICE_CONTROLLER, &[])));
        assert_eq!(violations(&events, &Edits::default()).len(), 1, "{terminating}");
    }
}
