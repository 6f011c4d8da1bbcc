//! Resource versions.

use std::cmp::Ordering;
use std::fmt;

/// A `metadata.resourceVersion` as the server sent it.
///
/// Ordered as KEP-5504 defines for all built-in resources: decimal numbers without leading zeros, so a longer one is
/// newer. What is not of that form compares with nothing, and callers then treat both as possibly newer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ResourceVersion(Box<str>);

impl ResourceVersion {
    /// Keeps the version as it came.
    pub fn new(value: &str) -> Self {
        Self(value.into())
    }

    /// As it is to be sent back.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Order in time, where both versions are of the ordered form.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        let ordered = |v: &str| !v.is_empty() && !v.starts_with('0') && v.bytes().all(|b| b.is_ascii_digit());
        if self.0 == other.0 {
            return Some(Ordering::Equal);
        }
        (ordered(&self.0) && ordered(&other.0)).then(|| {
            self.0
                .len()
                .cmp(&other.0.len())
                .then_with(|| self.0.cmp(&other.0))
        })
    }

    /// Whether this version is surely older than the other.
    pub fn is_older_than(&self, other: &Self) -> bool {
        self.compare(other) == Some(Ordering::Less)
    }
}

impl fmt::Display for ResourceVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_numbers_and_unordered_forms_are_never_older() {
        let older = |a: &str, b: &str| ResourceVersion::new(a).is_older_than(&ResourceVersion::new(b));
        assert!(older("9", "10"));
        assert!(older("123", "124"));
        assert!(!older("124", "123"));
        assert!(!older("5", "5"));
        assert!(!older("", "5"));
        assert!(!older("5", "x7"));
        assert!(!older("05", "6"));
    }
}
