//! A set of small numbers that finds the next one that is not in it.

/// Bits of a word, and branches of a node.
const BITS: u32 = u64::BITS;
/// Bits of a number that say which bit of a word it is.
const SHIFT: u32 = 6;

/// A set of numbers below a size.
///
/// A tree of words: a bit of the lowest level says whether a number is in the set, one of a higher level whether the word
/// below it is full. Every operation touches at most one or two words of each level, however full it is; the memory is a bit
/// for each number and a sixty-third more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bitmap {
    /// The lowest level first; the highest has one word.
    levels: Vec<Vec<u64>>,
    size: u32,
    count: u32,
}

impl Bitmap {
    /// The empty set of numbers below `size`.
    pub fn new(size: u32) -> Self {
        let mut levels = Vec::new();
        let mut below = size;
        loop {
            let words = below.div_ceil(BITS).max(1);
            let mut level = vec![0; words as usize];
            // What is beyond the size is never free.
            let beyond = words * BITS - below;
            if beyond > 0
                && let Some(last) = level.last_mut()
            {
                *last = if beyond == BITS {
                    u64::MAX
                } else {
                    u64::MAX << (BITS - beyond)
                };
            }
            levels.push(level);
            if words == 1 {
                break;
            }
            below = words;
        }
        Self {
            levels,
            size,
            count: 0,
        }
    }

    /// The bound of the numbers.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// How many numbers are in the set.
    pub fn len(&self) -> u32 {
        self.count
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether a number is in the set; none beyond the size is.
    pub fn contains(&self, number: u32) -> bool {
        number < self.size && self.levels[0][(number >> SHIFT) as usize] & bit(number) != 0
    }

    /// Adds a number. `false` where it was there, or is beyond the size.
    pub fn insert(&mut self, number: u32) -> bool {
        if number >= self.size || self.contains(number) {
            return false;
        }
        self.count += 1;
        let mut at = number;
        for level in &mut self.levels {
            let word = &mut level[(at >> SHIFT) as usize];
            *word |= bit(at);
            if *word != u64::MAX {
                break;
            }
            at >>= SHIFT;
        }
        true
    }

    /// Takes a number out. `false` where it was not there.
    pub fn remove(&mut self, number: u32) -> bool {
        if !self.contains(number) {
            return false;
        }
        self.count -= 1;
        let mut at = number;
        for level in &mut self.levels {
            let word = &mut level[(at >> SHIFT) as usize];
            let was_full = *word == u64::MAX;
            *word &= !bit(at);
            if !was_full {
                break;
            }
            at >>= SHIFT;
        }
        true
    }

    /// The least number from `start` on that is not in the set.
    pub fn next_free(&self, start: u32) -> Option<u32> {
        if start >= self.size {
            return None;
        }
        // Up, until some word has a free bit at or after where we are; then down to the lowest one below it.
        let mut at = start;
        for (height, level) in self.levels.iter().enumerate() {
            let word = *level.get((at >> SHIFT) as usize)?;
            let from_here = !word & (u64::MAX << (at % BITS));
            if from_here != 0 {
                return Some(self.lowest((at & !(BITS - 1)) | from_here.trailing_zeros(), height));
            }
            at = (at >> SHIFT) + 1;
        }
        None
    }

    /// The least number that is not in the set from `start` on, and from the beginning where there is none.
    pub fn next_free_around(&self, start: u32) -> Option<u32> {
        self.next_free(start).or_else(|| self.next_free(0))
    }

    /// The least free number below a bit of a level that says that there is one.
    fn lowest(&self, mut at: u32, height: usize) -> u32 {
        for level in self.levels[..height].iter().rev() {
            let free = !level[at as usize];
            at = (at << SHIFT) | free.trailing_zeros();
        }
        at
    }
}

fn bit(number: u32) -> u64 {
    1 << (number % BITS)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn next_free(set: &BTreeSet<u32>, size: u32, start: u32) -> Option<u32> {
        (start..size).find(|number| !set.contains(number))
    }

    #[test]
    fn sizes_at_the_edges_of_words_and_levels_hold_all_their_numbers_and_no_more() {
        for size in [0, 1, 63, 64, 65, 4095, 4096, 4097, 262_143, 262_144, 262_145] {
            let mut bitmap = Bitmap::new(size);
            for number in 0..size {
                assert_eq!(bitmap.next_free(0), Some(number), "{size}");
                assert!(bitmap.insert(number) && !bitmap.insert(number));
            }
            assert_eq!((bitmap.next_free_around(7), bitmap.len()), (None, size));
            assert!(!bitmap.insert(size) && !bitmap.contains(size) && !bitmap.remove(size));
            if size > 0 {
                assert!(bitmap.remove(size / 2));
                assert_eq!(bitmap.next_free_around(size - 1), Some(size / 2));
            }
        }
    }

    proptest! {
        #[test]
        fn it_says_what_a_plain_set_says(
            size in prop_oneof![1_u32..200, 4000_u32..4200],
            steps in proptest::collection::vec((any::<bool>(), any::<u32>(), any::<u32>()), 1..400),
        ) {
            let (mut bitmap, mut set) = (Bitmap::new(size), BTreeSet::new());
            for (insert, number, start) in steps {
                let (number, start) = (number % size, start % size);
                if insert {
                    // A run, so that words fill up.
                    for number in number..size.min(number + 70) {
                        prop_assert_eq!(bitmap.insert(number), set.insert(number));
                    }
                } else {
                    prop_assert_eq!(bitmap.remove(number), set.remove(&number));
                }
                prop_assert_eq!(bitmap.len() as usize, set.len());
                prop_assert_eq!(bitmap.contains(number), set.contains(&number));
                prop_assert_eq!(bitmap.next_free(start), next_free(&set, size, start));
                let around = next_free(&set, size, start).or_else(|| next_free(&set, size, 0));
                prop_assert_eq!(bitmap.next_free_around(start), around);
            }
        }
    }
}
