//! Steps that edit objects as they find them, and what they hit on each side.

use crate::apply::Hit;

/// A step that edits what controllers keep, and what it hit on each side: slices are packed differently, so it may be
/// another one, and a controller may have been faster on one side.
#[derive(Debug)]
pub(crate) struct TwoEdits {
    /// `namespace/name` of the Service, or name of the ServiceCIDR.
    pub(crate) owner: String,
    /// What was done, in words.
    pub(crate) what: String,
    pub(crate) hit: [Hit; 2],
}

impl TwoEdits {
    fn same(&self) -> bool {
        let [left, right] = &self.hit;
        left.words() == right.words()
    }

    fn overtaken(&self) -> bool {
        self.hit.contains(&Hit::Overtaken)
    }

    /// What it hit.
    pub(crate) fn words(&self) -> String {
        let [left, right] = self.hit.each_ref().map(Hit::words);
        if self.same() {
            format!("{} hit on both sides {left}", self.what)
        } else {
            format!("{} hit left {left}; right {right}", self.what)
        }
    }
}

/// What became of the edits of others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct EditCounts {
    /// Those that hit the same on both sides.
    pub(crate) same: usize,
    /// Those that found nothing to edit on either side.
    pub(crate) nothing: usize,
    /// Those that hit what had different content.
    pub(crate) different: usize,
    /// Those that were given up on a side, since its controller was faster each time.
    pub(crate) overtaken: usize,
}

impl EditCounts {
    /// Adds the counts of another.
    pub(crate) fn add(&mut self, other: Self) {
        self.same += other.same;
        self.nothing += other.nothing;
        self.different += other.different;
        self.overtaken += other.overtaken;
    }

    /// The counts of these.
    pub(crate) fn of(edits: &[TwoEdits]) -> Self {
        let overtaken = edits.iter().filter(|edit| edit.overtaken()).count();
        let nothing = edits
            .iter()
            .filter(|edit| edit.hit == [Hit::Nothing, Hit::Nothing])
            .count();
        let same = edits
            .iter()
            .filter(|edit| !edit.overtaken() && edit.same())
            .count();
        Self {
            same: same - nothing,
            nothing,
            different: edits.len() - same - overtaken,
            overtaken,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_that_hit_other_objects_or_none_is_told_of_both_sides() {
        let at = |held: &str| Hit::Object(held.to_owned());
        let edits = |hit| TwoEdits {
            owner: "ns/web".to_owned(),
            what: "step 3: DropEndpoint".to_owned(),
            hit,
        };
        let all = [
            edits([at("a"), at("a")]),
            edits([Hit::Nothing, Hit::Nothing]),
            edits([at("a"), at("b")]),
            edits([at("a"), Hit::Nothing]),
            edits([Hit::Overtaken, Hit::Overtaken]),
            edits([at("a"), Hit::Overtaken]),
        ];
        let counts = EditCounts {
            same: 1,
            nothing: 1,
            different: 2,
            overtaken: 2,
        };
        assert_eq!(EditCounts::of(&all), counts);
        assert_eq!(all[0].words(), "step 3: DropEndpoint hit on both sides a");
        assert_eq!(all[2].words(), "step 3: DropEndpoint hit left a; right b");
    }
}
