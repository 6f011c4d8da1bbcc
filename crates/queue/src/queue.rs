//! The keyed work queue.

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::time::{Duration, Instant};

use crate::backoff::Backoff;
use crate::lanes::{Lanes, Position, Priority};

/// Keys that wait for their controller.
///
/// Guarantees:
/// - A key waits at most once. Added again, it keeps the *earliest* due time and the *highest* priority. So a
///   burst of adds, each due a batch period later, fires once, one period after the first of the burst.
/// - A key that was taken is not given out again before [`done`](Self::done) (or a retry); what was added
///   meanwhile runs once more afterwards.
/// - No key is lost: what is added is taken in the end, however often it failed.
/// - Of the due keys the highest priority goes first, within it the earliest due, then the first come. Lower
///   priorities are not starved, see [`Priority::patience`].
///
/// Each call costs O(log n). Memory is held for keys that wait, are in process, or have failed since they were
/// last [forgotten](Self::forget).
#[derive(Debug)]
pub struct Queue<K> {
    entries: HashMap<K, Entry>,
    /// Keys that wait and were not due when [`promote`](Self::promote) last looked.
    delayed: BTreeMap<Position, (Priority, K)>,
    lanes: Lanes<K>,
    backoff: Backoff,
    arrivals: u64,
    in_process: usize,
    adds: u64,
    retries: u64,
}

/// What is known of a key. Held only while something is known.
#[derive(Debug, Default)]
struct Entry {
    failures: u32,
    in_process: bool,
    /// In `delayed` or in a lane, unless the key is in process: then nowhere else, until it is done.
    waiting: Option<Waiting>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Waiting {
    position: Position,
    priority: Priority,
}

/// A key given out for processing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken<K> {
    /// The key. It is the caller's until [`Queue::done`] or a retry.
    pub key: K,
    /// The highest priority it was added with.
    pub priority: Priority,
    /// Failures since it was last forgotten.
    pub failures: u32,
    /// Time since it was due.
    pub waited: Duration,
}

/// Figures for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Keys that are due.
    pub depth: usize,
    /// Keys that wait for their due time.
    pub delayed: usize,
    /// Keys given out.
    pub in_process: usize,
    /// Time since the oldest due key became due; zero if none is due.
    pub oldest_age: Duration,
    /// Keys that began to wait, since the start. Adds to a key already waiting are not counted.
    pub adds: u64,
    /// Retries asked for, since the start.
    pub retries: u64,
}

impl<K: Clone + Eq + Hash> Queue<K> {
    /// An empty queue.
    pub fn new(backoff: Backoff) -> Self {
        Self {
            entries: HashMap::new(),
            delayed: BTreeMap::new(),
            lanes: Lanes::new(),
            backoff,
            arrivals: 0,
            in_process: 0,
            adds: 0,
            retries: 0,
        }
    }

    /// Has `key` taken at `due` or later.
    pub fn add(&mut self, key: K, priority: Priority, due: Instant) {
        self.schedule(key, priority, due);
    }

    /// Gives out the key whose turn it is, if any is due at `now`.
    pub fn take(&mut self, now: Instant) -> Option<Taken<K>> {
        self.promote(now);
        let (priority, (due, _), key) = self.lanes.pop()?;
        Some(self.give(key, priority, due, now))
    }

    /// As [`take`](Self::take), but only of these keys: the highest priority goes first, within it the earliest due.
    /// Each of them costs a look-up, so they should be few.
    pub fn take_of<'k>(&mut self, keys: impl IntoIterator<Item = &'k K>, now: Instant) -> Option<Taken<K>>
    where
        K: 'k,
    {
        self.promote(now);
        let (key, waiting) = self.first_of(keys, now)?;
        let key = key.clone();
        self.unqueue(waiting);
        Some(self.give(key, waiting.priority, waiting.position.0, now))
    }

    /// Priority and due time of the key that [`take`](Self::take) would give.
    pub fn next(&mut self, now: Instant) -> Option<(Priority, Instant)> {
        self.promote(now);
        self.lanes.first().map(|(priority, (due, _))| (priority, due))
    }

    /// Priority and due time of the key that [`take_of`](Self::take_of) would give.
    pub fn next_of<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k K>,
        now: Instant,
    ) -> Option<(Priority, Instant)>
    where
        K: 'k,
    {
        self.first_of(keys, now)
            .map(|(_, waiting)| (waiting.priority, waiting.position.0))
    }

    fn first_of<'k>(&self, keys: impl IntoIterator<Item = &'k K>, now: Instant) -> Option<(&'k K, Waiting)>
    where
        K: 'k,
    {
        self.waiting_of(keys)
            .filter(|(_, waiting)| waiting.position.0 <= now)
            .max_by_key(|(_, waiting)| (waiting.priority, Reverse(waiting.position)))
    }

    /// As [`next_due`](Self::next_due), of these keys.
    pub fn next_due_of<'k>(&self, keys: impl IntoIterator<Item = &'k K>, now: Instant) -> Option<Instant>
    where
        K: 'k,
    {
        self.waiting_of(keys)
            .map(|(_, waiting)| waiting.position.0.max(now))
            .min()
    }

    /// Those of the keys that wait and are not in process.
    fn waiting_of<'k>(&self, keys: impl IntoIterator<Item = &'k K>) -> impl Iterator<Item = (&'k K, Waiting)>
    where
        K: 'k,
    {
        keys.into_iter().filter_map(|key| {
            let entry = self.entries.get(key).filter(|entry| !entry.in_process)?;
            Some((key, entry.waiting?))
        })
    }

    fn give(&mut self, key: K, priority: Priority, due: Instant, now: Instant) -> Taken<K> {
        let entry = self.entries.entry(key.clone()).or_default();
        entry.waiting = None;
        entry.in_process = true;
        self.in_process += 1;
        Taken {
            key,
            priority,
            failures: entry.failures,
            waited: now.saturating_duration_since(due),
        }
    }

    /// Ends the processing of a key. Its failures stay counted until [`forget`](Self::forget).
    pub fn done(&mut self, key: &K) {
        self.release(key);
        self.drop_if_idle(key);
    }

    /// Ends the processing of a key that failed, and has it taken again after its back-off, or earlier if it was
    /// added meanwhile with an earlier due time. May also be called after [`done`](Self::done), when a failure
    /// comes to light later. Returns when the key is due.
    pub fn retry(&mut self, key: K, priority: Priority, now: Instant) -> Instant {
        let entry = self.entries.entry(key.clone()).or_default();
        entry.failures = entry.failures.saturating_add(1);
        let at = now + self.backoff.delay(entry.failures);
        self.retry_after(key, priority, at)
    }

    /// As [`retry`](Self::retry), at a time the caller knows, for example because the apiserver named it. Not
    /// counted as a failure of the key.
    pub fn retry_after(&mut self, key: K, priority: Priority, at: Instant) -> Instant {
        self.retries += 1;
        self.release(&key);
        self.schedule(key, priority, at)
    }

    /// Forgets the failures of a key, because it succeeded or is no more: its next failure backs off from the
    /// start. A key that waits goes on waiting.
    pub fn forget(&mut self, key: &K) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.failures = 0;
        }
        self.drop_if_idle(key);
    }

    /// When there will be something to take: `now` if a key is due, later if all keys wait, `None` if none waits.
    pub fn next_due(&self, now: Instant) -> Option<Instant> {
        if self.lanes.len() > 0 {
            return Some(now);
        }
        self.delayed
            .first_key_value()
            .map(|((due, _), _)| (*due).max(now))
    }

    /// Keys that wait, due or not, other than those in process.
    pub fn waiting(&self) -> usize {
        self.lanes.len() + self.delayed.len()
    }

    /// Whether nothing waits and nothing is in process.
    pub fn is_empty(&self) -> bool {
        self.waiting() == 0 && self.in_process == 0
    }

    /// Figures for metrics.
    pub fn stats(&mut self, now: Instant) -> Stats {
        self.promote(now);
        Stats {
            depth: self.lanes.len(),
            delayed: self.delayed.len(),
            in_process: self.in_process,
            oldest_age: self
                .lanes
                .oldest()
                .map(|due| now.saturating_duration_since(due))
                .unwrap_or_default(),
            adds: self.adds,
            retries: self.retries,
        }
    }

    fn schedule(&mut self, key: K, priority: Priority, due: Instant) -> Instant {
        self.arrivals += 1;
        let arrival = (due, self.arrivals);
        let entry = self.entries.entry(key.clone()).or_default();
        let wanted = match entry.waiting {
            None => Waiting {
                position: arrival,
                priority,
            },
            Some(waiting) => Waiting {
                // The arrival counts up, so an equal due time keeps its place.
                position: waiting.position.min(arrival),
                priority: waiting.priority.max(priority),
            },
        };
        let before = entry.waiting.replace(wanted);
        if before == Some(wanted) {
            return wanted.position.0;
        }
        let in_process = entry.in_process;
        match before {
            None => self.adds += 1,
            Some(before) if !in_process => self.unqueue(before),
            Some(_) => {}
        }
        if !in_process {
            self.delayed.insert(wanted.position, (wanted.priority, key));
        }
        wanted.position.0
    }

    fn unqueue(&mut self, waiting: Waiting) {
        if self.delayed.remove(&waiting.position).is_none() {
            self.lanes.remove(waiting.priority, waiting.position);
        }
    }

    /// Marks a key as no longer in process and queues what was added meanwhile.
    fn release(&mut self, key: &K) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        if !std::mem::take(&mut entry.in_process) {
            return;
        }
        self.in_process -= 1;
        if let Some(waiting) = entry.waiting {
            self.delayed
                .insert(waiting.position, (waiting.priority, key.clone()));
        }
    }

    fn drop_if_idle(&mut self, key: &K) {
        let idle = |entry: &Entry| entry.failures == 0 && !entry.in_process && entry.waiting.is_none();
        if self.entries.get(key).is_some_and(idle) {
            self.entries.remove(key);
        }
    }

    /// Moves what has become due into its lane.
    fn promote(&mut self, now: Instant) {
        while let Some(first) = self.delayed.first_entry() {
            if first.key().0 > now {
                return;
            }
            let (position, (priority, key)) = first.remove_entry();
            self.lanes.push(priority, position, key);
        }
    }
}
