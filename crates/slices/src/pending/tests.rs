use std::sync::Arc;

use quaymaster_model::{IpFamily, LabelSet, PortSet};

use super::*;
use crate::groups::Groups;
use crate::held::{InFlight, InFlightWrite, Mark};

impl Pending {
    /// What the lists should be.
    pub(crate) fn of<'a>(slices: impl IntoIterator<Item = (SliceId, &'a Held)>) -> Self {
        let mut pending = Self::default();
        for (id, held) in slices {
            pending.add(id, held);
        }
        pending
    }
}

fn slice() -> Held {
    Held {
        name: "svc-a".into(),
        family: Some(IpFamily::V4),
        observed: None,
        owned: false,
        in_flight: None,
        ordinal: None,
        mark: Mark::default(),
        deletable_since: None,
        uncertain: false,
        altered: None,
    }
}

fn write(id: u64, round: u64, unsent: Option<Rank>, what: InFlightWrite) -> InFlight {
    InFlight {
        id: WriteId(id),
        round,
        what,
        unsent,
        trigger: None,
        over: None,
        gone: None,
    }
}

fn put() -> InFlightWrite {
    InFlightWrite::Put {
        endpoints: Arc::default(),
        group: Groups::default().refer(&PortSet::default()),
        labels: LabelSet::empty(),
        in_place: false,
        added: 0,
    }
}

fn send(held: &mut Held) {
    held.in_flight.as_mut().unwrap().unsent = None;
}

#[test]
fn a_decided_write_is_in_flight_from_when_it_is_sent_until_it_is_answered() {
    let (mut pending, id, mut held) = (Pending::default(), SliceId(3), slice());
    let decided = write(1, 1, Some(Rank::Update), put());
    pending.change(id, &mut held, |held| held.in_flight = Some(decided));
    assert_eq!(pending.unsent().collect::<Vec<_>>(), [id]);
    assert_eq!(pending.in_flight(), 0);

    pending.change(id, &mut held, send);
    assert!(pending.all_sent());
    assert_eq!(pending.in_flight(), 1);
    assert_eq!(pending.oldest_put(), Some(1));

    pending.change(id, &mut held, |held| held.in_flight = None);
    assert_eq!(pending, Pending::default());
}

#[test]
fn a_write_that_is_taken_back_leaves_nothing_and_is_never_in_flight() {
    let (mut pending, mut held) = (Pending::default(), slice());
    let decided = write(1, 1, Some(Rank::Create), put());
    pending.change(SliceId(0), &mut held, |held| held.in_flight = Some(decided));
    pending.change(SliceId(0), &mut held, |held| held.in_flight = None);
    assert_eq!(pending, Pending::default());
}

#[test]
fn a_change_that_leaves_the_write_alone_leaves_the_lists_alone() {
    let (mut pending, mut held) = (Pending::default(), slice());
    let decided = write(1, 1, Some(Rank::Create), put());
    pending.change(SliceId(0), &mut held, |held| held.in_flight = Some(decided));
    pending.change(SliceId(0), &mut held, |held| held.owned = true);
    assert_eq!(pending, Pending::of([(SliceId(0), &held)]));
    pending.change(SliceId(0), &mut held, send);
    pending.change(SliceId(0), &mut held, |held| held.owned = false);
    assert_eq!(pending.in_flight(), 1);
}

#[test]
fn what_takes_traffic_away_is_sent_first_and_then_what_was_decided_first() {
    let mut pending = Pending::default();
    let ranks = [Rank::Update, Rank::Create, Rank::Update, Rank::Urgent];
    for (n, rank) in ranks.into_iter().enumerate() {
        let decided = write(n as u64 + 1, 1, Some(rank), put());
        pending.change(SliceId(n), &mut slice(), |held| held.in_flight = Some(decided));
    }
    let order: Vec<usize> = pending.unsent().map(|id| id.0).collect();
    assert_eq!(order, [3, 1, 0, 2]);
}

#[test]
fn a_delete_is_in_flight_without_being_a_put() {
    let (mut pending, mut held) = (Pending::default(), slice());
    let delete = write(1, 1, None, InFlightWrite::Delete);
    pending.change(SliceId(0), &mut held, |held| held.in_flight = Some(delete));
    assert_eq!(pending.in_flight(), 1);
    assert_eq!(pending.oldest_put(), None);
}

#[test]
fn the_oldest_put_is_that_of_the_earliest_round_whether_sent_or_not() {
    let mut pending = Pending::default();
    let mut slices = [slice(), slice()];
    for (n, (round, unsent)) in [(2, None), (1, Some(Rank::Update))].into_iter().enumerate() {
        let decided = write(n as u64, round, unsent, put());
        pending.change(SliceId(n), &mut slices[n], |held| held.in_flight = Some(decided));
    }
    assert_eq!(pending.oldest_put(), Some(1));
    pending.change(SliceId(1), &mut slices[1], |held| held.in_flight = None);
    assert_eq!(pending.oldest_put(), Some(2));
}
