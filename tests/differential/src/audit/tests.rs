use serde_json::json;

const SLICES: &str = "endpointslices";

fn named(names: &[&str]) -> Controllers {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    Controllers::named(&names).unwrap()
}

fn all() -> Controllers {
    named(&[
        "endpointslice-controller",
        "endpoints-controller",
        "service-cidr-controller",
    ])
}

use super::*;

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
    assert_eq!(violations(&own, 0, &all()), [""; 0]);
    for foreign in [
        entry("patch", "pods", 200),
        entry("update", "services", 409),
        entry("delete", "leases", 200),
        entry("deletecollection", SLICES, 200),
    ] {
        let found = violations(std::slice::from_ref(&foreign), 0, &all());
        assert_eq!(found.len(), 1, "{}: {found:?}", foreign.verb);
    }
}

#[test]
fn an_update_that_leaves_no_revision_changed_nothing() {
    let writes = [
        entry("update", SLICES, 200),
        entry("update", SLICES, 200),
        entry("update", SLICES, 409),
    ];
    assert_eq!(violations(&writes, 2, &all()), [""; 0]);
    assert_eq!(violations(&writes, 1, &all()), ["1 updates changed nothing"]);
}

#[test]
fn what_only_other_controllers_keep_may_not_be_written() {
    let writes = [
        entry("update", "endpoints", 200),
        entry("patch", "servicecidrs", 200),
    ];
    assert_eq!(violations(&writes, 1, &all()), [""; 0]);
    assert_eq!(
        violations(&writes, 1, &named(&["endpointslice-controller"])).len(),
        2
    );
}

#[test]
fn a_patch_of_a_service_cidr_that_is_answered_with_a_known_version_changed_nothing() {
    let patch = |version: &str| {
        let mut patch = entry("patch", "servicecidrs", 200);
        patch.response_object = Some(json!({ "metadata": { "name": "web", "resourceVersion": version } }));
        patch
    };
    assert_eq!(violations(&[patch("1"), patch("2")], 0, &all()), [""; 0]);
    assert_eq!(
        violations(&[patch("1"), patch("1")], 0, &all()),
        ["1 updates changed nothing"]
    );
}
