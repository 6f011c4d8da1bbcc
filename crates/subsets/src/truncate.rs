//! What is left out of Endpoints that would become too large.

use quaymaster_model::Subset;

/// Endpoints have at most so many addresses, ready or not, counted once for each subset (kubernetes/kubernetes
/// `pkg/controller/endpoint/endpoints_controller.go`, `maxCapacity`).
pub const MOST_ADDRESSES: u32 = 1000;

/// Leaves out what is more than [`MOST_ADDRESSES`], and tells whether something was (`truncateEndpoints` in the same file).
///
/// Addresses that are ready stay before those that are not: if there are too many of the former, no other one stays. What
/// there is room for is shared out in proportion to what each subset has, rounded up, in the order of the subsets, so that
/// the last ones may get less. Of each subset its first addresses stay.
///
/// A subset that no address is left of goes. Upstream keeps it, and the API refuses the whole object, so that it stays as it
/// was for good.
pub fn truncate(subsets: &mut Vec<Subset>) -> bool {
    let truncated = cut(subsets);
    if truncated {
        subsets.retain(|subset| !subset.ready.is_empty() || !subset.not_ready.is_empty());
    }
    truncated
}

fn cut(subsets: &mut [Subset]) -> bool {
    let ready: u32 = subsets.iter().map(|subset| count(subset.ready.len())).sum();
    let not_ready: u32 = subsets.iter().map(|subset| count(subset.not_ready.len())).sum();
    let Some(room) = MOST_ADDRESSES.checked_sub(ready) else {
        share(
            subsets.iter_mut().map(|subset| &mut subset.ready),
            ready,
            MOST_ADDRESSES,
        );
        for subset in subsets {
            subset.not_ready.clear();
        }
        return true;
    };
    if not_ready <= room {
        return false;
    }
    share(
        subsets.iter_mut().map(|subset| &mut subset.not_ready),
        not_ready,
        room,
    );
    true
}

/// Cuts lists that have `total` items together to `room`.
fn share<'a, T: 'a>(lists: impl Iterator<Item = &'a mut Vec<T>>, total: u32, room: u32) {
    let mut left = room as usize;
    for list in lists {
        let share = (f64::from(count(list.len())) / f64::from(total) * f64::from(room)).ceil();
        // Neither negative nor above what a list can have.
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small whole number"
        )]
        let share = share as usize;
        list.truncate(share.min(left));
        left -= list.len();
    }
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
