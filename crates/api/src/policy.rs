//! What pools of addresses and pools of node ports have in common.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema;
use crate::selector::LabelSelector;
use crate::words::{Consistency, EnforceAddresses, EnforcePorts, OnExhausted, State, Strategy};

/// Whom a pool serves, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Policy {
    /// Namespaces that the pool serves, by their labels. Absent, and without `namespaces`: all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// Namespaces that the pool serves, by name, beside those that `namespaceSelector` selects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "schema::Namespaces")]
    pub namespaces: Vec<String>,
    /// Services that the pool serves, by their labels. Absent: all of those namespaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_selector: Option<LabelSelector>,
    /// Of several pools that serve a Service the one with the smallest number is asked first; of equal ones the one with
    /// the largest free share.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub priority: i32,
    /// Whether the pool gives values out.
    pub state: State,
    /// Whether its values are for the Services that it serves alone, and these, as long as it is active, get values of exclusive
    /// pools alone: also where they ask for one, or come past the webhook, by a generated `ValidatingAdmissionPolicy`.
    pub exclusive: bool,
    /// Which free value is given next.
    pub strategy: Strategy,
    /// How replicas avoid to choose the same value at the same time.
    pub consistency: Consistency,
    /// What becomes of a Service for which nothing is left.
    pub on_exhausted: OnExhausted,
    /// What a Service that is deleted leaves to its successor of the same namespace and name.
    pub retain: Retain,
    /// When the pool is reported as nearly full.
    pub thresholds: Thresholds,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            namespace_selector: None,
            namespaces: Vec::new(),
            service_selector: None,
            priority: 100,
            state: State::default(),
            exclusive: false,
            strategy: Strategy::default(),
            consistency: Consistency::default(),
            on_exhausted: OnExhausted::default(),
            retain: Retain::default(),
            thresholds: Thresholds::default(),
        }
    }
}

impl Policy {
    /// Whether the pool serves Services of a namespace of this name and with these labels.
    pub fn serves_namespace<'a>(&self, name: &str, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        match &self.namespace_selector {
            Some(selector) => self.names(name) || selector.matches(label),
            None => self.namespaces.is_empty() || self.names(name),
        }
    }

    /// Whether the pool serves Services with these labels, of a namespace that it serves.
    pub fn serves_service<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.service_selector
            .as_ref()
            .is_none_or(|selector| selector.matches(label))
    }

    fn names(&self, namespace: &str) -> bool {
        self.namespaces.iter().any(|name| name == namespace)
    }
}

/// How long a released address stays unused, so that clients and connection tables forget it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(inline)]
pub struct AddressQuarantine {
    /// Seconds from the release; 0 as with `enforce: Off`. Connections that wait for an answer are remembered for 120 s.
    #[schemars(with = "i32", range(min = 0, max = 86_400))]
    pub seconds: u32,
    /// How it is ensured.
    pub enforce: EnforceAddresses,
}

impl Default for AddressQuarantine {
    fn default() -> Self {
        Self {
            seconds: 300,
            enforce: EnforceAddresses::default(),
        }
    }
}

/// How long a released node port stays unused, so that clients and connection tables forget it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(inline)]
pub struct PortQuarantine {
    /// Seconds from the release; 0 as with `enforce: Off`. Connections that wait for an answer are remembered for 120 s.
    #[schemars(with = "i32", range(min = 0, max = 86_400))]
    pub seconds: u32,
    /// How it is ensured.
    pub enforce: EnforcePorts,
}

impl Default for PortQuarantine {
    fn default() -> Self {
        Self {
            seconds: 300,
            enforce: EnforcePorts::default(),
        }
    }
}

/// What a Service that is deleted leaves to its successor of the same namespace and name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(inline)]
pub struct Retain {
    /// For so many seconds what it had is kept for a Service of the same namespace and name, beyond any quarantine for
    /// others; 0: not at all.
    #[schemars(with = "i32", range(min = 0, max = 31_536_000))]
    pub seconds_after_delete: u32,
}

/// From which use on a pool is reported as nearly full, in per cent of its capacity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(inline, transform = schema::thresholds)]
pub struct Thresholds {
    /// From here on the condition `CapacityLow` is true.
    #[schemars(with = "i32", range(min = 1, max = 100))]
    pub warn_percent: u8,
    /// From here on a Warning Event is told as well.
    #[schemars(with = "i32", range(min = 1, max = 100))]
    pub critical_percent: u8,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            warn_percent: 80,
            critical_percent: 95,
        }
    }
}
