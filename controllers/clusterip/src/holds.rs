//! Whether there should be an IPAddress for an address that no Service has: it keeps the apiserver from giving it to anybody.

use std::time::{Duration, Instant};

use quaymaster_model::ObjectKey;

/// Whoever deletes a hold of ours is a replica that is about to give the address to whom it is held for. The apiserver cuts such a
/// request after 34 s (ipam 6.5 of the specification); if no Service has it then, it is held again.
pub(crate) const HANDED_OVER: Duration = Duration::from_secs(35);

/// The IPAddress of an address, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Object {
    /// There is none.
    Absent,
    /// One of ours, which is not being deleted.
    Hold,
    /// One of ours that something keeps from going.
    Leaving,
    /// The apiserver's allocator made it.
    Allocators,
    /// Somebody else's.
    Foreign,
}

/// What is known of an address that no Service has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) object: Object,
    /// The reservation that wants it held.
    pub(crate) reserved: Option<&'a ObjectKey>,
    /// The pool that wants it held until then, since its release.
    pub(crate) resting: Option<(&'a str, Instant)>,
    /// It was handed out, and waits for its Service until then.
    pub(crate) pending_until: Option<Instant>,
    /// When somebody else deleted its hold.
    pub(crate) taken_away: Option<Instant>,
    /// A hold was refused already, since the object of the Service that had it was still there.
    pub(crate) came_too_early: bool,
    /// Holds of it do no harm.
    pub(crate) may_hold: bool,
    pub(crate) now: Instant,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    /// Nothing, before something happens.
    Rest,
    /// Nothing, before this time.
    Wait(Instant),
    /// It is to be held, for the reservation or the pool.
    Hold(Cause<'a>),
    /// The hold is to go.
    Release,
}

/// What a hold is for, when it is made. It stays where another one comes to want it: to make it anew would leave a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause<'a> {
    Reservation(&'a ObjectKey),
    Pool(&'a str),
}

/// What is to be done.
pub(crate) fn next<'a>(facts: &Facts<'a>) -> Step<'a> {
    let Facts { object, now, .. } = *facts;
    let resting = facts.resting.filter(|(_, until)| *until > now);
    let cause = facts
        .reserved
        .map(Cause::Reservation)
        .or_else(|| resting.map(|(pool, _)| Cause::Pool(pool)))
        .filter(|_| facts.may_hold);
    let Some(cause) = cause else {
        return if object == Object::Hold {
            Step::Release
        } else {
            Step::Rest
        };
    };
    match object {
        Object::Hold => match (cause, resting) {
            (Cause::Pool(_), Some((_, until))) => Step::Wait(until),
            _ => Step::Rest,
        },
        Object::Foreign | Object::Leaving => Step::Rest,
        // The apiserver deletes it with the Service: whoever comes right after that wins, so that it is tried before that is seen.
        Object::Allocators if resting.is_none() || facts.came_too_early => Step::Rest,
        Object::Allocators | Object::Absent => {
            let handed_over = facts.taken_away.map(|at| at + HANDED_OVER);
            let until = facts.pending_until.max(handed_over).filter(|until| *until > now);
            until.map_or(Step::Hold(cause), Step::Wait)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn facts(object: Object, now: Instant) -> Facts<'static> {
        Facts {
            object,
            reserved: None,
            resting: Some(("blue", now + 5 * SECOND)),
            pending_until: None,
            taken_away: None,
            came_too_early: false,
            may_hold: true,
            now,
        }
    }

    #[test]
    fn a_released_address_is_held_at_once_and_until_its_time_is_over() {
        let now = Instant::now();
        for object in [Object::Absent, Object::Allocators] {
            assert_eq!(next(&facts(object, now)), Step::Hold(Cause::Pool("blue")));
        }
        assert_eq!(next(&facts(Object::Hold, now)), Step::Wait(now + 5 * SECOND));
        for (object, step) in [(Object::Hold, Step::Release), (Object::Absent, Step::Rest)] {
            let over = Facts {
                now: now + 5 * SECOND,
                ..facts(object, now)
            };
            assert_eq!(next(&over), step);
        }
    }

    #[test]
    fn a_hold_that_came_too_early_waits_for_the_deletion_of_the_object() {
        let now = Instant::now();
        let early = |object| Facts {
            came_too_early: true,
            ..facts(object, now)
        };
        assert_eq!(next(&early(Object::Allocators)), Step::Rest);
        assert_eq!(next(&early(Object::Absent)), Step::Hold(Cause::Pool("blue")));
    }

    #[test]
    fn who_was_handed_the_address_has_time_to_come() {
        let gone = Instant::now();
        let now = gone + 30 * SECOND;
        let pending = Facts {
            pending_until: Some(now + SECOND),
            taken_away: Some(gone),
            ..facts(Object::Absent, now)
        };
        assert_eq!(next(&pending), Step::Wait(now + 5 * SECOND));
        let failed = Facts {
            pending_until: None,
            now: gone + HANDED_OVER,
            resting: Some(("blue", gone + 2 * HANDED_OVER)),
            ..pending
        };
        assert_eq!(next(&failed), Step::Hold(Cause::Pool("blue")));
    }

    #[test]
    fn a_reserved_address_is_held_unless_it_is_being_given() {
        let (now, key) = (Instant::now(), ObjectKey::new("team".into(), "db".into()));
        let reserved = |object| Facts {
            reserved: Some(&key),
            resting: None,
            ..facts(object, now)
        };
        assert_eq!(
            next(&reserved(Object::Absent)),
            Step::Hold(Cause::Reservation(&key))
        );
        // A Service that is being created has its object before it is seen.
        for object in [Object::Allocators, Object::Hold, Object::Foreign, Object::Leaving] {
            assert_eq!(next(&reserved(object)), Step::Rest, "{object:?}");
        }
    }

    #[test]
    fn where_holds_do_harm_there_are_none() {
        let now = Instant::now();
        for (object, step) in [(Object::Absent, Step::Rest), (Object::Hold, Step::Release)] {
            let in_memory = Facts {
                may_hold: false,
                ..facts(object, now)
            };
            assert_eq!(next(&in_memory), step);
        }
    }
}
