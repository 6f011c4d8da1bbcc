//! Who is concerned when a Service changes.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::cluster::{Cluster, bare, external, key};
use crate::targets::Targets;

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// Who leads to whom by brute force: each way is followed.
fn leads(edges: &[Option<usize>; 6], from: usize, to: usize) -> bool {
    let mut at = from;
    for _ in 0..NAMES.len() {
        let Some(next) = edges[at] else { return false };
        if next == to {
            return from != to;
        }
        at = next;
    }
    false
}

proptest! {
    #[test]
    fn all_that_lead_to_a_service_are_found_after_any_changes(
        changes in prop::collection::vec((0..6_usize, prop::option::of(0..6_usize)), 0..30),
    ) {
        let mut cluster = Cluster::new();
        let mut targets = Targets::new("cluster.local".parse().unwrap());
        let mut edges = [None; 6];
        for (from, to) in changes {
            let spec = to.map_or_else(bare, |to| {
                external(&format!("{}.shop.svc.cluster.local", NAMES[to]))
            });
            let of = |cluster: &Cluster| {
                let id = cluster.world.service_id(&key(NAMES[from]))?;
                cluster.world.service(id).cloned()
            };
            let before = of(&cluster);
            cluster.service(NAMES[from], &spec);
            let after = of(&cluster);
            targets.changed(before.as_ref(), after.as_ref());
            edges[from] = to;
            for (at, name) in NAMES.iter().enumerate() {
                let key = key(name);
                let found: BTreeSet<String> =
                    targets.leading_to(&key).into_iter().map(|key| key.name.to_string()).collect();
                let expected: BTreeSet<String> = (0..6)
                    .filter(|from| leads(&edges, *from, at))
                    .map(|from| NAMES[from].to_owned())
                    .collect();
                prop_assert_eq!(found, expected);
            }
        }
    }
}
