//! Label selectors with sets (`k8s.io/apimachinery/pkg/labels`).

use quaymaster_model::LabelSet;

/// What labels must be like. One without requirements matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector(Vec<Requirement>);

/// What a label must be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// Key of the label.
    pub key: String,
    /// What of it.
    pub operator: Operator,
}

/// What of a label is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operator {
    /// It is there, with one of these values.
    In(Vec<String>),
    /// It is not there, or has none of these values.
    NotIn(Vec<String>),
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
}

impl LabelSelector {
    /// One that matches labels that meet all of these.
    pub fn new(requirements: impl IntoIterator<Item = Requirement>) -> Self {
        Self(requirements.into_iter().collect())
    }

    /// Whether labels meet all requirements.
    pub fn matches(&self, labels: &LabelSet) -> bool {
        self.0.iter().all(|requirement| requirement.met_by(labels))
    }

    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Requirement {
    fn met_by(&self, labels: &LabelSet) -> bool {
        let value = labels.get(&self.key);
        let among =
            |values: &[String]| value.is_some_and(|value| values.iter().any(|one| *value == one.as_str()));
        match &self.operator {
            Operator::In(values) => among(values),
            Operator::NotIn(values) => !among(values),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use quaymaster_model::Text;

    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> LabelSet {
        LabelSet::new(
            pairs
                .iter()
                .map(|(key, value)| (Text::new(key), Text::new(value))),
        )
    }

    #[test]
    fn each_operator_asks_what_it_says_of_labels_that_are_there_and_of_such_that_are_not() {
        let values = || vec!["a".to_owned(), "b".to_owned()];
        let cases = [
            (Operator::In(values()), [true, false, false]),
            (Operator::NotIn(values()), [false, true, true]),
            (Operator::Exists, [true, true, false]),
            (Operator::DoesNotExist, [false, false, true]),
        ];
        let sets = [
            labels(&[("team", "b")]),
            labels(&[("team", "c")]),
            labels(&[("other", "a")]),
        ];
        for (operator, expected) in cases {
            let selector = LabelSelector::new([Requirement {
                key: "team".to_owned(),
                operator: operator.clone(),
            }]);
            assert_eq!(
                sets.each_ref().map(|set| selector.matches(set)),
                expected,
                "{operator:?}"
            );
        }
    }

    #[test]
    fn all_requirements_must_be_met_and_none_are_met_by_everything() {
        let of = |key: &str, operator| Requirement {
            key: key.to_owned(),
            operator,
        };
        let both = LabelSelector::new([of("a", Operator::Exists), of("b", Operator::Exists)]);
        assert!(both.matches(&labels(&[("a", ""), ("b", "")])));
        assert!(!both.matches(&labels(&[("a", "")])));
        assert!(LabelSelector::default().matches(&LabelSet::empty()));
    }
}
