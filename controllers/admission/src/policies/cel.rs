//! Pools as CEL.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use ipnet::{Ipv4Subnets, Ipv6Subnets};
use quaymaster_allocator::Intervals;
use quaymaster_api::{LabelSelector, Operator, Policy, Requirement};

use crate::conditions::{list, quoted};

/// Whether a pool serves a Service: of `request.namespace`, with the labels in `variables.namespaceLabels` and
/// `variables.labels`. As `Policy::serves_namespace` and `Policy::serves_service`.
pub(super) fn serves(policy: &Policy) -> String {
    let named = format!("request.namespace in {}", list(&policy.namespaces));
    let namespace = match (&policy.namespace_selector, policy.namespaces.is_empty()) {
        (None, true) => "true".to_owned(),
        (None, false) => named,
        (Some(selector), true) => selects(selector, "variables.namespaceLabels"),
        (Some(selector), false) => {
            format!("({named} || {})", selects(selector, "variables.namespaceLabels"))
        }
    };
    match &policy.service_selector {
        None => namespace,
        Some(selector) => format!("{namespace} && {}", selects(selector, "variables.labels")),
    }
}

fn selects(selector: &LabelSelector, labels: &str) -> String {
    let labels_match = selector.match_labels.iter().map(|(key, value)| {
        let key = quoted(key);
        format!("{key} in {labels} && {labels}[{key}] == {}", quoted(value))
    });
    let expressions = selector.match_expressions.iter();
    let all: Vec<String> = labels_match
        .chain(expressions.map(|one| requires(one, labels)))
        .collect();
    if all.is_empty() {
        "true".to_owned()
    } else {
        format!("({})", all.join(" && "))
    }
}

fn requires(requirement: &Requirement, labels: &str) -> String {
    let (key, values) = (quoted(&requirement.key), list(&requirement.values));
    let has = format!("{key} in {labels}");
    match requirement.operator {
        Operator::In => format!("({has} && {labels}[{key}] in {values})"),
        Operator::NotIn => format!("!({has} && {labels}[{key}] in {values})"),
        Operator::Exists => has,
        Operator::DoesNotExist => format!("!({has})"),
        // As where it is decided: what is not understood selects nothing.
        Operator::Unknown => "false".to_owned(),
    }
}

/// As few networks as there are for these addresses of IPv4.
pub(super) fn four(spans: &Intervals) -> Vec<String> {
    let subnets = spans.iter().flat_map(|span| {
        let [first, last] =
            [span.start(), span.end()].map(|end| Ipv4Addr::from(u32::try_from(*end).unwrap_or(u32::MAX)));
        Ipv4Subnets::new(first, last, 0)
    });
    subnets.map(|net| net.to_string()).collect()
}

/// As few networks as there are for these addresses of IPv6.
pub(super) fn six(spans: &Intervals) -> Vec<String> {
    let subnets = spans
        .iter()
        .flat_map(|span| Ipv6Subnets::new(Ipv6Addr::from(*span.start()), Ipv6Addr::from(*span.end()), 0));
    subnets.map(|net| net.to_string()).collect()
}

/// Whether `v` is one of these numbers. By halves, so that a Service with many ports stays below the limit of cost.
pub(super) fn among(spans: &Intervals) -> String {
    let spans: Vec<&RangeInclusive<u128>> = spans.iter().collect();
    halves(&spans)
}

fn halves(spans: &[&RangeInclusive<u128>]) -> String {
    match spans {
        [] => "false".to_owned(),
        [one] => format!("v >= {} && v <= {}", one.start(), one.end()),
        _ => {
            let (before, after) = spans.split_at(spans.len() / 2);
            let pivot = after.first().map_or(0, |first| *first.start());
            format!("(v < {pivot} ? {} : {})", halves(before), halves(after))
        }
    }
}

#[cfg(test)]
mod tests {
    use quaymaster_api::State;

    use super::*;

    fn policy(json: &str) -> Policy {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn who_is_served_is_said_by_names_or_by_labels() {
        for (written, expected) in [
            ("{}", "true"),
            (
                r#"{"namespaces":["a","b"]}"#,
                r#"request.namespace in ["a", "b"]"#,
            ),
            (
                r#"{"namespaces":["a"],"namespaceSelector":{"matchLabels":{"k":"v"}}}"#,
                r#"(request.namespace in ["a"] || ("k" in variables.namespaceLabels && variables.namespaceLabels["k"] == "v"))"#,
            ),
            (
                r#"{"namespaces":["a"],"namespaceSelector":{}}"#,
                r#"(request.namespace in ["a"] || true)"#,
            ),
            (
                r#"{"serviceSelector":{"matchExpressions":[{"key":"k","operator":"DoesNotExist"}]}}"#,
                r#"true && (!("k" in variables.labels))"#,
            ),
        ] {
            assert_eq!(serves(&policy(written)), expected);
        }
        assert_eq!(policy("{}").state, State::Active);
    }

    #[test]
    fn what_a_newer_version_wrote_serves_nobody() {
        let odd =
            r#"{"namespaceSelector":{"matchExpressions":[{"key":"k","operator":"Like","values":["v"]}]}}"#;
        assert_eq!(serves(&policy(odd)), "(false)");
    }

    #[test]
    fn text_cannot_leave_its_quotes() {
        let odd = r#"{"namespaceSelector":{"matchLabels":{"k":"\" || true || \""}}}"#;
        assert!(serves(&policy(odd)).ends_with(r#"== "\" || true || \"")"#));
    }

    #[test]
    fn numbers_are_looked_for_by_halves() {
        let spans = Intervals::new([1..=2, 5..=6, 8..=9]);
        assert_eq!(
            among(&spans),
            "(v < 5 ? v >= 1 && v <= 2 : (v < 8 ? v >= 5 && v <= 6 : v >= 8 && v <= 9))"
        );
        assert_eq!(among(&Intervals::default()), "false");
    }

    #[test]
    fn addresses_are_as_few_networks_as_there_are() {
        let number = |text: &str| u128::from(text.parse::<Ipv4Addr>().unwrap().to_bits());
        let spans = Intervals::new([number("10.0.0.1")..=number("10.0.0.7")]);
        assert_eq!(four(&spans), ["10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/30"]);
        let number = |text: &str| text.parse::<Ipv6Addr>().unwrap().to_bits();
        let spans = Intervals::new([number("fd00::10")..=number("fd00::1f")]);
        assert_eq!(six(&spans), ["fd00::10/124"]);
    }
}
