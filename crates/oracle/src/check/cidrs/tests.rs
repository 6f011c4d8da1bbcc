//! What the comparison of ServiceCIDRs forgives, and what it does not.

use serde_json::{Value, json};

use super::*;
use crate::names::{ADDRESS_MANAGED_BY, ALLOCATOR};

fn cidr(name: &str, change: &Value) -> ServiceCIDR {
    let mut value = json!({
        "metadata": {"name": name, "finalizers": ["f"]},
        "spec": {"cidrs": ["10.0.0.0/24"]},
        "status": {"conditions": [{
            "type": "Ready", "status": "True", "reason": "", "message": "fine",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }]},
    });
    for (part, fields) in change.as_object().into_iter().flatten() {
        for (name, field) in fields.as_object().into_iter().flatten() {
            value[part][name] = field.clone();
        }
    }
    serde_json::from_value(value).unwrap()
}

fn run(left: &[ServiceCIDR], right: &[ServiceCIDR]) -> (usize, Vec<&'static str>) {
    let address = json!({
        "metadata": {"name": "10.0.0.7", "labels": {ADDRESS_MANAGED_BY: ALLOCATOR}},
        "spec": {"parentRef": {"resource": "services", "name": "web"}},
    });
    let addresses: Vec<IPAddress> = vec![serde_json::from_value(address).unwrap()];
    let sides = [left, right].map(|cidrs| Side {
        cidrs,
        addresses: &addresses,
    });
    let mut exceptions = Exceptions::new();
    let found = fair("a", sides, [true, false], &mut exceptions);
    (found.len(), exceptions.into_keys().map(Exception::name).collect())
}

#[test]
fn times_are_no_difference_and_finalizers_conditions_and_existence_are() {
    let left = [cidr("a", &json!({}))];
    let later = json!([{"type": "Ready", "status": "True", "reason": "", "message": "fine", "lastTransitionTime": "2026-01-02T00:00:00Z"}]);
    assert_eq!(
        run(&left, &[cidr("a", &json!({"status": {"conditions": later}}))]),
        (0, vec![])
    );
    for change in [
        json!({"metadata": {"finalizers": null}}),
        json!({"metadata": {"labels": {"a": "b"}}}),
        json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}),
        json!({"status": {"conditions": null}}),
    ] {
        assert_eq!(run(&left, &[cidr("a", &change)]), (1, vec![]), "{change}");
    }
    assert_eq!(run(&left, &[]), (1, vec![]));
    assert_eq!(run(&[], &left), (1, vec![]), "it is not being deleted");
}

#[test]
fn one_that_both_keep_for_its_addresses_is_compared_in_full() {
    let going = |status: &str| {
        cidr(
            "a",
            &json!({
                "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"},
                "status": {"conditions": [{"type": "Ready", "status": status, "reason": "Terminating", "message": "m",
                    "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
            }),
        )
    };
    assert_eq!(run(&[going("False")], &[going("False")]), (0, vec![]));
    assert_eq!(run(&[going("False")], &[going("True")]), (1, vec![]));
}

#[test]
fn one_of_two_equal_ones_may_stay_for_its_addresses_where_upstream_lets_both_go() {
    let going = cidr(
        "a",
        &json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}),
    );
    assert_eq!(run(&[], std::slice::from_ref(&going)), (0, vec!["equal-cidrs"]));
    assert_eq!(
        run(std::slice::from_ref(&going), &[]).0,
        1,
        "quaymaster may not let it go"
    );
    let twin = [cidr("b", &json!({}))];
    assert_eq!(
        run(&twin, std::slice::from_ref(&going)).0,
        1,
        "the twin holds the addresses"
    );
}

#[test]
fn who_deleted_before_the_controller_came_leaves_no_finalizer_of_its_own() {
    let finalizers = |deleted: bool, finalizers: &[&str]| {
        let deleted = deleted.then_some("2026-01-01T00:00:00Z");
        [cidr(
            "a",
            &json!({"metadata": {"finalizers": finalizers, "deletionTimestamp": deleted}}),
        )]
    };
    let both = ["example.com/hold", names::SERVICE_CIDR_FINALIZER];
    let forgiven = (0, vec!["late-finalizer"]);
    assert_eq!(
        run(&finalizers(true, &both), &finalizers(true, &both[..1])),
        forgiven
    );
    assert_eq!(
        run(&finalizers(true, &both[..1]), &finalizers(true, &both)),
        forgiven
    );
    assert_eq!(
        run(&finalizers(false, &both), &finalizers(false, &both[..1])).0,
        1
    );
    assert_eq!(run(&finalizers(true, &both), &finalizers(true, &both[1..])).0, 1);
}

#[test]
fn of_two_that_overlap_and_are_deleted_together_either_may_stay_for_the_addresses_in_both() {
    let deleted = |name: &str, range: &str| {
        let change =
            json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "spec": {"cidrs": [range]}});
        cidr(name, &change)
    };
    let (left, right) = ([deleted("a", "10.0.0.0/24")], [deleted("b", "10.0.0.0/28")]);
    assert_eq!(run(&left, &right), (0, vec!["either-cidr"]));
    assert_eq!(run(&right, &left), (0, vec!["either-cidr"]));
    // The other one has no place for the address, stays for another reason, or is not being deleted.
    assert_eq!(run(&left, &[deleted("b", "10.0.1.0/24")]).0, 1);
    assert_eq!(
        run(&left, &[cidr("b", &json!({"spec": {"cidrs": ["10.0.0.0/28"]}}))]).0,
        1
    );
    // Both were let go, though an address hangs on them; or one stays for nothing.
    assert_eq!(run(&left, &[]).0, 1);
    let empty = deleted("a", "10.0.2.0/24");
    assert_eq!(run(&[empty], &right).0, 1);
}
