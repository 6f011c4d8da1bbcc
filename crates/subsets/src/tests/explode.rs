//! What taking subsets apart costs.

use super::fixture::{bare, port, subset};
use crate::explode::{Identity, Member, by_sources};

/// Whoever may write Endpoints chooses how often a port stands in them, and the core task does not wait for that.
#[test]
fn ports_that_stand_in_a_subset_several_times_cost_no_list_of_their_own() {
    let ports = [1, 2, 2, 3, 3, 3, 0, 0].map(|number| port("", number));
    let subsets = [subset(&[bare("10.0.0.1")], &[], &ports)];
    let contents = [vec![Member {
        address: 0,
        ready: true,
    }]];
    for identity in [Identity::Value, Identity::Pointer] {
        let lists = by_sources(&subsets, &contents, identity);
        let lists: Vec<(&[usize], usize)> = lists
            .iter()
            .map(|(sources, ports)| (sources.as_slice(), ports.len()))
            .collect();
        assert_eq!(lists, [(&[0][..], 3)], "{identity:?}");
    }
}
