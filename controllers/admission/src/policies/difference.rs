//! What of the policies in the cluster has to change.

use std::fmt;

use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Policies;

/// What is ours of those that are there.
#[derive(Clone, Debug, Default)]
pub(crate) struct There {
    pub(crate) policies: Vec<ValidatingAdmissionPolicy>,
    pub(crate) bindings: Vec<ValidatingAdmissionPolicyBinding>,
}

/// A write.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    /// Create it, or replace the one of its resourceVersion.
    Policy(Box<ValidatingAdmissionPolicy>),
    /// The same.
    Binding(Box<ValidatingAdmissionPolicyBinding>),
    /// Delete it.
    NoBinding(Box<ValidatingAdmissionPolicyBinding>),
    /// Delete it.
    NoPolicy(Box<ValidatingAdmissionPolicy>),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, metadata) = match self {
            Self::Policy(policy) => ("writing ValidatingAdmissionPolicy", &policy.metadata),
            Self::Binding(binding) => ("writing ValidatingAdmissionPolicyBinding", &binding.metadata),
            Self::NoBinding(binding) => ("deleting ValidatingAdmissionPolicyBinding", &binding.metadata),
            Self::NoPolicy(policy) => ("deleting ValidatingAdmissionPolicy", &policy.metadata),
        };
        write!(f, "{what} {}", name(metadata))
    }
}

fn name(metadata: &ObjectMeta) -> &str {
    metadata.name.as_deref().unwrap_or_default()
}

impl Policies {
    /// The writes that are needed, in order: a binding comes after its policy, and goes before it.
    pub(crate) fn changes(&self, there: &There) -> Vec<Change> {
        let mut changes = Vec::new();
        for wanted in &self.wanted {
            let policy = there
                .policies
                .iter()
                .find(|policy| name(&policy.metadata) == wanted.name);
            if policy.and_then(|policy| policy.spec.as_ref()) != Some(&wanted.spec) {
                changes.push(Change::Policy(Box::new(wanted.policy(policy))));
            }
            let binding = there
                .bindings
                .iter()
                .find(|binding| name(&binding.metadata) == wanted.name);
            let as_wanted = wanted.binding(binding);
            if binding.map(|binding| &binding.spec) != Some(&as_wanted.spec) {
                changes.push(Change::Binding(Box::new(as_wanted)));
            }
        }
        let is_left = |metadata: &ObjectMeta| {
            let name = name(metadata);
            self.known.contains(&name) && self.wanted.iter().all(|wanted| wanted.name != name)
        };
        let bindings = there.bindings.iter().filter(|one| is_left(&one.metadata));
        changes.extend(bindings.map(|one| Change::NoBinding(Box::new(one.clone()))));
        let policies = there.policies.iter().filter(|one| is_left(&one.metadata));
        changes.extend(policies.map(|one| Change::NoPolicy(Box::new(one.clone()))));
        changes
    }
}
