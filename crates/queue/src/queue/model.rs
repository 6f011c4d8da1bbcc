//! The queue against a model so simple that it is right by inspection, under random sequences of calls.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use crate::{Backoff, Priority, Queue};

const BASE: Duration = Duration::from_millis(50);
const MAX: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
enum Call {
    Add(u8, Priority, u64),
    Take,
    TakeOf(Vec<u8>),
    Done(u8),
    Retry(u8, Priority),
    RetryAfter(u8, Priority, u64),
    Forget(u8),
    Advance(u64),
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let key = 0_u8..12;
    let priority = prop::sample::select(Priority::ALL.to_vec());
    let ms = prop_oneof![Just(0), 0_u64..400];
    let call = prop_oneof![
        6 => (key.clone(), priority.clone(), ms.clone()).prop_map(|(k, p, d)| Call::Add(k, p, d)),
        6 => Just(Call::Take),
        3 => prop::collection::vec(key.clone(), 0..5).prop_map(Call::TakeOf),
        4 => key.clone().prop_map(Call::Done),
        2 => (key.clone(), priority.clone()).prop_map(|(k, p)| Call::Retry(k, p)),
        1 => (key.clone(), priority, ms.clone()).prop_map(|(k, p, d)| Call::RetryAfter(k, p, d)),
        1 => key.prop_map(Call::Forget),
        3 => ms.prop_map(Call::Advance),
    ];
    prop::collection::vec(call, 1..200)
}

#[derive(Default)]
struct Model {
    waiting: BTreeMap<u8, (Instant, Priority)>,
    in_process: Vec<u8>,
    failures: BTreeMap<u8, u32>,
    /// Takes from higher priorities while one of this priority was due.
    passed_over: BTreeMap<Priority, u32>,
}

impl Model {
    fn add(&mut self, key: u8, priority: Priority, due: Instant) {
        let slot = self.waiting.entry(key).or_insert((due, priority));
        *slot = (slot.0.min(due), slot.1.max(priority));
    }

    fn due(&self, now: Instant) -> Vec<(u8, Instant, Priority)> {
        let free = self
            .waiting
            .iter()
            .filter(|(key, _)| !self.in_process.contains(key));
        free.filter(|(_, (due, _))| *due <= now)
            .map(|(key, (due, priority))| (*key, *due, *priority))
            .collect()
    }

    /// The priority whose turn it is by the documented rule.
    fn turn(&mut self, due: &[(u8, Instant, Priority)]) -> Priority {
        let has = |p: Priority| due.iter().any(|(_, _, priority)| *priority == p);
        let patient_no_more = [Priority::Low, Priority::Normal]
            .into_iter()
            .find(|p| has(*p) && self.passed_over.get(p).copied().unwrap_or(0) >= p.patience());
        let turn = patient_no_more.unwrap_or_else(|| due.iter().map(|(_, _, p)| *p).max().unwrap());
        for lower in Priority::ALL.into_iter().filter(|p| *p < turn) {
            let count = self.passed_over.entry(lower).or_default();
            *count = if has(lower) { *count + 1 } else { 0 };
        }
        self.passed_over.insert(turn, 0);
        turn
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_queue_agrees_with_the_naive_model(calls in calls(), seed in any::<u64>()) {
        let mut now = Instant::now();
        let mut queue: Queue<u8> = Queue::new(Backoff::new(BASE, MAX, seed));
        let mut model = Model::default();
        for call in calls {
            match call {
                Call::Add(key, priority, ms) => {
                    let due = now + Duration::from_millis(ms);
                    queue.add(key, priority, due);
                    model.add(key, priority, due);
                }
                Call::Take => {
                    let due = model.due(now);
                    let next = queue.next(now);
                    let taken = queue.take(now);
                    prop_assert_eq!(taken.is_some(), !due.is_empty());
                    prop_assert_eq!(next.map(|(priority, due)| (priority, now.saturating_duration_since(due))), taken.as_ref().map(|taken| (taken.priority, taken.waited)));
                    if let Some(taken) = taken {
                        let turn = model.turn(&due);
                        let earliest =
                            due.iter().filter(|d| d.2 == turn).map(|d| d.1).min().unwrap();
                        let (expected_due, expected_priority) = model.waiting.remove(&taken.key).unwrap();
                        prop_assert!(!model.in_process.contains(&taken.key), "given out twice");
                        prop_assert_eq!(taken.priority, turn);
                        prop_assert_eq!(expected_priority, turn);
                        prop_assert_eq!(expected_due, earliest);
                        prop_assert_eq!(taken.waited, now - expected_due);
                        prop_assert_eq!(taken.failures, model.failures.get(&taken.key).copied().unwrap_or(0));
                        model.in_process.push(taken.key);
                    }
                }
                Call::TakeOf(keys) => {
                    let due = model.due(now).into_iter().filter(|due| keys.contains(&due.0));
                    let best = due.map(|(_, due, priority)| (priority, std::cmp::Reverse(due))).max();
                    let next = queue.next_of(&keys, now);
                    prop_assert_eq!(next, best.map(|(priority, due)| (priority, due.0)));
                    let taken = queue.take_of(&keys, now);
                    prop_assert_eq!(taken.is_some(), best.is_some());
                    if let Some(taken) = taken {
                        prop_assert!(keys.contains(&taken.key));
                        let (due, priority) = model.waiting.remove(&taken.key).unwrap();
                        prop_assert_eq!(Some((priority, std::cmp::Reverse(due))), best);
                        prop_assert_eq!(taken.priority, priority);
                        prop_assert_eq!(taken.waited, now - due);
                        prop_assert_eq!(taken.failures, model.failures.get(&taken.key).copied().unwrap_or(0));
                        model.in_process.push(taken.key);
                    }
                }
                Call::Done(key) => {
                    queue.done(&key);
                    model.in_process.retain(|k| *k != key);
                }
                Call::Retry(key, priority) => {
                    let failures = model.failures.entry(key).or_default();
                    *failures += 1;
                    let whole = (BASE * 2_u32.pow((*failures - 1).min(10))).min(MAX);
                    let waiting = model.waiting.get(&key).map(|(due, _)| *due);
                    let due = queue.retry(key, priority, now);
                    if waiting.is_none_or(|waiting| due < waiting) {
                        prop_assert!(due >= now + whole / 2 && due <= now + whole);
                    } else {
                        prop_assert_eq!(Some(due), waiting);
                    }
                    model.in_process.retain(|k| *k != key);
                    model.add(key, priority, due);
                }
                Call::RetryAfter(key, priority, ms) => {
                    let at = now + Duration::from_millis(ms);
                    model.in_process.retain(|k| *k != key);
                    model.add(key, priority, at);
                    prop_assert_eq!(queue.retry_after(key, priority, at), model.waiting[&key].0);
                }
                Call::Forget(key) => {
                    queue.forget(&key);
                    model.failures.remove(&key);
                }
                Call::Advance(ms) => now += Duration::from_millis(ms),
            }
            let free = model.waiting.iter().filter(|(key, _)| !model.in_process.contains(key));
            let next = free.map(|(_, (due, _))| (*due).max(now)).min();
            prop_assert_eq!(queue.next_due(now), next);
            let some = [1, 5, 9];
            let free = model.waiting.iter().filter(|(key, _)| some.contains(*key) && !model.in_process.contains(key));
            let next = free.map(|(_, (due, _))| (*due).max(now)).min();
            prop_assert_eq!(queue.next_due_of(&some, now), next);
        }
        // Nothing is lost: all that waits comes out in the end, each key once, and nothing is held afterwards.
        for key in 0..12 {
            queue.done(&key);
            queue.forget(&key);
        }
        now += Duration::from_mins(1);
        let mut left: Vec<u8> = model.waiting.into_keys().collect();
        while let Some(taken) = queue.take(now) {
            let place = left.iter().position(|k| *k == taken.key);
            prop_assert!(place.is_some(), "{} came out without being added", taken.key);
            left.swap_remove(place.unwrap());
            queue.done(&taken.key);
        }
        prop_assert!(left.is_empty(), "lost {:?}", left);
        prop_assert!(queue.is_empty());
        prop_assert!(queue.entries.is_empty(), "memory is held for {:?}", queue.entries);
    }
}
