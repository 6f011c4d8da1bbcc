//! Slices without what depends on history: names, packing, order.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use serde_json::Value;

use crate::names;
use crate::rules::desired::Identity;
use crate::rules::ports::{PortKey, port_set};
use crate::rules::slices::{endpoints, identity};

mod compare;
#[cfg(test)]
mod tests;

pub use compare::{Compare, Difference, HintComparison, diff, diff_with};

/// What slices must share for their packing not to matter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupKey {
    /// `namespace/name` of the Service, by the slice's label.
    pub service: String,
    /// Value of the managed-by label, or empty.
    pub managed_by: String,
    /// `addressType`.
    pub address_type: String,
    /// The set of ports, sorted; `null` is empty.
    pub ports: Vec<PortKey>,
}

/// An endpoint with all its fields, by name, in their JSON form. Addresses are sorted; absent, `null` and empty
/// values are left out.
#[derive(Clone, Debug, PartialEq)]
pub struct CanonicalEndpoint {
    /// The fields.
    pub fields: BTreeMap<String, Value>,
}

impl CanonicalEndpoint {
    /// Whether the condition `ready` is true.
    pub fn ready(&self) -> bool {
        self.fields
            .get("conditions")
            .and_then(|conditions| conditions.get("ready"))
            == Some(&Value::Bool(true))
    }
}

/// Metadata of a slice that matters to others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SliceMeta {
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations, without the trigger time.
    pub annotations: BTreeMap<String, String>,
    /// Owner references in their JSON form, sorted.
    pub owners: Vec<String>,
}

/// The content of all slices of one group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    /// Endpoints by identity. Of one that occurs more than once this is the first; see `duplicates`.
    pub endpoints: BTreeMap<Identity, CanonicalEndpoint>,
    /// Endpoints that occur more than once, with how often.
    pub duplicates: BTreeMap<Identity, usize>,
    /// The different sets of labels, annotations and owners among the slices: one, if all is well.
    pub metadata: BTreeSet<SliceMeta>,
    /// Numbers of endpoints of the slices, largest first.
    pub sizes: Vec<usize>,
}

/// Slices in a form in which equal content is equal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Canonical {
    /// The groups.
    pub groups: BTreeMap<GroupKey, Group>,
}

/// The canonical form of any number of slices. Slices being deleted are left out.
pub fn canonical(slices: &[EndpointSlice]) -> Canonical {
    let mut canonical = Canonical::default();
    for slice in slices
        .iter()
        .filter(|slice| slice.metadata.deletion_timestamp.is_none())
    {
        let labels = slice.metadata.labels.clone().unwrap_or_default();
        let key = GroupKey {
            service: service_of(slice),
            managed_by: labels.get(names::SLICE_MANAGED_BY).cloned().unwrap_or_default(),
            address_type: slice.address_type.clone(),
            ports: port_set(slice.ports.as_ref()),
        };
        let group = canonical.groups.entry(key).or_default();
        for endpoint in endpoints(slice) {
            let identity = identity(endpoint);
            match group.endpoints.entry(identity) {
                Entry::Vacant(entry) => _ = entry.insert(canonical_endpoint(endpoint)),
                Entry::Occupied(entry) => *group.duplicates.entry(entry.key().clone()).or_insert(1) += 1,
            }
        }
        group.metadata.insert(metadata(slice));
        group.sizes.push(endpoints(slice).len());
        group.sizes.sort_unstable_by(|left, right| right.cmp(left));
    }
    canonical
}

/// `namespace/name` of the Service a slice is labelled with.
pub(crate) fn service_of(slice: &EndpointSlice) -> String {
    let name = slice
        .metadata
        .labels
        .as_ref()
        .and_then(|labels| labels.get(names::SERVICE_NAME));
    format!(
        "{}/{}",
        slice.metadata.namespace.as_deref().unwrap_or_default(),
        name.map(String::as_str).unwrap_or_default()
    )
}

fn canonical_endpoint(endpoint: &Endpoint) -> CanonicalEndpoint {
    let mut endpoint = endpoint.clone();
    endpoint.addresses.sort();
    let fields = match serde_json::to_value(&endpoint) {
        Ok(Value::Object(fields)) => fields
            .into_iter()
            .filter_map(|(key, value)| Some((key, tidy(value)?))),
        // A struct is always written as an object.
        _ => {
            return CanonicalEndpoint {
                fields: BTreeMap::new(),
            };
        }
    };
    CanonicalEndpoint {
        fields: fields.collect(),
    }
}

/// A value without `null`, empty strings, lists and maps, which the API does not tell from absent ones.
pub(crate) fn tidy(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::Array(items) if items.is_empty() => None,
        Value::Object(fields) => {
            let fields: serde_json::Map<_, _> = fields
                .into_iter()
                .filter_map(|(key, value)| Some((key, tidy(value)?)))
                .collect();
            (!fields.is_empty()).then_some(Value::Object(fields))
        }
        other => Some(other),
    }
}

fn metadata(slice: &EndpointSlice) -> SliceMeta {
    let mut annotations = slice.metadata.annotations.clone().unwrap_or_default();
    annotations.remove(names::TRIGGER_TIME);
    let owners = slice.metadata.owner_references.iter().flatten();
    let mut owners: Vec<String> = owners
        .filter_map(|owner| serde_json::to_string(owner).ok())
        .collect();
    owners.sort();
    SliceMeta {
        labels: slice.metadata.labels.clone().unwrap_or_default(),
        annotations,
        owners,
    }
}
