//! Which replicas there are, by the Leases that they renew.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Which replicas there are, by the Leases that they renew, each its own.
///
/// As with the Lease of the leader nobody reads another's clock: a replica is there as long as its Lease has changed here within
/// its duration. Replicas may see each other differently for a while; whoever shares work out by what is told here has to bear that.
#[derive(Clone, Debug)]
pub struct Members {
    me: String,
    lease: Duration,
    hand_over: Duration,
    /// Of each other replica the version of its Lease, and since when it is known.
    seen: BTreeMap<String, (String, Instant)>,
    /// Who has gone, or come, and when: up to the hand-over time ago.
    changes: Vec<(Instant, String)>,
    there: BTreeSet<String>,
    began: Option<Instant>,
}

/// The replicas of now and those of a while ago.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Those that are there.
    pub now: Vec<String>,
    /// Those that were there when all that is under way was begun: who came since is not among them, who went since is.
    pub before: Vec<String>,
}

impl Members {
    /// Knows of this replica alone. A Lease is good for `lease`; what a replica has begun is done after `hand_over`.
    pub fn new(me: impl Into<String>, lease: Duration, hand_over: Duration) -> Self {
        let me = me.into();
        Self {
            there: BTreeSet::from([me.clone()]),
            me,
            lease,
            hand_over,
            seen: BTreeMap::new(),
            changes: Vec::new(),
            began: None,
        }
    }

    /// The Lease of a replica was read.
    pub fn told(&mut self, name: &str, version: &str, now: Instant) {
        if name == self.me {
            return;
        }
        match self.seen.get_mut(name) {
            Some((known, _)) if known == version => {}
            Some(seen) => *seen = (version.to_owned(), now),
            None => _ = self.seen.insert(name.to_owned(), (version.to_owned(), now)),
        }
    }

    /// These Leases there are, and no others.
    pub fn keep(&mut self, names: &[&str]) {
        self.seen.retain(|name, _| names.contains(&name.as_str()));
    }

    /// Who is there at `now`, and who was.
    pub fn view(&mut self, now: Instant) -> View {
        let lease = self.lease;
        self.seen
            .retain(|_, (_, since)| now.saturating_duration_since(*since) < lease);
        let mut there: BTreeSet<String> = self.seen.keys().cloned().collect();
        there.insert(self.me.clone());
        if self.began.is_some() {
            let changed = there.symmetric_difference(&self.there);
            self.changes.extend(changed.map(|name| (now, name.clone())));
        } else {
            self.began = Some(now);
            // The others were there before this one, and know nothing of it yet.
            if there.len() > 1 {
                self.changes.push((now, self.me.clone()));
            }
        }
        let hand_over = self.hand_over;
        self.changes
            .retain(|(at, _)| now.saturating_duration_since(*at) < hand_over);
        self.there = there;
        let mut before = self.there.clone();
        for (_, name) in self.changes.iter().rev() {
            // Undoes the change.
            if !before.remove(name) {
                before.insert(name.clone());
            }
        }
        View {
            now: self.there.iter().cloned().collect(),
            before: before.into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(10);
    const HAND_OVER: Duration = Duration::from_secs(70);

    fn told(members: &mut Members, now: Instant) -> String {
        let View { now, before } = members.view(now);
        format!("{} / {}", now.join(""), before.join(""))
    }

    #[test]
    fn who_is_there_at_the_beginning_was_there_before_this_one() {
        let (mut members, start) = (Members::new("a", LEASE, HAND_OVER), Instant::now());
        members.told("b", "1", start);
        assert_eq!(told(&mut members, start), "ab / b");
        members.told("b", "2", start + HAND_OVER);
        assert_eq!(told(&mut members, start + HAND_OVER), "ab / ab");
        assert_eq!(told(&mut Members::new("a", LEASE, HAND_OVER), start), "a / a");
    }

    #[test]
    fn who_comes_or_goes_is_told_apart_until_all_that_was_begun_is_done() {
        let (mut members, start) = (Members::new("a", LEASE, HAND_OVER), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(told(&mut members, at(0)), "a / a");
        members.told("b", "1", at(1));
        assert_eq!(told(&mut members, at(1)), "ab / a");
        for second in 2..75 {
            members.told("b", &second.to_string(), at(second));
            let expected = if second < 71 { "ab / a" } else { "ab / ab" };
            assert_eq!(told(&mut members, at(second)), expected, "{second}");
        }
        // It renews no more.
        assert_eq!(told(&mut members, at(83)), "ab / ab");
        assert_eq!(told(&mut members, at(84)), "a / ab");
        assert_eq!(told(&mut members, at(84 + 69)), "a / ab");
        assert_eq!(told(&mut members, at(84 + 70)), "a / a");
    }

    #[test]
    fn who_goes_and_comes_back_was_there_before() {
        let (mut members, start) = (Members::new("a", LEASE, HAND_OVER), Instant::now());
        members.told("b", "1", start);
        members.view(start);
        let later = start + HAND_OVER;
        members.told("b", "2", later);
        assert_eq!(told(&mut members, later), "ab / ab");
        members.keep(&[]);
        assert_eq!(told(&mut members, later), "a / ab");
        members.told("b", "3", later);
        assert_eq!(told(&mut members, later), "ab / ab");
    }

    #[test]
    fn a_lease_that_is_told_again_unchanged_is_not_renewed() {
        let (mut members, start) = (Members::new("a", LEASE, HAND_OVER), Instant::now());
        members.told("b", "1", start);
        members.view(start);
        members.told("b", "1", start + Duration::from_secs(9));
        assert_eq!(told(&mut members, start + LEASE), "a / b");
        // Its own Lease is no other replica's.
        members.told("a", "1", start + LEASE);
        assert_eq!(told(&mut members, start + LEASE), "a / b");
    }
}
