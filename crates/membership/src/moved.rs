//! What a change of a Pod means for Services.

use smallvec::SmallVec;

use crate::ServiceId;

/// Services of a Pod, sorted. Nearly all Pods have few, so that no allocation is needed.
pub type ServiceIds = SmallVec<[ServiceId; 4]>;

/// Services of a Pod before and after a change; the three lists are sorted and have nothing in common.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Moved {
    /// Matched before and do not now.
    pub left: ServiceIds,
    /// Matched before and do still.
    pub stayed: ServiceIds,
    /// Match now and did not before.
    pub joined: ServiceIds,
}

impl Moved {
    /// A Pod that belongs to no Service any more.
    pub fn leaving(services: ServiceIds) -> Self {
        Self {
            left: services,
            ..Self::default()
        }
    }

    /// Compares two sorted lists.
    pub(crate) fn between(before: &[ServiceId], after: &[ServiceId]) -> Self {
        let mut moved = Self::default();
        let mut after = after.iter().copied().peekable();
        for old in before.iter().copied() {
            while let Some(new) = after.next_if(|new| *new < old) {
                moved.joined.push(new);
            }
            if after.next_if_eq(&old).is_some() {
                moved.stayed.push(old);
            } else {
                moved.left.push(old);
            }
        }
        moved.joined.extend(after);
        moved
    }

    /// All Services that the change may concern, each once, unsorted.
    pub fn all(&self) -> impl Iterator<Item = ServiceId> {
        self.left.iter().chain(&self.stayed).chain(&self.joined).copied()
    }

    /// Services of the Pod after the change, unsorted.
    pub fn now(&self) -> impl Iterator<Item = ServiceId> {
        self.stayed.iter().chain(&self.joined).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_lists_are_split_into_left_stayed_and_joined() {
        let ids = |list: &[u32]| list.iter().copied().map(ServiceId).collect::<ServiceIds>();
        for (before, after, left, stayed, joined) in [
            (&[][..], &[][..], &[][..], &[][..], &[][..]),
            (&[1, 3], &[], &[1, 3], &[], &[]),
            (&[], &[2, 4], &[], &[], &[2, 4]),
            (&[1, 3, 5], &[0, 3, 4, 6], &[1, 5], &[3], &[0, 4, 6]),
            (&[1, 2], &[1, 2], &[], &[1, 2], &[]),
        ] {
            assert_eq!(
                Moved::between(&ids(before), &ids(after)),
                Moved {
                    left: ids(left),
                    stayed: ids(stayed),
                    joined: ids(joined),
                },
                "{before:?} -> {after:?}"
            );
        }
    }
}
