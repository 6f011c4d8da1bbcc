//! What others do to slices, and what only looks as if they did.

use quaymaster_engine::Verdict;
use quaymaster_runtime::api::{Verb, WriteError};
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::{conflict, settled};

const SERVICE_NAME: &str = "kubernetes.io/service-name";
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";

type Policy = fn(&mut Value);

/// Policies after which labels do not tell any more that a slice is ours.
const STRAYS: [(&str, Policy); 3] = [
    ("no labels", |slice| slice["metadata"]["labels"] = json!({})),
    ("another Service", |slice| {
        slice["metadata"]["labels"][SERVICE_NAME] = json!("other");
    }),
    ("another manager", |slice| {
        slice["metadata"]["labels"][MANAGED_BY] = json!("other");
    }),
];

/// One slice, stored as this policy has it.
fn strayed(policy: Policy) -> Cluster {
    let mut cluster = settled();
    cluster.policy(policy);
    cluster.node("node-1", "zone-b");
    assert!(matches!(cluster.write_next(), Verdict::Altered { .. }));
    assert!(cluster.write_all().is_empty());
    cluster.take_marked();
    cluster
}

#[test]
fn what_the_watch_tells_of_an_own_write_before_its_answer_is_no_repair() {
    let mut cluster = Cluster::new();
    cluster.node("node-1", "zone-a");
    cluster.service(
        json!({ "selector": { "app": "web" }, "ipFamilies": ["IPv4", "IPv6"], "clusterIP": "10.1.0.1" }),
    );
    cluster.pod("web-1", &json!([{ "ip": "10.0.0.1" }, { "ip": "fd00::1" }]));
    cluster.begin();
    cluster.write_all();
    for zone in ["zone-b", "zone-c", "zone-d"] {
        cluster.node("node-1", zone);
        // The slice of the other family is to be written, too.
        let mut update = cluster.send();
        let stored = cluster.carry_out(&mut update);
        cluster.told(stored.clone());
        assert_eq!(cluster.take_repaired(), [""; 0], "{zone}");
        cluster.answer(&update, stored);
        assert_eq!(cluster.write_all(), [Verb::Update]);
    }
}

#[test]
fn what_somebody_else_changes_or_deletes_is_repaired() {
    let mut cluster = settled();
    let name = cluster.only_slice();
    let edited = cluster.edit(&name, |slice| slice["endpoints"] = json!([]));
    cluster.told(edited);
    assert_eq!(cluster.take_repaired(), ["web"]);
    assert_eq!(cluster.write_all(), [Verb::Update]);
    cluster.deleted_by_somebody(&name);
    assert_eq!(cluster.take_repaired(), ["web"]);
    assert_eq!(cluster.write_all(), [Verb::Create]);
}

#[test]
fn a_slice_whose_labels_a_policy_changes_is_made_again_when_it_is_deleted() {
    for (what, policy) in STRAYS {
        let mut cluster = strayed(policy);
        let name = cluster.only_slice();
        cluster.deleted_by_somebody(&name);
        assert_eq!(cluster.take_repaired(), ["web"], "{what}");
        assert_eq!(cluster.write_all(), [Verb::Create], "{what}");
        // And so is that one, when only a new list shows that it went.
        cluster.no_slices_listed();
        assert_eq!(cluster.take_repaired(), ["web"], "{what}");
        assert_eq!(cluster.write_all(), [Verb::Create], "{what}");
    }
}

#[test]
fn a_slice_whose_labels_a_policy_changes_is_put_right_after_an_edit_of_what_it_holds() {
    for (what, policy) in STRAYS {
        let mut cluster = strayed(policy);
        let name = cluster.only_slice();
        let noted = cluster.edit(&name, |slice| {
            slice["metadata"]["annotations"]["note"] = json!("x");
        });
        cluster.told(noted);
        assert!(cluster.write_all().is_empty(), "{what}");
        let edited = cluster.edit(&name, |slice| slice["endpoints"] = json!([]));
        cluster.told(edited);
        assert_eq!(cluster.write_all(), [Verb::Update], "{what}");
        assert_eq!(cluster.slices().len(), 1, "{what}");
        assert_eq!(cluster.slices()[0]["endpoints"][0]["zone"], "zone-b", "{what}");
    }
}

#[test]
fn a_slice_is_not_made_twice_where_the_watch_tells_first_what_a_policy_made_of_its_labels() {
    for (what, policy) in STRAYS {
        let mut cluster = settled();
        cluster.policy(policy);
        cluster.node("node-1", "zone-b");
        let mut update = cluster.send();
        let stored = cluster.carry_out(&mut update);
        cluster.told(stored.clone());
        assert!(
            matches!(
                cluster.answer(&update, stored),
                Verdict::Altered { more: false, .. }
            ),
            "{what}"
        );
        assert!(cluster.write_all().is_empty(), "{what}");
    }
}

#[test]
fn a_slice_that_somebody_gives_to_another_service_is_left_to_that_and_made_again() {
    let give_away = |slice: &mut Value| {
        slice["metadata"]["labels"][SERVICE_NAME] = json!("other");
        slice["metadata"]["labels"][MANAGED_BY] = json!("endpointslice-controller.k8s.io");
    };
    let mut cluster = settled();
    let name = cluster.only_slice();
    let given = cluster.edit(&name, give_away);
    cluster.told(given);
    assert_eq!(cluster.write_all(), [Verb::Create]);
    // The same while a write of it is under way, which is refused for it or of which nothing is heard.
    for error in [conflict(), WriteError::Aborted] {
        let mut cluster = settled();
        cluster.node("node-1", "zone-b");
        let update = cluster.send();
        let given = cluster.edit(&update.object.name, give_away);
        cluster.told(given);
        assert!(
            matches!(cluster.fail(&update, &error), Verdict::Retry { .. }),
            "{error}"
        );
        assert_eq!(cluster.write_all(), [Verb::Create], "{error}");
    }
    // And after a policy had changed its labels.
    let mut cluster = strayed(STRAYS[0].1);
    let name = cluster.only_slice();
    let given = cluster.edit(&name, give_away);
    cluster.told(given);
    assert_eq!(cluster.write_all(), [Verb::Create]);
}
