use std::time::Duration;

use quaymaster_allocator::Intervals;
use quaymaster_api::PortUse;
use quaymaster_ipam::Pool;

use super::{ADDRESSES, CANONICAL, Change, PORTS, Policies, There};
use crate::facts::Facts;

fn pool(name: &str, serves: [Intervals; 3]) -> Pool {
    Pool {
        name: name.to_owned(),
        policy: serde_json::from_str(r#"{"namespaces":["red"],"exclusive":true}"#).unwrap(),
        uses: vec![PortUse::NodePort],
        quarantine: Duration::ZERO,
        serves,
    }
}

fn addresses(name: &str, count: u128) -> Pool {
    // Every second address, so that none goes with another.
    let four = Intervals::new((0..count).map(|nth| 0x0a60_0000 + 2 * nth..=0x0a60_0000 + 2 * nth));
    pool(name, [four, Intervals::default(), Intervals::default()])
}

fn ports(name: &str) -> Pool {
    let ports = Intervals::new([30_000..=30_009, 30_020..=30_029]);
    pool(name, [Intervals::default(), Intervals::default(), ports])
}

fn policies(addresses: Option<Vec<Pool>>, ports: Option<Vec<Pool>>) -> Policies {
    let facts = Facts {
        addresses,
        ports,
        ..Facts::default()
    };
    Policies::of(&facts, &["kube-system".to_owned()])
}

fn names(policies: &Policies) -> Vec<&str> {
    policies.wanted.iter().map(|one| one.name).collect()
}

/// The cluster after these changes.
fn after(there: &There, changes: &[Change]) -> There {
    let mut there = there.clone();
    for change in changes {
        match change {
            Change::Policy(policy) => {
                there
                    .policies
                    .retain(|one| one.metadata.name != policy.metadata.name);
                there.policies.push((**policy).clone());
            }
            Change::Binding(binding) => {
                there
                    .bindings
                    .retain(|one| one.metadata.name != binding.metadata.name);
                there.bindings.push((**binding).clone());
            }
            Change::NoBinding(binding) => there.bindings.retain(|one| one != &**binding),
            Change::NoPolicy(policy) => there.policies.retain(|one| one != &**policy),
        }
    }
    there
}

#[test]
fn there_is_a_policy_for_each_sort_of_exclusive_pools_and_one_for_how_addresses_are_written() {
    let of = |addresses, ports| {
        let policies = policies(addresses, ports);
        names(&policies)
            .into_iter()
            .map(ToOwned::to_owned)
            .collect::<Vec<_>>()
    };
    assert!(of(None, None).is_empty());
    assert_eq!(of(Some(vec![]), Some(vec![])), [CANONICAL]);
    assert_eq!(
        of(Some(vec![addresses("a", 1)]), Some(vec![ports("p")])),
        [CANONICAL, ADDRESSES, PORTS]
    );
    assert_eq!(of(None, Some(vec![ports("p")])), [PORTS]);
    assert_eq!(of(Some(vec![addresses("of nothing", 0)]), None), [CANONICAL]);
}

#[test]
fn what_is_right_needs_no_write_and_what_is_not_wanted_any_more_goes_with_its_binding_first() {
    let all = policies(Some(vec![addresses("a", 3)]), Some(vec![ports("p")]));
    let there = after(&There::default(), &all.changes(&There::default()));
    assert_eq!((there.policies.len(), there.bindings.len()), (3, 3));
    assert_eq!(all.changes(&there), []);
    let none = policies(Some(vec![]), Some(vec![]));
    let changes = none.changes(&there);
    let kinds: Vec<bool> = changes
        .iter()
        .map(|change| matches!(change, Change::NoBinding(_)))
        .collect();
    assert_eq!(kinds, [true, true, false, false]);
    assert_eq!(none.changes(&after(&there, &changes)), []);
}

#[test]
fn what_nobody_has_read_yet_stays_as_it_is() {
    let all = policies(Some(vec![addresses("a", 3)]), Some(vec![ports("p")]));
    let there = after(&There::default(), &all.changes(&There::default()));
    assert_eq!(policies(None, None).changes(&there), []);
    let changes = policies(None, Some(vec![])).changes(&there);
    assert!(
        changes.iter().all(|change| change.to_string().ends_with(PORTS)),
        "{changes:?}"
    );
}

#[test]
fn what_others_change_is_put_right_over_what_they_have_stored() {
    let all = policies(Some(vec![]), None);
    let mut there = after(&There::default(), &all.changes(&There::default()));
    there.policies[0].metadata.resource_version = Some("7".to_owned());
    there.policies[0].spec.as_mut().unwrap().failure_policy = Some("Ignore".to_owned());
    there.bindings[0].spec.validation_actions = vec!["Audit".to_owned()];
    let changes = all.changes(&there);
    let [Change::Policy(policy), Change::Binding(_)] = changes.as_slice() else {
        panic!("{changes:?}");
    };
    assert_eq!(policy.metadata.resource_version.as_deref(), Some("7"));
}

#[test]
fn pools_beyond_what_the_apiserver_goes_through_are_left_out_and_named() {
    let of = |pools: Vec<Pool>| policies(Some(pools), None).left_out;
    assert!(of(vec![addresses("a", 1500)]).is_empty());
    assert_eq!(
        of(vec![addresses("a", 1501), addresses("b", 1)]),
        ["ServiceIPPool a (1501 parts)"]
    );
    let many = |count| (0..count).map(|_| addresses("x", 1500)).collect();
    assert_eq!((of(many(4)).len(), of(many(6)).len()), (0, 2));
    assert_eq!(of((0..101).map(|_| addresses("x", 1)).collect()).len(), 1);
}
