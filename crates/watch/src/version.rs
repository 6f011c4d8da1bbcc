//! Resource versions: positions in the history of a collection.

use std::cmp::Ordering;
use std::fmt;

/// A position in the history of a collection, as the server wrote it.
///
/// Never the empty string nor `0`: both mean "any" in a request, so neither is a place to resume from.
/// A decimal number takes no heap.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResourceVersion(Repr);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Repr {
    Number(u64),
    Text(Box<str>),
}

impl ResourceVersion {
    /// Reads what the server sent; `None` for the empty string and for `0`.
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() || text == "0" {
            return None;
        }
        // Only the canonical spelling may become a number, or it would not be sent back as it came.
        let canonical = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = if canonical { text.parse().ok() } else { None };
        Some(Self(number.map_or_else(|| Repr::Text(text.into()), Repr::Number)))
    }

    /// The order of two versions of one resource type; `None` where one of them is not a number.
    ///
    /// Kubernetes promises this order since 1.35 (KEP-5504); every version backed by etcd has kept it.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (&self.0, &other.0) {
            (Repr::Number(left), Repr::Number(right)) => Some(left.cmp(right)),
            (left, right) => (left == right).then_some(Ordering::Equal),
        }
    }
}

impl fmt::Display for ResourceVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Number(number) => number.fmt(f),
            Repr::Text(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests;
