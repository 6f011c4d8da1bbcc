//! Selectors of Namespaces and Services by labels.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// Labels that an object must have: all of `matchLabels` and all of `matchExpressions`. An empty one selects everything
/// (`LabelSelectorAsSelector` in apimachinery `pkg/apis/meta/v1/helpers.go`).
///
/// A type of our own, since that of `meta/v1` has no bounds in its schema and takes any word for an operator.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(inline)]
pub struct LabelSelector {
    /// Labels and the values that they must have.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "schema::Labels")]
    pub match_labels: BTreeMap<String, String>,
    /// Conditions on labels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub match_expressions: Vec<Requirement>,
}

/// A condition on one label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, transform = schema::requirement)]
pub struct Requirement {
    /// The label.
    #[schemars(length(min = 1, max = 317))]
    pub key: String,
    /// How `values` are meant.
    pub operator: Operator,
    /// For `In` and `NotIn`, at least one; for the others none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "schema::LabelValues")]
    pub values: Vec<String>,
}

/// How a condition on a label is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum Operator {
    /// The label has one of the values.
    In,
    /// The label has none of the values, or does not exist.
    NotIn,
    /// The label exists.
    Exists,
    /// The label does not exist.
    DoesNotExist,
    /// A word of a newer version. What it stands in must not be acted upon.
    #[serde(other, skip_serializing)]
    #[schemars(skip)]
    Unknown,
}

impl LabelSelector {
    /// Whether an object with these labels is selected.
    pub fn matches<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.match_labels
            .iter()
            .all(|(key, value)| label(key) == Some(value))
            && self
                .match_expressions
                .iter()
                .all(|requirement| requirement.holds(label(&requirement.key)))
    }
}

impl Requirement {
    /// Whether it holds for this value of its label. What is not understood holds for nothing.
    fn holds(&self, value: Option<&str>) -> bool {
        let listed = |value: &str| self.values.iter().any(|listed| listed == value);
        match self.operator {
            Operator::In => value.is_some_and(listed),
            Operator::NotIn => !value.is_some_and(listed),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::Unknown => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requirement(operator: Operator, values: &[&str]) -> LabelSelector {
        LabelSelector {
            match_labels: BTreeMap::new(),
            match_expressions: vec![Requirement {
                key: "team".to_owned(),
                operator,
                values: values.iter().map(|value| (*value).to_owned()).collect(),
            }],
        }
    }

    fn selects(selector: &LabelSelector, labels: &[(&'static str, &'static str)]) -> bool {
        selector.matches(|key| labels.iter().find(|(of, _)| *of == key).map(|(_, value)| *value))
    }

    #[test]
    fn an_empty_selector_selects_everything() {
        assert!(selects(&LabelSelector::default(), &[]));
        assert!(selects(&LabelSelector::default(), &[("team", "red")]));
    }

    #[test]
    fn all_labels_and_all_expressions_must_hold() {
        let mut selector = requirement(Operator::Exists, &[]);
        selector.match_labels.insert("tier".to_owned(), "web".to_owned());
        assert!(selects(&selector, &[("team", "red"), ("tier", "web")]));
        assert!(!selects(&selector, &[("team", "red"), ("tier", "db")]));
        assert!(!selects(&selector, &[("tier", "web")]));
    }

    #[test]
    fn operators_mean_what_they_mean_in_kubernetes() {
        let labels: [&[(&str, &str)]; 3] = [&[], &[("team", "red")], &[("team", "blue")]];
        for (operator, values, wanted) in [
            (Operator::In, &["red", "green"][..], [false, true, false]),
            (Operator::NotIn, &["red", "green"][..], [true, false, true]),
            (Operator::Exists, &[][..], [false, true, true]),
            (Operator::DoesNotExist, &[][..], [true, false, false]),
            (Operator::Unknown, &["red"][..], [false, false, false]),
        ] {
            let selector = requirement(operator, values);
            assert_eq!(
                labels.map(|labels| selects(&selector, labels)),
                wanted,
                "{operator:?}"
            );
        }
    }
}
