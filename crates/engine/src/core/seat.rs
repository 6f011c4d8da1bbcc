//! A controller among others.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::time::Instant;

use quaymaster_model::ObjectKey;
use quaymaster_queue::{Backoff, Priority, Queue, Taken};
use quaymaster_runtime::api::Writer;
use quaymaster_runtime::events::EventSink;
use quaymaster_runtime::metrics::QueueHandles;

use crate::controller::{Controller, Dirty};
use crate::core::repairs::Repairs;
use crate::core::warnings::{Conflicts, Failures, Warnings};

/// A controller with its queue.
pub(crate) struct Seat {
    pub(crate) controller: Box<dyn Controller>,
    pub(super) writer: Writer,
    pub(crate) queue: Queue<ObjectKey>,
    pub(crate) queue_metrics: QueueHandles,
    pub(super) events: EventSink,
    pub(super) dirty: Dirty,
    pub(super) started: bool,
    pub(super) repairs: Repairs,
    /// About fights with another writer, of whatever key: who fights over one usually fights over all.
    fights: Warnings<()>,
    conflicts: Conflicts,
    /// About keys whose objects are not stored as they are sent.
    pub(super) altered: Warnings<ObjectKey>,
    pub(super) failures: Failures<ObjectKey>,
    /// How often other seats went before this one while it had a key due.
    pub(super) passed_over: u32,
    /// Number of its last turn, counted over all seats.
    pub(super) last_turn: u64,
    /// Keys with writes in flight, and how many each has.
    in_flight: HashMap<ObjectKey, usize>,
    /// So many keys may have writes in flight at once.
    most_keys: Option<NonZeroUsize>,
}

impl Seat {
    pub(crate) fn new(
        controller: Box<dyn Controller>,
        writer: Writer,
        queue_metrics: QueueHandles,
        events: EventSink,
        most_keys: Option<NonZeroUsize>,
        seed: u64,
    ) -> Self {
        Self {
            controller,
            writer,
            queue: Queue::new(Backoff::with_seed(seed)),
            queue_metrics,
            events,
            dirty: Dirty::default(),
            started: false,
            repairs: Repairs::default(),
            fights: Warnings::default(),
            conflicts: Conflicts::default(),
            altered: Warnings::default(),
            failures: Failures::default(),
            passed_over: 0,
            last_turn: 0,
            in_flight: HashMap::new(),
            most_keys,
        }
    }

    /// Who wrote what is kept here is no rival: it was not this process's to write.
    pub(super) fn forget_rivals(&mut self) {
        self.repairs = Repairs::default();
    }

    /// What the controller marked goes into its queue.
    pub(super) fn flush(&mut self, now: Instant) {
        for key in self.dirty.forgotten.drain(..) {
            self.queue.forget(&key);
        }
        for mark in self.dirty.marked.drain(..) {
            let mut due = now;
            if mark.repair {
                let repair = self.repairs.wanted(&mark.key, now);
                due = repair.due;
                if repair.again {
                    self.queue_metrics.repaired_again();
                }
                if repair.fight && self.fights.due(&(), now) {
                    tracing::warn!(
                        controller = self.controller.name(),
                        key = %mark.key,
                        "another writer is at work: what is kept for this key is changed again and again; {}",
                        self.controller.rival()
                    );
                }
            }
            self.queue.add(mark.key, mark.priority, due + mark.delay);
        }
    }

    /// An update of this object was refused, since somebody else had changed it.
    ///
    /// A writer that keeps the same objects loses as often as it wins and need not undo anything, so that nothing else
    /// tells of it.
    pub(super) fn conflicted(&mut self, object: &ObjectKey, now: Instant) {
        if self.conflicts.too_many(now) && self.fights.due(&(), now) {
            tracing::warn!(
                controller = self.controller.name(),
                %object,
                "another writer is at work: updates are refused again and again, as the object was changed meanwhile; {}",
                self.controller.rival()
            );
        }
    }

    /// Forgets what is long ago.
    pub(super) fn prune(&mut self, now: Instant) {
        self.repairs.prune(now);
        self.altered.prune(now);
        self.failures.prune(now);
    }

    /// The key whose turn it is. While as many keys as may be have writes in flight, only these have a turn.
    pub(super) fn take(&mut self, now: Instant) -> Option<Taken<ObjectKey>> {
        if self.is_full() {
            self.queue.take_of(self.in_flight.keys(), now)
        } else {
            self.queue.take(now)
        }
    }

    /// Priority and due time of the key that [`Seat::take`] would give.
    pub(super) fn next(&mut self, now: Instant) -> Option<(Priority, Instant)> {
        if self.is_full() {
            self.queue.next_of(self.in_flight.keys(), now)
        } else {
            self.queue.next(now)
        }
    }

    /// When [`Seat::take`] will give a key, as things stand.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        if self.is_full() {
            self.queue.next_due_of(self.in_flight.keys(), now)
        } else {
            self.queue.next_due(now)
        }
    }

    fn is_full(&self) -> bool {
        self.most_keys
            .is_some_and(|most| self.in_flight.len() >= most.get())
    }

    /// A write of this key is in flight.
    pub(super) fn sent(&mut self, key: &ObjectKey) {
        *self.in_flight.entry(key.clone()).or_default() += 1;
    }

    /// A write of this key has ended.
    pub(super) fn ended(&mut self, key: &ObjectKey) {
        if let Some(count) = self.in_flight.get_mut(key) {
            *count -= 1;
            if *count == 0 {
                self.in_flight.remove(key);
            }
        }
    }
}
