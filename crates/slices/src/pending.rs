//! The writes of one Service that are decided or in flight.

use std::collections::{BTreeMap, BTreeSet};

use crate::held::{Held, Rank, SliceId};
use crate::write::WriteId;

/// Lists over what slices have as [`Held::in_flight`]: one write a slice at most, decided or in flight.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(PartialEq))]
pub(crate) struct Pending {
    /// Decided and not sent yet, in the order in which they are to be. They count as done where it matters what slices
    /// hold; a change that concerns one takes it back.
    outbox: BTreeMap<(Rank, WriteId), SliceId>,
    /// Creates and updates, by the round that decided them.
    puts: BTreeSet<(u64, SliceId)>,
    /// Number of writes in flight.
    sent: usize,
}

impl Pending {
    /// Changes a slice, and the lists with it: the one way to give a slice a write, to send that, and to take it away.
    pub(crate) fn change(&mut self, id: SliceId, held: &mut Held, change: impl FnOnce(&mut Held)) {
        self.remove(id, held);
        change(held);
        self.add(id, held);
    }

    fn add(&mut self, id: SliceId, held: &Held) {
        let Some(write) = &held.in_flight else { return };
        match write.unsent {
            Some(rank) => _ = self.outbox.insert((rank, write.id), id),
            None => self.sent += 1,
        }
        if write.put_into().is_some() {
            self.puts.insert((write.round, id));
        }
    }

    fn remove(&mut self, id: SliceId, held: &Held) {
        let Some(write) = &held.in_flight else { return };
        match write.unsent {
            Some(rank) => _ = self.outbox.remove(&(rank, write.id)),
            None => self.sent -= 1,
        }
        self.puts.remove(&(write.round, id));
    }

    /// Number of writes in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.sent
    }

    /// Whether all that is decided is sent.
    pub(crate) fn all_sent(&self) -> bool {
        self.outbox.is_empty()
    }

    /// The slice whose write is to be sent next.
    pub(crate) fn next_unsent(&self) -> Option<SliceId> {
        self.outbox.values().next().copied()
    }

    /// All slices with a write that is not sent yet, in the order in which they are to be.
    pub(crate) fn unsent(&self) -> impl Iterator<Item = SliceId> {
        self.outbox.values().copied()
    }

    /// The earliest round that decided a create or update which is not answered yet.
    pub(crate) fn oldest_put(&self) -> Option<u64> {
        self.puts.first().map(|(round, _)| *round)
    }
}

#[cfg(test)]
mod tests;
