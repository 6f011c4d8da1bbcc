//! What was released, until its time has come.

use std::collections::VecDeque;
use std::hash::Hash;
use std::time::{Duration, Instant};

use hashbrown::HashMap;

/// Entries of no use that are kept at least.
const SLACK: usize = 64;

/// Values that were released and may not be given again yet. All of one wait equally long, so that they come free in the order
/// in which they were released; that order is also the one in which [least recently](Quarantine::oldest) used values are told.
#[derive(Clone, Debug)]
pub struct Quarantine<V> {
    time: Duration,
    /// In the order of release. One that was released again, or taken back, stands here with an older number, too.
    queue: VecDeque<(V, u64, Instant)>,
    /// The number and time of the latest release of each.
    waiting: HashMap<V, (u64, Instant)>,
    next: u64,
}

impl<V: Copy + Eq + Hash> Quarantine<V> {
    /// One in which each value waits for `time`; [`Duration::ZERO`] for none.
    pub fn new(time: Duration) -> Self {
        Self {
            time,
            queue: VecDeque::new(),
            waiting: HashMap::new(),
            next: 0,
        }
    }

    /// A value was released at a time, usually later than all others; one that waits already begins anew.
    pub fn release(&mut self, value: V, at: Instant) {
        self.next += 1;
        self.waiting.insert(value, (self.next, at));
        let before = self.queue.iter().rposition(|(.., released)| *released <= at);
        let place = before.map_or(0, |before| before + 1);
        self.queue.insert(place, (value, self.next, at));
        // One that nobody takes may stay in front for ever, and old entries behind it.
        if self.queue.len() > 2 * self.waiting.len() + SLACK {
            let waiting = &self.waiting;
            self.queue
                .retain(|(value, number, _)| waiting.get(value).is_some_and(|(latest, _)| latest == number));
        }
    }

    /// A value is taken again before its time has come, by whom it was kept for. Whether it waited.
    pub fn take_back(&mut self, value: V) -> bool {
        self.waiting.remove(&value).is_some()
    }

    /// Whether a value waits.
    pub fn holds(&self, value: V) -> bool {
        self.waiting.contains_key(&value)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The values whose time has come, which wait no longer, in the order of their release.
    pub fn due(&mut self, now: Instant) -> Vec<V> {
        let mut due = Vec::new();
        while let Some((value, released)) = self.first() {
            if now.saturating_duration_since(released) < self.time {
                break;
            }
            self.queue.pop_front();
            self.waiting.remove(&value);
            due.push(value);
        }
        due
    }

    /// When the next one comes free.
    pub fn next_due(&mut self) -> Option<Instant> {
        self.first().map(|(_, released)| released + self.time)
    }

    /// The one that has waited longest.
    pub fn oldest(&mut self) -> Option<V> {
        self.first().map(|(value, _)| value)
    }

    /// Those whose time has come, in the order of their release; they go on waiting.
    pub fn ripe(&self, now: Instant) -> impl Iterator<Item = V> {
        let due = self
            .queue
            .iter()
            .take_while(move |(.., released)| now.saturating_duration_since(*released) >= self.time);
        let waits = |(value, number, _): &(V, u64, Instant)| {
            let latest = self
                .waiting
                .get(value)
                .is_some_and(|(latest, _)| latest == number);
            latest.then_some(*value)
        };
        due.filter_map(waits)
    }

    /// The first that still waits by its latest release; entries before it are of no use any more.
    fn first(&mut self) -> Option<(V, Instant)> {
        while let Some((value, number, _)) = self.queue.front().copied() {
            match self.waiting.get(&value) {
                Some((latest, released)) if *latest == number => return Some((value, *released)),
                _ => _ = self.queue.pop_front(),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_mins(5);

    #[test]
    fn a_value_comes_free_when_its_time_has_come_and_not_before() {
        let (mut quarantine, start) = (Quarantine::new(TIME), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        quarantine.release(7, at(0));
        quarantine.release(3, at(10));
        assert_eq!(quarantine.next_due(), Some(at(300)));
        assert_eq!(quarantine.due(at(299)), [0; 0]);
        assert_eq!(quarantine.due(at(300)), [7]);
        assert!(!quarantine.holds(7) && quarantine.holds(3));
        assert_eq!(quarantine.due(at(1000)), [3]);
        assert!(quarantine.is_empty() && quarantine.next_due().is_none());
    }

    #[test]
    fn one_that_is_released_again_begins_anew_and_one_that_is_taken_back_waits_no_longer() {
        let (mut quarantine, start) = (Quarantine::new(TIME), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        for (value, seconds) in [(1, 0), (2, 1), (3, 2), (1, 200)] {
            quarantine.release(value, at(seconds));
        }
        assert!(quarantine.take_back(2) && !quarantine.take_back(2));
        assert_eq!((quarantine.oldest(), quarantine.len()), (Some(3), 2));
        assert_eq!(quarantine.due(at(400)), [3]);
        assert_eq!(quarantine.due(at(500)), [1]);
    }

    #[test]
    fn one_that_was_released_before_others_is_told_before_them_also_when_that_is_learned_later() {
        let (mut quarantine, start) = (Quarantine::new(TIME), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        for (value, seconds) in [(1, 10), (2, 30), (3, 20), (4, 0)] {
            quarantine.release(value, at(seconds));
        }
        assert_eq!(quarantine.due(at(330)), [4, 1, 3, 2]);
    }

    #[test]
    fn what_is_taken_back_again_and_again_behind_one_that_stays_is_not_kept() {
        let (mut quarantine, start) = (Quarantine::new(TIME), Instant::now());
        quarantine.release(0, start);
        for n in 0..10_000 {
            quarantine.release(1, start + Duration::from_secs(n));
            quarantine.take_back(1);
        }
        assert!(quarantine.queue.len() <= 2 + SLACK + 1);
        assert_eq!(quarantine.oldest(), Some(0));
    }

    #[test]
    fn without_a_time_a_value_is_free_at_once() {
        let (mut quarantine, now) = (Quarantine::new(Duration::ZERO), Instant::now());
        quarantine.release("a", now);
        assert_eq!(quarantine.due(now), ["a"]);
    }
}
