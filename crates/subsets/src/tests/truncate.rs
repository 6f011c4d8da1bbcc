//! What is left out.
//!
//! | Rule | Test |
//! |---|---|
//! | up to the limit | `up_to_a_thousand_addresses_all_stay` |
//! | not ready first | `addresses_that_are_not_ready_go_first_and_are_shared_out`, `a_thousand_ready_addresses_leave_no_room_for_others` |
//! | ready | `more_than_a_thousand_ready_addresses_are_shared_out_and_no_other_stays` |
//! | which stay | `the_first_addresses_of_a_subset_stay` |
//! | nothing left | `a_subset_of_which_no_address_is_left_goes` |

use quaymaster_model::Subset;

use super::fixture::bare;
use crate::{addresses, truncate};

fn subsets(counts: &[(usize, usize)]) -> Vec<Subset> {
    let list = |count: usize| {
        (0..count)
            .map(|n| bare(&format!("10.0.{}.{}", n / 256, n % 256)))
            .collect()
    };
    counts
        .iter()
        .map(|(ready, not_ready)| Subset {
            ready: list(*ready),
            not_ready: list(*not_ready),
            ports: Vec::new(),
        })
        .collect()
}

/// What is left of subsets with so many ready and other addresses; none if nothing was left out.
fn left(counts: &[(usize, usize)]) -> Option<Vec<(usize, usize)>> {
    let mut subsets = subsets(counts);
    truncate(&mut subsets).then(|| {
        assert!(addresses(&subsets) <= 1000);
        subsets
            .iter()
            .map(|subset| (subset.ready.len(), subset.not_ready.len()))
            .collect()
    })
}

#[test]
fn up_to_a_thousand_addresses_all_stay() {
    assert_eq!(left(&[]), None);
    assert_eq!(left(&[(0, 0)]), None);
    assert_eq!(left(&[(500, 200), (200, 100)]), None);
    assert_eq!(left(&[(1000, 0)]), None);
    assert_eq!(left(&[(0, 1000)]), None);
}

#[test]
fn addresses_that_are_not_ready_go_first_and_are_shared_out() {
    assert_eq!(
        left(&[(90, 101), (110, 200), (50, 200), (10, 201), (20, 298)]),
        Some(vec![(90, 73), (110, 144), (50, 144), (10, 145), (20, 214)])
    );
    assert_eq!(left(&[(997, 4)]), Some(vec![(997, 3)]));
    assert_eq!(left(&[(0, 1001)]), Some(vec![(0, 1000)]));
}

#[test]
fn a_thousand_ready_addresses_leave_no_room_for_others() {
    assert_eq!(left(&[(1000, 10)]), Some(vec![(1000, 0)]));
}

#[test]
fn more_than_a_thousand_ready_addresses_are_shared_out_and_no_other_stays() {
    assert_eq!(
        left(&[(205, 7), (400, 8), (402, 0), (400, 9), (693, 1)]),
        Some(vec![(98, 0), (191, 0), (192, 0), (191, 0), (328, 0)])
    );
    assert_eq!(left(&[(1001, 0)]), Some(vec![(1000, 0)]));
}

#[test]
fn the_first_addresses_of_a_subset_stay() {
    let mut cut = subsets(&[(1, 1200)]);
    assert!(truncate(&mut cut));
    assert_eq!(cut[0].not_ready[..], subsets(&[(1, 1200)])[0].not_ready[..999]);
}

/// kube-controller-manager asks for it to be stored, is refused, and leaves Endpoints as they were.
#[test]
fn a_subset_of_which_no_address_is_left_goes() {
    assert_eq!(left(&[(1000, 1), (0, 5)]), Some(vec![(1000, 0)]));
    assert_eq!(left(&[(0, 5), (1001, 0)]), Some(vec![(1000, 0)]));
    // Shares are rounded up, which leaves nothing for the last ones.
    let many = [(3, 0); 400];
    assert_eq!(
        left(&many),
        Some(vec![(3, 0); 333].into_iter().chain([(1, 0)]).collect())
    );
    // The wanted ones that have no addresses for another reason are none of its business.
    assert_eq!(left(&[(0, 0), (1, 0)]), None);
}
