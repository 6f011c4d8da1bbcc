//! A range beside a plain list of its values.

use proptest::prelude::*;

use super::*;

/// The same, value by value.
struct Plain {
    reasons: Vec<Option<Reason>>,
    excluded: Vec<bool>,
}

impl Plain {
    fn reason(&self, value: usize) -> Option<Reason> {
        self.reasons[value].or(self.excluded[value].then_some(Reason::Excluded))
    }

    fn next_free(&self, start: usize) -> Option<usize> {
        let size = self.reasons.len();
        (start..size)
            .chain(0..start)
            .find(|value| self.reason(*value).is_none())
    }
}

/// A range of `size` values at the beginning of one that is too large for bits, all after which is excluded.
fn sparse(size: u128, excluded: &[RangeInclusive<u128>]) -> Range {
    let all = excluded.iter().cloned().chain([size..=u128::MAX]);
    Range::new(u128::MAX, all)
}

proptest! {
    #[test]
    fn bits_and_tables_say_what_a_plain_list_says(
        size in 1_u128..150,
        excluded in proptest::collection::vec((0_u128..160, 0_u128..20), 0..5),
        steps in proptest::collection::vec((0_usize..7, any::<u8>(), any::<u8>()), 1..200),
    ) {
        let excluded: Vec<RangeInclusive<u128>> =
            excluded.into_iter().map(|(start, length)| start..=start + length).collect();
        let count = usize::try_from(size).unwrap();
        let mut plain = Plain {
            reasons: vec![None; count],
            excluded: (0..size).map(|value| excluded.iter().any(|one| one.contains(&value))).collect(),
        };
        let mut ranges = [Range::new(size, excluded.clone()), sparse(size, &excluded)];
        for (what, value, start) in steps {
            let (value, start) = (usize::from(value) % count, usize::from(start) % count);
            let before = plain.reason(value);
            if let Some(reason) = Reason::ALL.get(what).copied() {
                if reason != Reason::Excluded {
                    plain.reasons[value] = Some(reason);
                }
                for range in &mut ranges {
                    prop_assert_eq!(range.take(value as u128, reason), before);
                }
            } else {
                let had = plain.reasons[value].take();
                for range in &mut ranges {
                    prop_assert_eq!(range.free(value as u128), had);
                }
            }
            for range in &ranges {
                prop_assert_eq!(range.reason(value as u128), plain.reason(value));
                let next = plain.next_free(start).map(|value| value as u128);
                prop_assert_eq!(range.next_free(start as u128), next);
            }
            let free = (0..count).filter(|value| plain.reason(*value).is_none()).count();
            for range in &ranges {
                prop_assert_eq!(range.counts().free(), free as u128);
            }
            for reason in Reason::ALL.into_iter().filter(|reason| *reason != Reason::Excluded) {
                let of = (0..count).filter(|value| plain.reason(*value) == Some(reason)).count();
                prop_assert_eq!(ranges[0].counts().of(reason), of as u128);
            }
        }
    }
}

#[test]
fn nothing_is_taken_beyond_the_range_and_an_empty_one_has_nothing_to_give() {
    let mut range = Range::new(4, []);
    assert_eq!(range.take(4, Reason::Used), None);
    assert_eq!((range.reason(4), range.counts().free()), (None, 4));
    let empty = Range::new(0, [0..=10]);
    assert_eq!((empty.next_free(0), empty.counts()), (None, Counts::default()));
}

#[test]
fn the_largest_range_has_a_last_value() {
    let mut range = Range::new(u128::MAX, [0..=u128::MAX - 2]);
    assert_eq!(range.next_free(5), Some(u128::MAX - 1));
    range.take(u128::MAX - 1, Reason::Used);
    assert_eq!(range.next_free(u128::MAX - 1), None);
}
