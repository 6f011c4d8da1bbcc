//! Which parts of a pool this replica gives values of, without asking the others.

use quaymaster_allocator::shards;

/// Which blocks of a pool are this replica's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Blocks(Option<Shares>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Shares {
    /// Values of a block.
    length: u128,
    own: Vec<bool>,
}

/// Pools of more blocks, as addresses of a /12 have, are not divided: chance keeps replicas apart there.
const MOST: u128 = 1 << 14;

impl Blocks {
    /// All of them: there is no other replica.
    pub(crate) const ALL: Self = Self(None);

    /// This replica's of a pool of so many values: those that it owns both among the replicas of now and among those of before, so
    /// that one that changes hands is given from by nobody for a while.
    pub(crate) fn of(
        pool: &str,
        size: u128,
        length: u128,
        me: &str,
        now: &[String],
        before: &[String],
    ) -> Self {
        let count = size.div_ceil(length.max(1));
        let alone = |replicas: &[String]| replicas.iter().all(|one| one == me);
        if count > MOST || (alone(now) && alone(before)) {
            return Self::ALL;
        }
        let mine = |block, replicas: &[String]| {
            shards::owner(pool, block, replicas.iter().map(String::as_str)) == Some(me)
        };
        // Too few for all to have some: then each value is claimed.
        let tiny = count < now.len() as u128;
        let own = (0..count)
            .map(|block| !tiny && mine(block, now) && mine(block, before))
            .collect();
        Self(Some(Shares { length, own }))
    }

    /// Whether a value lies in an own block.
    pub(crate) fn owns(&self, place: u128) -> bool {
        self.0.as_ref().is_none_or(|Shares { length, own }| {
            let block = usize::try_from(place / length).unwrap_or(usize::MAX);
            own.get(block).copied().unwrap_or(false)
        })
    }

    /// The first free value in an own block, from `start` on, then from the beginning; `free` tells the first free one from a value
    /// on, in any block, around the end.
    pub(crate) fn search(&self, start: u128, free: impl Fn(u128) -> Option<u128>) -> Option<u128> {
        let Some(Shares { length, own }) = &self.0 else {
            return free(start);
        };
        let count = own.len() as u128;
        let first = (start / length).min(count.saturating_sub(1));
        // The first block a second time at last, for what of it lies before the start.
        for step in 0..=count {
            let block = (first + step) % count.max(1);
            if !*own.get(usize::try_from(block).ok()?)? {
                continue;
            }
            let begin = block * length;
            let from = if step == 0 { start } else { begin };
            if let Some(place) = free(from).filter(|place| (from..begin + length).contains(place)) {
                return Some(place);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(of: &[&str]) -> Vec<String> {
        of.iter().map(|name| (*name).to_owned()).collect()
    }

    fn found(blocks: &Blocks, size: u128, start: u128, taken: &[u128]) -> Option<u128> {
        let free = |from: u128| {
            let mut all = (from..size).chain(0..from);
            all.find(|place| !taken.contains(place))
        };
        blocks.search(start, free)
    }

    #[test]
    fn replicas_find_values_in_blocks_of_their_own_wherever_they_begin() {
        let replicas = names(&["a", "b", "c"]);
        let of = |me| Blocks::of("blue", 1000, 16, me, &replicas, &replicas);
        let mut seen = std::collections::BTreeMap::new();
        for me in ["a", "b", "c"] {
            for start in 0..1000 {
                let place = found(&of(me), 1000, start, &[]).unwrap();
                assert_eq!(*seen.entry(place / 16).or_insert(me), me);
            }
        }
    }

    #[test]
    fn a_block_that_changes_hands_is_nobodys() {
        let (before, now) = (names(&["a", "b"]), names(&["a", "b", "c"]));
        let of = |me| Blocks::of("blue", 3200, 16, me, &now, &before);
        let own = |me| match of(me).0 {
            Some(shares) => shares.own.iter().filter(|own| **own).count(),
            None => 200,
        };
        assert_eq!(own("c"), 0);
        assert!((100..180).contains(&(own("a") + own("b"))));
        assert_eq!(
            Blocks::of("blue", 3200, 16, "a", &names(&["a"]), &names(&["a"])),
            Blocks::ALL
        );
    }

    #[test]
    fn what_is_left_of_the_block_before_the_start_is_found_at_last() {
        let blocks = Blocks(Some(Shares {
            length: 64,
            own: vec![true, false],
        }));
        let taken: Vec<u128> = (1..64).collect();
        assert_eq!(found(&blocks, 128, 32, &taken), Some(0));
        assert_eq!(found(&blocks, 128, 70, &taken), Some(0));
    }

    #[test]
    fn of_a_pool_that_is_too_small_to_be_shared_out_nobody_has_a_block() {
        let replicas = names(&["a", "b", "c"]);
        for me in ["a", "b", "c"] {
            let blocks = Blocks::of("blue", 128, 64, me, &replicas, &replicas);
            assert_eq!(found(&blocks, 128, 0, &[]), None);
        }
    }
}
