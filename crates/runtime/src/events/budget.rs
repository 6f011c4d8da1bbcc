//! How many Events each object may have.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ObjectReference;

/// Events an object may have at once, and the time in which it earns another: as client-go's spam filter has it
/// (`k8s.io/client-go` `tools/record/events_cache.go`, `defaultSpamBurst` and `defaultSpamQPS`).
pub(super) const BURST: u32 = 25;
pub(super) const REFILL: Duration = Duration::from_mins(5);

/// Objects remembered; client-go's `maxLruCacheEntries`.
pub(super) const MAX_OBJECTS: usize = 4096;

/// A token bucket for each object that had Events lately.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    buckets: HashMap<Key, Bucket>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    kind: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
    uid: Option<String>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: u32,
    /// When the last token was earned, or the bucket was full.
    since: Instant,
}

impl Bucket {
    fn refill(&mut self, now: Instant) {
        let earned = now.saturating_duration_since(self.since).as_secs() / REFILL.as_secs();
        let earned = u32::try_from(earned).unwrap_or(u32::MAX);
        self.since += REFILL * earned;
        self.tokens = self.tokens.saturating_add(earned).min(BURST);
        if self.tokens == BURST {
            self.since = now;
        }
    }
}

impl Budgets {
    /// Takes one Event from the budget of an object. False if it has none left.
    pub(super) fn spend(&mut self, object: &ObjectReference, now: Instant) -> bool {
        let key = Key {
            kind: object.kind.clone(),
            namespace: object.namespace.clone(),
            name: object.name.clone(),
            uid: object.uid.clone(),
        };
        if self.buckets.len() >= MAX_OBJECTS && !self.buckets.contains_key(&key) {
            self.make_room(now);
        }
        let bucket = self.buckets.entry(key).or_insert(Bucket {
            tokens: BURST,
            since: now,
        });
        bucket.refill(now);
        let Some(left) = bucket.tokens.checked_sub(1) else {
            return false;
        };
        bucket.tokens = left;
        true
    }

    /// Forgets the objects whose budget is full, which costs nothing, and if there are none the fuller half:
    /// those that spam stay known. A scan, but once for thousands of objects.
    fn make_room(&mut self, now: Instant) {
        for bucket in self.buckets.values_mut() {
            bucket.refill(now);
        }
        self.buckets.retain(|_, bucket| bucket.tokens < BURST);
        if self.buckets.len() < MAX_OBJECTS {
            return;
        }
        let mut tokens: Vec<u32> = self.buckets.values().map(|bucket| bucket.tokens).collect();
        let middle = tokens.len() / 2;
        let (_, median, _) = tokens.select_nth_unstable(middle);
        let median = *median;
        let emptier = self
            .buckets
            .values()
            .filter(|bucket| bucket.tokens < median)
            .count();
        let mut room = (MAX_OBJECTS / 2).saturating_sub(emptier);
        self.buckets.retain(|_, bucket| {
            let by_room = bucket.tokens == median && room > 0;
            room -= usize::from(by_room);
            bucket.tokens < median || by_room
        });
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.buckets.len()
    }
}
