//! Policies of the apiserver's own beside the webhook: they hold where the webhook was passed by, and see the values that the
//! apiserver chose.
//!
//! A value of an exclusive pool goes only to Services that the pool serves, and Services that active exclusive pools serve get
//! values of exclusive pools alone. What a Service has it keeps: only values are looked at that it did not have before. In dry runs
//! nothing is looked at, since there the values are not those that will be chosen.

mod addresses;
mod cel;
mod difference;
mod ports;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub(crate) use difference::{Change, There};
use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MatchResources, NamedRuleWithOperations, ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding, ValidatingAdmissionPolicyBindingSpec, ValidatingAdmissionPolicySpec,
    Validation, Variable,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement, ObjectMeta};
use quaymaster_ipam::Pool;

use crate::conditions::{APISERVER, NOT_THE_APISERVER};
use crate::facts::Facts;
use crate::{LABEL, MANAGER};

/// ClusterIPs as they are compared: one that is written otherwise the apiserver could give to a second Service.
pub const CANONICAL: &str = "quaymaster-canonical-addresses";

/// Exclusive pools of addresses.
pub const ADDRESSES: &str = "quaymaster-exclusive-pools-addresses";

/// Exclusive pools of node ports.
pub const PORTS: &str = "quaymaster-exclusive-pools-node-ports";

/// No dry run: in one the policy would see the first address of a range, and node ports beyond it.
const NOT_A_DRY_RUN: &str = "quaymaster-not-a-dry-run";

/// Pools of one policy, each of which is a sentence of its own.
const MOST_POOLS: usize = 100;

/// Networks, or ranges of ports, of one pool: an expression has 100,000 characters at most (cel-go's `parser`).
const MOST_PARTS: usize = 1_500;

/// Of all pools of one policy: what the apiserver goes through for a Service stays far below the limit of cost (10,000,000 for a
/// policy, `k8s.io/apiserver/pkg/apis/cel/config.go`).
const MOST_PARTS_OF_ALL: usize = 6_000;

/// A policy as it is to be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Generated {
    pub(crate) name: &'static str,
    pub(crate) spec: ValidatingAdmissionPolicySpec,
}

/// What is to be, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Policies {
    pub(crate) wanted: Vec<Generated>,
    /// The names of all that is known of: what of these is not wanted is to go.
    pub(crate) known: Vec<&'static str>,
    /// Pools that are not in the policies, as there are too many, or they are cut into too many parts.
    pub(crate) left_out: Vec<String>,
}

impl Policies {
    /// The policies for these pools.
    pub(crate) fn of(facts: &Facts, exempt: &[String]) -> Self {
        let mut policies = Self::default();
        if let Some(pools) = &facts.addresses {
            policies.known.extend([CANONICAL, ADDRESSES]);
            policies.wanted.push(Generated {
                name: CANONICAL,
                spec: addresses::canonical(),
            });
            let parts: Vec<addresses::Part<'_>> = pools.iter().map(addresses::Part::of).collect();
            let parts = policies.within(parts, |part| (part.pool, part.len()), "ServiceIPPool");
            if !parts.is_empty() {
                policies.wanted.push(Generated {
                    name: ADDRESSES,
                    spec: addresses::exclusive(&parts, exempt),
                });
            }
        }
        if let Some(pools) = &facts.ports {
            policies.known.push(PORTS);
            let parts: Vec<ports::Part<'_>> = pools.iter().map(ports::Part).collect();
            let pools = policies.within(parts, |part| (part.0, part.len()), "NodePortPool");
            if !pools.is_empty() {
                policies.wanted.push(Generated {
                    name: PORTS,
                    spec: ports::exclusive(&pools, exempt),
                });
            }
        }
        policies
    }

    /// Those that a policy has room for. Pools without values, which serve nothing at present, need none.
    fn within<'a, T: Clone>(
        &mut self,
        all: Vec<T>,
        size: impl Fn(&T) -> (&'a Pool, usize),
        kind: &str,
    ) -> Vec<T> {
        let (mut room, mut within) = (MOST_PARTS_OF_ALL, Vec::new());
        for one in all {
            let (pool, parts) = size(&one);
            if parts == 0 {
                continue;
            }
            if parts > MOST_PARTS || parts > room || within.len() == MOST_POOLS {
                self.left_out
                    .push(format!("{kind} {} ({parts} parts)", pool.name));
                continue;
            }
            room -= parts;
            within.push(one);
        }
        within
    }
}

/// A policy with what all of them have in common. All fields have what the apiserver would fill in, so that what it stores is
/// equal.
fn policy(
    exempt: &[String],
    variables: Vec<Variable>,
    validations: Vec<Validation>,
) -> ValidatingAdmissionPolicySpec {
    let text = |text: &str| Some(vec![text.to_owned()]);
    let condition = |name: &str, expression: String| MatchCondition {
        name: name.to_owned(),
        expression,
    };
    let namespaces = LabelSelectorRequirement {
        key: "kubernetes.io/metadata.name".to_owned(),
        operator: "NotIn".to_owned(),
        values: Some(exempt.to_vec()),
    };
    ValidatingAdmissionPolicySpec {
        failure_policy: Some("Fail".to_owned()),
        match_conditions: Some(vec![
            condition(
                NOT_A_DRY_RUN,
                "!(has(request.dryRun) && request.dryRun)".to_owned(),
            ),
            condition(
                NOT_THE_APISERVER,
                format!("request.userInfo.username != '{APISERVER}'"),
            ),
        ]),
        match_constraints: Some(MatchResources {
            match_policy: Some("Equivalent".to_owned()),
            namespace_selector: Some(LabelSelector {
                match_expressions: (!exempt.is_empty()).then(|| vec![namespaces]),
                match_labels: None,
            }),
            object_selector: Some(LabelSelector::default()),
            resource_rules: Some(vec![NamedRuleWithOperations {
                api_groups: text(""),
                api_versions: text("v1"),
                operations: Some(vec!["CREATE".to_owned(), "UPDATE".to_owned()]),
                resources: text("services"),
                scope: Some("Namespaced".to_owned()),
                ..NamedRuleWithOperations::default()
            }]),
            ..MatchResources::default()
        }),
        validations: Some(validations),
        variables: (!variables.is_empty()).then_some(variables),
        ..ValidatingAdmissionPolicySpec::default()
    }
}

fn variable(name: impl Into<String>, expression: impl Into<String>) -> Variable {
    Variable {
        name: name.into(),
        expression: expression.into(),
    }
}

/// Names and labels that expressions speak of.
fn about() -> [Variable; 3] {
    [
        variable(
            "service",
            "'Service ' + request.namespace + '/' + object.metadata.?name.orValue('')",
        ),
        variable(
            "namespaceLabels",
            "has(namespaceObject.metadata.labels) ? namespaceObject.metadata.labels : {}",
        ),
        variable(
            "labels",
            "has(object.metadata.labels) ? object.metadata.labels : {}",
        ),
    ]
}

/// `message` stands where the one with the values cannot be made.
fn validation(
    expression: String,
    message: impl Into<String>,
    with_values: String,
    reason: &str,
) -> Validation {
    Validation {
        expression,
        message: Some(message.into()),
        message_expression: Some(with_values),
        reason: Some(reason.to_owned()),
    }
}

impl Generated {
    fn metadata(&self) -> ObjectMeta {
        ObjectMeta {
            name: Some(self.name.to_owned()),
            labels: Some(BTreeMap::from([(LABEL.to_owned(), MANAGER.to_owned())])),
            ..ObjectMeta::default()
        }
    }

    /// The policy, in place of one that was found, or new.
    pub(crate) fn policy(&self, found: Option<&ValidatingAdmissionPolicy>) -> ValidatingAdmissionPolicy {
        let metadata = found.map_or_else(|| self.metadata(), |found| found.metadata.clone());
        ValidatingAdmissionPolicy {
            metadata,
            spec: Some(self.spec.clone()),
            status: None,
        }
    }

    /// Its binding: the whole cluster, and what it does not allow is denied.
    pub(crate) fn binding(
        &self,
        found: Option<&ValidatingAdmissionPolicyBinding>,
    ) -> ValidatingAdmissionPolicyBinding {
        let metadata = found.map_or_else(|| self.metadata(), |found| found.metadata.clone());
        ValidatingAdmissionPolicyBinding {
            metadata,
            spec: ValidatingAdmissionPolicyBindingSpec {
                policy_name: self.name.to_owned(),
                validation_actions: vec!["Deny".to_owned()],
                ..ValidatingAdmissionPolicyBindingSpec::default()
            },
        }
    }
}
