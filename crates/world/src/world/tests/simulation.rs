//! A small apiserver, watches that lag, break and repeat themselves, own writes that are answered at any time, and a
//! world that must follow.

mod indexes;
mod object;
mod op;

use std::collections::BTreeMap;

use proptest::prelude::*;
use quaymaster_model::{ObjectKey, Text, Uid};

use super::fixtures::*;
use crate::{Kind, World};
use object::{Object, build};
use op::{Op, op, op_or_restore};

/// Objects of each kind.
const OBJECTS: usize = 4;

/// Kinds of which one may be written by us as well as by others.
const WRITTEN: [Kind; 8] = [
    Kind::Slice,
    Kind::Endpoints,
    Kind::ServiceCidr,
    Kind::IpAddress,
    Kind::ServiceIpPool,
    Kind::NodePortPool,
    Kind::ServiceReservation,
    Kind::AllocationClaim,
];

fn object_key(object: usize) -> ObjectKey {
    ObjectKey::new(
        Text::new(&format!("namespace-{}", object % 2)),
        Text::new(&format!("object-{object}")),
    )
}

/// What a watch or list of one kind has told.
#[derive(Default)]
struct Feed {
    position: u64,
    /// Version of the list under way, and what it still has to tell.
    list: Option<(u64, Vec<usize>)>,
    /// Objects that are known at a later version than `position`: from the list under way, or from own writes.
    ahead: BTreeMap<usize, u64>,
    repeatable: bool,
    /// The history went back, and no list has been complete since.
    lost: bool,
}

enum Answer {
    Written(Box<Object>),
    Deleted(Uid),
}

/// An object at a version, or its absence since then.
struct State {
    at: u64,
    uid: u64,
    object: Option<Object>,
}

struct Simulation {
    world: World,
    shadow: Shadow,
    /// Lists may be older than what the watch has told: they come from a server that lags.
    stale_lists: bool,
    now: u64,
    /// UIDs given out: unlike versions they are never given out again.
    uids: u64,
    /// Every state of every object, oldest first.
    history: BTreeMap<(Kind, usize), Vec<State>>,
    feeds: BTreeMap<Kind, Feed>,
    /// Answers under way; one write of an object at a time.
    answers: BTreeMap<(Kind, usize), (u64, Answer)>,
}

impl Simulation {
    fn new(stale_lists: bool) -> Self {
        let mut simulation = Self {
            world: World::new(),
            shadow: Shadow::default(),
            stale_lists,
            now: 1,
            uids: 0,
            history: BTreeMap::new(),
            feeds: Kind::ALL.map(|kind| (kind, Feed::default())).into(),
            answers: BTreeMap::new(),
        };
        for kind in Kind::ALL {
            simulation.relist(kind, 0);
        }
        simulation
    }

    fn state(&self, kind: Kind, object: usize, at: u64) -> Option<(u64, &Object)> {
        let states = self.history.get(&(kind, object))?;
        let state = states.iter().rev().find(|state| state.at <= at)?;
        state.object.as_ref().map(|object| (state.uid, object))
    }

    fn write(&mut self, kind: Kind, object: usize, variant: Option<u8>) {
        let old = self.state(kind, object, self.now).map(|(uid, _)| uid);
        self.now += 1;
        let uid = old.unwrap_or_else(|| {
            self.uids += 1;
            self.uids
        });
        let state = variant.map(|variant| build(kind, object, uid, self.now, variant));
        if old.is_some() || state.is_some() {
            let states = self.history.entry((kind, object)).or_default();
            states.push(State {
                at: self.now,
                uid,
                object: state,
            });
        }
    }

    fn tell_event(&mut self, kind: Kind, object: usize, at: u64) {
        if let Some((_, state)) = self.state(kind, object, at) {
            return state.clone().apply(&mut self.world, &mut self.shadow);
        }
        let deleted = self.history[&(kind, object)]
            .iter()
            .find(|state| state.at == at)
            .unwrap();
        let (key, uid) = (object_key(object), uid(deleted.uid));
        object::delete(kind, &key, &uid, &mut self.world, &mut self.shadow);
    }

    /// Which object of a kind was written at a version.
    fn written_at(&self, kind: Kind, at: u64) -> Option<usize> {
        (0..OBJECTS).find(|object| {
            self.history
                .get(&(kind, *object))
                .is_some_and(|states| states.iter().any(|state| state.at == at))
        })
    }

    /// Tells one thing more; false if there is nothing.
    fn tell(&mut self, kind: Kind) -> bool {
        let feed = self.feeds.get_mut(&kind).unwrap();
        if let Some((at, left)) = &mut feed.list {
            let at = *at;
            if let Some(object) = left.pop() {
                let ahead = feed.ahead.entry(object).or_default();
                *ahead = at.max(*ahead);
                self.tell_event(kind, object, at);
            } else {
                feed.list = None;
                feed.position = at;
                feed.repeatable = false;
                feed.lost = false;
                self.world.end(kind, &version(at), &mut self.shadow);
            }
            return true;
        }
        let position = feed.position;
        let Some(next) = (position + 1..=self.now).find(|at| self.written_at(kind, *at).is_some()) else {
            return false;
        };
        let object = self.written_at(kind, next).unwrap();
        self.tell_event(kind, object, next);
        let feed = self.feeds.get_mut(&kind).unwrap();
        feed.position = next;
        feed.repeatable = true;
        true
    }

    fn relist(&mut self, kind: Kind, lag: u64) {
        let feed = &self.feeds[&kind];
        let told = feed.position.max(feed.list.as_ref().map_or(0, |(at, _)| *at));
        let lagging = self.now.saturating_sub(lag).max(1);
        let at = if self.stale_lists {
            lagging
        } else {
            lagging.max(told)
        };
        let listed = (0..OBJECTS)
            .filter(|object| self.state(kind, *object, at).is_some())
            .collect();
        let feed = self.feeds.get_mut(&kind).unwrap();
        feed.list = Some((at, listed));
        if feed.lost {
            self.world.begin_after_loss(kind);
        } else {
            self.world.begin(kind);
        }
    }

    /// What was written after a version never happened. Answers under way are lost with it.
    fn restore(&mut self, back: u64) {
        self.now = self.now.saturating_sub(back).max(1);
        let now = self.now;
        for states in self.history.values_mut() {
            states.retain(|state| state.at <= now);
        }
        self.answers.clear();
        for kind in Kind::ALL {
            let feed = self.feeds.get_mut(&kind).unwrap();
            *feed = Feed {
                lost: true,
                ..Feed::default()
            };
            self.relist(kind, 0);
        }
    }

    /// The definition of a kind goes with its objects, and comes back. Answers under way are lost with it.
    fn vanish(&mut self, kind: Kind) {
        for object in 0..OBJECTS {
            self.write(kind, object, None);
        }
        self.answers.retain(|(of, _), _| *of != kind);
        self.world.absent(kind, &mut self.shadow);
        self.feeds.insert(kind, Feed::default());
        for object in 0..OBJECTS {
            assert_eq!(self.held(kind, object), None);
        }
        assert!(self.world.is_absent(kind) && self.world.synced(kind));
        self.relist(kind, 0);
        assert!(!self.world.is_absent(kind));
    }

    /// Whether a write of ours, made from what the world holds, is accepted: the object is the one we know, and no
    /// write of it is under way.
    fn may_write(&self, kind: Kind, object: usize) -> bool {
        let held = self.held(kind, object).map(Object::uid);
        let there = self.state(kind, object, self.now).map(|(id, _)| uid(id));
        held == there && !self.answers.contains_key(&(kind, object))
    }

    fn answer(&mut self, choice: usize) {
        let Some((kind, object)) = self
            .answers
            .keys()
            .nth(choice % self.answers.len().max(1))
            .copied()
        else {
            return;
        };
        let (at, answer) = self.answers.remove(&(kind, object)).unwrap();
        match answer {
            Answer::Written(written) => written.observe(&mut self.world, &mut self.shadow),
            Answer::Deleted(uid) => {
                object::observe_gone(kind, &object_key(object), &uid, &mut self.world, &mut self.shadow);
            }
        }
        let ahead = &mut self.feeds.get_mut(&kind).unwrap().ahead;
        let known = ahead.entry(object).or_default();
        *known = at.max(*known);
    }

    fn run(&mut self, op: &Op) {
        match *op {
            Op::Put(kind, object, variant) => self.write(kind, object, Some(variant)),
            Op::Delete(kind, object) => self.write(kind, object, None),
            Op::Recreate(kind, object, variant) => {
                self.write(kind, object, None);
                self.write(kind, object, Some(variant));
            }
            Op::Tell(kind, count) => {
                for _ in 0..count {
                    self.tell(kind);
                }
            }
            Op::Repeat(kind) => {
                let feed = &self.feeds[&kind];
                if feed.repeatable && feed.list.is_none() {
                    let at = feed.position;
                    self.tell_event(kind, self.written_at(kind, at).unwrap(), at);
                }
            }
            Op::Relist(kind, lag) => self.relist(kind, lag),
            Op::OwnPut(kind, object, variant) => {
                if self.may_write(kind, object) {
                    self.write(kind, object, Some(variant));
                    if let Some((_, written)) = self.state(kind, object, self.now) {
                        let answer = Answer::Written(Box::new(written.clone()));
                        self.answers.insert((kind, object), (self.now, answer));
                    }
                }
            }
            Op::OwnDelete(kind, object) => {
                let there = self.state(kind, object, self.now).map(|(id, _)| uid(id));
                if let Some(there) = there.filter(|_| self.may_write(kind, object)) {
                    self.write(kind, object, None);
                    self.answers
                        .insert((kind, object), (self.now, Answer::Deleted(there)));
                }
            }
            Op::Answer(choice) => self.answer(choice),
            Op::Vanish(kind) => self.vanish(kind),
            Op::Restore(back) => self.restore(back),
        }
    }

    fn held(&self, kind: Kind, object: usize) -> Option<Object> {
        object::held(kind, &self.world, &object_key(object))
    }

    /// The world holds each object as of the latest version that anything told of it.
    fn check_content(&self) {
        for (kind, feed) in &self.feeds {
            for object in 0..OBJECTS {
                let ahead = feed.ahead.get(&object).copied().unwrap_or(0);
                let expected = self.state(*kind, object, feed.position.max(ahead));
                assert_eq!(
                    self.held(*kind, object).as_ref(),
                    expected.map(|(_, state)| state),
                    "{kind:?} {object}"
                );
            }
        }
    }

    /// Everything under way arrives.
    fn drain(&mut self) {
        while !self.answers.is_empty() {
            self.answer(0);
        }
        for kind in Kind::ALL {
            while self.tell(kind) {}
        }
    }

    fn check_end(&self) {
        assert!(self.world.all_synced(&Kind::ALL));
        for kind in Kind::ALL {
            for object in 0..OBJECTS {
                let there = self.state(kind, object, self.now).map(|(_, state)| state);
                assert_eq!(self.held(kind, object).as_ref(), there, "{kind:?} {object}");
            }
        }
        assert_eq!(self.world.sizes().tombstones, 0, "each was told or listed away");
    }
}

fn run(stale_lists: bool, ops: &[Op]) {
    let mut simulation = Simulation::new(stale_lists);
    let restored = ops.iter().any(|op| matches!(op, Op::Restore(_)));
    for op in ops {
        simulation.run(op);
        // Where lists contradict what was told, what is right in between is a matter of taste.
        if !stale_lists && !restored {
            simulation.check_content();
        }
        simulation.check_indexes();
    }
    simulation.drain();
    simulation.check_indexes();
    simulation.check_end();
}

proptest! {
    #[test]
    fn after_each_event_the_world_is_what_was_told_last_of_each_object(
        ops in prop::collection::vec(op(), 1..200),
    ) {
        run(false, &ops);
    }

    #[test]
    fn a_store_set_back_to_a_snapshot_is_followed(
        ops in prop::collection::vec(op_or_restore(), 1..200),
    ) {
        run(false, &ops);
    }

    #[test]
    fn lists_from_a_server_that_lags_behind_the_watch_do_no_lasting_harm(
        ops in prop::collection::vec(op(), 1..200),
    ) {
        run(true, &ops);
    }
}
