use serde_json::{Value, json};

use super::*;
use crate::kept::{ENDPOINTS, SLICES};

fn named(names: &[&str]) -> Controllers {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    Controllers::named(&names).unwrap()
}

fn quaymaster() -> Subject {
    Subject::Quaymaster {
        binary: "/bin/quaymaster".into(),
        environment: Vec::new(),
    }
}

/// What is wrong with writes of a quaymaster with three controllers.
fn violations(writes: &[Entry], seen: usize) -> Vec<String> {
    let controllers = named(&[
        "endpointslice-controller",
        "endpoints-controller",
        "service-cidr-controller",
    ]);
    super::violations(writes, seen, &quaymaster(), &controllers)
}

fn entry(verb: &str, resource: &str, code: u16) -> Entry {
    let entry = json!({
        "auditID": "1", "requestURI": "/apis", "stage": "ResponseComplete", "verb": verb, "userAgent": "quaymaster/0.1.0 (linux/x86_64)",
        "objectRef": { "resource": resource, "namespace": "ns", "name": "web" },
        "responseStatus": { "code": code },
    });
    serde_json::from_value(entry).unwrap()
}

#[test]
fn slices_events_leases_and_questions_about_permissions_may_be_written_and_nothing_else() {
    let own = ["events", "leases", "selfsubjectaccessreviews", SLICES];
    let own = own.map(|resource| entry("create", resource, 201));
    assert_eq!(violations(&own, 0), [""; 0]);
    for foreign in [
        entry("patch", "pods", 200),
        entry("update", "services", 409),
        entry("delete", "leases", 200),
        entry("deletecollection", SLICES, 200),
    ] {
        let found = violations(std::slice::from_ref(&foreign), 0);
        assert_eq!(found.len(), 1, "{}: {found:?}", foreign.verb);
    }
}

#[test]
fn an_update_that_leaves_no_revision_changed_nothing_and_one_that_is_not_in_the_audit_log_is_of_nobody() {
    let writes = [
        entry("update", SLICES, 200),
        entry("update", SLICES, 200),
        entry("update", SLICES, 409),
    ];
    assert_eq!(violations(&writes, 2), [""; 0]);
    assert_eq!(violations(&writes, 1), ["1 updates changed nothing"]);
    let unknown =
        "3 updates of what it keeps were seen and 2 are in the audit log, so who made them is not known";
    assert_eq!(violations(&writes, 3), [unknown]);
}

#[test]
fn what_only_other_controllers_keep_may_not_be_written() {
    let writes = [entry("update", ENDPOINTS, 200), entry("patch", CIDRS, 200)];
    assert_eq!(violations(&writes, 1), [""; 0]);
    let alone = named(&["endpointslice-controller"]);
    assert_eq!(super::violations(&writes, 0, &quaymaster(), &alone).len(), 2);
}

#[test]
fn a_patch_of_a_service_cidr_that_is_answered_with_a_known_version_changed_nothing() {
    let patch = |version: &str| {
        let mut patch = entry("patch", CIDRS, 200);
        patch.response_object = Some(json!({ "metadata": { "name": "web", "resourceVersion": version } }));
        patch
    };
    assert_eq!(violations(&[patch("1"), patch("2")], 0), [""; 0]);
    assert_eq!(
        violations(&[patch("1"), patch("1")], 0),
        ["1 updates changed nothing"]
    );
    let mut held = patch("1");
    let metadata = |held: &mut Entry, key: &str, value: Value| {
        held.response_object.as_mut().unwrap()["metadata"][key] = value;
    };
    metadata(&mut held, "deletionTimestamp", json!("2026-01-01T00:00:00Z"));
    metadata(&mut held, "finalizers", json!(["a"]));
    let last = |held: &Entry| violations(&[patch("1"), held.clone()], 0);
    assert_eq!(last(&held), ["1 updates changed nothing"]);
    metadata(&mut held, "finalizers", Value::Null);
    assert_eq!(last(&held), [""; 0], "the object went by it");
}

#[test]
fn a_write_is_told_of_a_controller_that_does_not_hold_then() {
    let time = |second: u8| -> Timestamp { format!("2026-01-01T00:00:{second:02}Z").parse().unwrap() };
    let hold = |holder, started, ended: Option<u8>| Hold {
        holder,
        after: 0,
        from: Duration::ZERO,
        until: None,
        started: time(started),
        ended: ended.map(time),
    };
    // Nobody holds from 20 to 30.
    let holds = [
        hold(Holder::Subject, 10, Some(20)),
        hold(Holder::Kcm, 30, Some(40)),
        hold(Holder::Subject, 50, None),
    ];
    let kcm = "kube-controller-manager/v1.37.1 (linux/amd64) kubernetes/1/endpointslice-controller";
    let told = |user_agent: &str, second: u8, resource: &str| {
        let mut write = entry("update", resource, 200);
        write.user_agent = user_agent.to_owned();
        write.request_received_timestamp = time(second).to_string();
        outside_of_holds(&[write], &holds, &quaymaster()).len()
    };
    let quaymaster = "quaymaster/0.1.0 (linux/x86_64)";
    for (user_agent, inside) in [(quaymaster, [10, 15, 20, 21, 59]), (kcm, [30, 35, 39, 40, 41])] {
        assert_eq!(inside.map(|second| told(user_agent, second, SLICES)), [0; 5]);
    }
    for (user_agent, outside) in [(quaymaster, [9, 22, 29, 35, 49]), (kcm, [9, 15, 29, 42, 55])] {
        assert_eq!(outside.map(|second| told(user_agent, second, SLICES)), [1; 5]);
        assert_eq!(told(user_agent, outside[0], "endpoints"), 1);
        assert_eq!(told(user_agent, outside[0], "events"), 0);
    }
}

#[test]
fn a_writer_that_is_refused_again_and_again_is_told() {
    let writes = |refused: usize, all: usize| -> Vec<Entry> {
        let code = |number| if number < refused { 409 } else { 201 };
        (0..all)
            .map(|number| entry("create", SLICES, code(number)))
            .collect()
    };
    assert_eq!(violations(&writes(10, 10), 0), [""; 0], "a few prove nothing");
    assert_eq!(violations(&writes(20, 400), 0), [""; 0]);
    assert_eq!(
        violations(&writes(21, 400), 0),
        ["21 of 400 writes of what it keeps were refused"]
    );
}
