//! Addresses that Services have and that no IPAddress stands for any more.
//!
//! The apiserver's repair loop deletes the IPAddress of a live Service where it does not find the address in the Service: one that is
//! not spelled as the IPAddress is named, and one of a family that was added within the second in which the Service was created
//! (`pkg/registry/core/service/ipallocator/controller/repairip.go`; ipam 3.3 and 3.7 of the specification). Anybody can then get the
//! address, until the loop comes round again, up to three minutes later.

use std::time::{Duration, Instant};

/// When the IPAddress was seen to go: its Service's end may be told a moment later.
pub(crate) const AFTER_DELETION: Duration = Duration::from_millis(100);

/// When a Service was seen without one: the one may be told before the other.
pub(crate) const AFTER_SERVICE: Duration = Duration::from_millis(500);

/// A live address without an IPAddress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Missing {
    /// When it is looked at.
    pub(crate) due: Instant,
    /// The apiserver says that the Service still has it.
    pub(crate) confirmed: bool,
}

/// What is to be done for a live address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// It is protected.
    Rest,
    /// Not before this time.
    Wait(Instant),
    /// The apiserver is to be asked whether the Service still has it: an IPAddress that names no Service would keep the address from
    /// everybody for a minute.
    Look,
    /// Its IPAddress is to be made as the allocator makes it.
    Restore,
    /// Nobody is to get it, by an object of ours: one of the allocator's the repair loop would delete again and again.
    Hold,
}

/// What is to be done for an address that a Service has.
pub(crate) fn next(
    is_there: bool,
    missing: Option<Missing>,
    canonical: bool,
    may_hold: bool,
    now: Instant,
) -> Step {
    let Some(missing) = missing.filter(|_| !is_there) else {
        return if is_there {
            Step::Rest
        } else {
            Step::Wait(now + AFTER_SERVICE)
        };
    };
    if !canonical && !may_hold {
        return Step::Rest;
    }
    if now < missing.due {
        return Step::Wait(missing.due);
    }
    match (missing.confirmed, canonical) {
        (false, _) => Step::Look,
        (true, true) => Step::Restore,
        (true, false) => Step::Hold,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_vanished_is_made_again_once_the_apiserver_says_that_the_service_has_it() {
        let now = Instant::now();
        let missing = |confirmed| {
            Some(Missing {
                due: now + AFTER_DELETION,
                confirmed,
            })
        };
        let due = now + AFTER_DELETION;
        assert_eq!(next(true, missing(true), true, true, due), Step::Rest);
        assert_eq!(
            next(false, None, true, true, now),
            Step::Wait(now + AFTER_SERVICE)
        );
        assert_eq!(next(false, missing(false), true, true, now), Step::Wait(due));
        assert_eq!(next(false, missing(false), true, true, due), Step::Look);
        assert_eq!(next(false, missing(true), true, true, due), Step::Restore);
    }

    #[test]
    fn an_address_that_the_repair_loop_does_not_find_is_held_by_an_object_that_it_leaves_alone() {
        let now = Instant::now();
        let missing = Some(Missing {
            due: now,
            confirmed: true,
        });
        assert_eq!(next(false, missing, false, true, now), Step::Hold);
        assert_eq!(next(false, missing, false, false, now), Step::Rest);
    }
}
