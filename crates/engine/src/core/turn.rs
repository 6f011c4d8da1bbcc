//! Which controller plans next.

use std::cmp::Reverse;
use std::time::Instant;

use quaymaster_queue::Priority;

use super::Seat;

/// The seat whose turn it is, if any has a key that is due at `now`; its [`Seat::take`] gives that key.
///
/// Across all seats the rule is that of one queue: the highest priority goes first, within it the earliest due, of equal
/// ones the seat whose last turn is longer ago; and a key that was passed over for higher ones as often as
/// [`Priority::patience`] says goes before them. So no controller waits for another for ever, in whatever order they were
/// registered.
pub(super) fn choose(seats: &mut [Seat], now: Instant) -> Option<usize> {
    let mut first = None;
    let mut waited_enough = None;
    let mut turns = 0;
    for (at, seat) in seats.iter_mut().enumerate() {
        turns = turns.max(seat.last_turn);
        let Some((priority, due)) = seat.next(now) else {
            seat.passed_over = 0;
            continue;
        };
        first = first.max(Some((
            priority,
            Reverse(due),
            Reverse(seat.last_turn),
            Reverse(at),
        )));
        if priority != Priority::Urgent && seat.passed_over >= priority.patience() {
            waited_enough = waited_enough.max(Some((seat.passed_over, Reverse(at))));
        }
    }
    let (highest, .., Reverse(at)) = first?;
    let chosen = waited_enough.map_or(at, |(_, Reverse(at))| at);
    for (at, seat) in seats.iter_mut().enumerate() {
        if at == chosen {
            seat.passed_over = 0;
            seat.last_turn = turns + 1;
        } else if seat.next(now).is_some_and(|(priority, _)| priority < highest) {
            seat.passed_over += 1;
        }
    }
    Some(chosen)
}
