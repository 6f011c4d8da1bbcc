//! Service selectors: equality of all given labels.

use crate::{Interned, LabelSet, Text};

/// The label pairs that a Pod must carry to back a Service.
///
/// Never empty: the API drops an empty selector on encoding, so over the wire it cannot be told from none, and
/// "no selector" selects nothing (`Option<Selector>` in [`crate::ServiceRecord`]).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Selector(Interned<LabelSet>);

impl Selector {
    /// A selector of these labels, or none if there are none.
    pub fn new(labels: Interned<LabelSet>) -> Option<Self> {
        (!labels.is_empty()).then_some(Self(labels))
    }

    /// Whether every pair of the selector is among the labels.
    pub fn matches(&self, labels: &LabelSet) -> bool {
        self.0.len() <= labels.len()
            && self
                .0
                .iter()
                .all(|(key, value)| labels.get(key).is_some_and(|found| found == value))
    }

    /// The pairs, sorted by key; at least one.
    pub fn pairs(&self) -> &[(Text, Text)] {
        self.0.pairs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pairs: &[(&str, &str)]) -> LabelSet {
        LabelSet::new(pairs.iter().map(|(k, v)| (Text::new(k), Text::new(v))))
    }

    #[test]
    fn a_selector_matches_only_labels_that_hold_all_its_pairs() {
        let selector = Selector::new(Interned::from_value(set(&[("app", "a"), ("tier", "web")]))).unwrap();
        assert!(selector.matches(&set(&[("app", "a"), ("tier", "web"), ("x", "y")])));
        assert!(!selector.matches(&set(&[("app", "a")])));
        assert!(!selector.matches(&set(&[("app", "a"), ("tier", "db")])));
    }

    #[test]
    fn an_empty_selector_is_no_selector() {
        assert_eq!(Selector::new(Interned::from_value(LabelSet::empty())), None);
    }
}
