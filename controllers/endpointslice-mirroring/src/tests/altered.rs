//! Slices that a policy stores otherwise than they are sent.

use quaymaster_engine::Verdict;
use quaymaster_runtime::api::Verb;
use serde_json::{Value, json};

use super::cluster::{Cluster, subset};

type Policy = fn(&mut Value);

const POLICIES: [(&str, Policy); 5] = [
    ("a label more", |slice| {
        slice["metadata"]["labels"]["team"] = json!("blue");
    }),
    ("no labels", |slice| slice["metadata"]["labels"] = json!({})),
    ("another Service", |slice| {
        slice["metadata"]["labels"]["kubernetes.io/service-name"] = json!("other");
    }),
    ("other ports", |slice| slice["ports"][0]["port"] = json!(8080)),
    ("no endpoints", |slice| slice["endpoints"] = json!([])),
];

fn under(policy: Policy) -> Cluster {
    let mut cluster = Cluster::mirroring(json!([subset(&["10.0.0.1"], &[], &[("", 80)])]));
    cluster.policy(policy);
    cluster
}

#[test]
fn such_a_slice_is_written_once_and_told_on_the_endpoints() {
    for (what, policy) in POLICIES {
        let mut cluster = under(policy);
        let create = cluster.send();
        match cluster.store(create) {
            Verdict::Altered { notice, .. } => {
                assert_eq!(notice.reason, "EndpointSliceAltered", "{what}");
                assert!(notice.note.contains("shop/db"), "{what}: {}", notice.note);
            }
            other => panic!("{what}: {other:?}"),
        }
        assert!(cluster.write_all().is_empty(), "{what}");
        assert_eq!(cluster.slices().len(), 1, "{what}");
    }
}

#[test]
fn its_content_still_follows_without_being_told_again() {
    for (what, policy) in POLICIES {
        let mut cluster = under(policy);
        cluster.write_all();
        cluster.endpoints(json!([subset(&["10.0.0.2"], &[], &[("", 80)])]));
        let update = cluster.send();
        assert_eq!(update.verb, Verb::Update, "{what}");
        assert!(
            !matches!(cluster.store(update), Verdict::Altered { .. }),
            "{what}"
        );
        assert!(cluster.write_all().is_empty(), "{what}");
    }
}

#[test]
fn when_somebody_else_changes_it_it_is_written_again() {
    for (what, policy) in POLICIES {
        let mut cluster = under(policy);
        cluster.write_all();
        cluster.take_marked();
        let name = cluster.only_slice();
        cluster.edited(&name, |slice| {
            slice["metadata"]["annotations"] = json!({ "x": "y" });
        });
        // Where its labels do not tell any more that it is ours, it is somebody else's now.
        let is_lost = ["no labels", "another Service"].contains(&what);
        let expected = if is_lost { Verb::Create } else { Verb::Update };
        assert_eq!(cluster.write_all(), [expected], "{what}");
        cluster.deleted(&name);
        assert_eq!(cluster.slices().len(), usize::from(is_lost), "{what}");
        let written = cluster.write_all();
        assert_eq!(written.len(), usize::from(!is_lost), "{what}");
    }
}

#[test]
fn it_goes_with_its_endpoints() {
    for (what, policy) in POLICIES {
        let mut cluster = under(policy);
        cluster.write_all();
        cluster.no_endpoints();
        assert_eq!(cluster.write_all(), [Verb::Delete], "{what}");
        assert!(cluster.controller.strays.is_empty(), "{what}");
    }
}

#[test]
fn an_address_that_is_never_stored_holds_nothing_back() {
    let mut cluster = Cluster::mirroring(json!([subset(&["10.0.0.1"], &[], &[("a", 80)])]));
    cluster.write_all();
    cluster.policy(|slice| slice["endpoints"] = json!([]));
    cluster.endpoints(json!([
        subset(&["10.0.0.2"], &[], &[("a", 80)]),
        subset(&["10.0.0.1"], &[], &[("b", 81)]),
    ]));
    cluster.write_all();
    assert_eq!(cluster.shown(), ["IPv4 a:80 = ", "IPv4 b:81 = "]);
}

#[test]
fn without_the_policy_the_next_write_is_as_sent() {
    let mut cluster = under(POLICIES[0].1);
    cluster.write_all();
    cluster.policy(|_| ());
    cluster.endpoints(json!([subset(&["10.0.0.2"], &[], &[("", 80)])]));
    assert_eq!(cluster.write_all(), [Verb::Update]);
    assert_eq!(cluster.slices()[0]["metadata"]["labels"]["team"], Value::Null);
}
