//! Resource versions: positions in the history of the apiserver's store.

use std::cmp::Ordering;
use std::fmt;

/// A `metadata.resourceVersion` as the server wrote it. A decimal number takes no heap.
///
/// Ordered as KEP-5504 defines for all built-in resources: decimal numbers without leading zeros. Kubernetes promises
/// it since 1.35; every version backed by etcd has kept it. What is not of that form compares with nothing but itself,
/// and callers then treat both as possibly newer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ResourceVersion(Form);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Form {
    Number(u64),
    Text(Box<str>),
}

impl ResourceVersion {
    /// Keeps the version as it came; [`fmt::Display`] gives back exactly that.
    pub fn new(value: &str) -> Self {
        // Only the canonical spelling may become a number, or it would not be sent back as it came.
        let canonical = !value.starts_with('0') && value.bytes().all(|byte| byte.is_ascii_digit());
        let number = if canonical { value.parse().ok() } else { None };
        Self(number.map_or_else(|| Form::Text(value.into()), Form::Number))
    }

    /// The version as a place to resume a watch from; none for the empty string and for `0`, which mean "any" in a
    /// request.
    pub fn parse(value: &str) -> Option<Self> {
        Some(Self::new(value)).filter(|version| !version.is_empty() && value != "0")
    }

    /// Whether the server sent none.
    pub fn is_empty(&self) -> bool {
        matches!(&self.0, Form::Text(text) if text.is_empty())
    }

    /// Order in time, where both versions are of the ordered form.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (&self.0, &other.0) {
            (Form::Number(left), Form::Number(right)) => Some(left.cmp(right)),
            (left, right) => (left == right).then_some(Ordering::Equal),
        }
    }

    /// Whether this version is surely older than the other.
    pub fn is_older_than(&self, other: &Self) -> bool {
        self.compare(other) == Some(Ordering::Less)
    }
}

impl fmt::Display for ResourceVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Number(number) => number.fmt(f),
            Form::Text(text) => f.write_str(text),
        }
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

    #[test]
    fn a_version_is_sent_back_exactly_as_it_came() {
        for text in [
            "",
            "0",
            "1",
            "18446744073709551615",
            "18446744073709551616",
            "007",
            "+7",
            "abc",
            "12a",
        ] {
            assert_eq!(ResourceVersion::new(text).to_string(), text);
        }
    }

    #[test]
    fn empty_and_zero_are_no_place_to_resume_from() {
        assert_eq!(ResourceVersion::parse(""), None);
        assert_eq!(ResourceVersion::parse("0"), None);
        assert!(ResourceVersion::parse("7").is_some());
    }
}
