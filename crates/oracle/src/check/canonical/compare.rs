//! Where two canonical forms differ.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use super::{Canonical, CanonicalEndpoint, Group, GroupKey, SliceMeta};
use crate::rules::desired::Identity;

/// How hints are compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HintComparison {
    /// Like any other field.
    #[default]
    Exact,
    /// Of ready endpoints only. Hints by annotation and by traffic distribution survive on unready endpoints of
    /// slices that were only copied, which depends on history.
    ReadyOnly,
    /// By presence, and by number of ready endpoints for each hinted zone, summed over a Service and family: which
    /// endpoint of a zone is hinted elsewhere is arbitrary upstream. Numbers may differ by this much.
    Counts {
        /// Largest allowed difference for one zone, by address type; none where it is not named.
        tolerance: BTreeMap<String, usize>,
    },
    /// Not at all.
    Ignored,
}

/// What to compare besides content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compare {
    /// How hints are compared.
    pub hints: HintComparison,
    /// Whether the number of slices of a group must be equal. Only fair where both sides started over the same
    /// finished cluster.
    pub slice_count: bool,
}

/// One difference between a left and a right side.
#[derive(Clone, Debug, PartialEq)]
pub enum Difference {
    /// A group of slices only on the left, and what it holds in words.
    OnlyLeft(GroupKey, String),
    /// A group of slices only on the right, and what it holds in words.
    OnlyRight(GroupKey, String),
    /// An endpoint only on the left.
    EndpointOnlyLeft(GroupKey, Identity),
    /// An endpoint only on the right.
    EndpointOnlyRight(GroupKey, Identity),
    /// A field of an endpoint; absent is `None`.
    Field {
        /// The group.
        group: GroupKey,
        /// The endpoint.
        endpoint: Identity,
        /// Name of the field.
        field: String,
        /// Left value.
        left: Option<Value>,
        /// Right value.
        right: Option<Value>,
    },
    /// An endpoint listed more than once, on either side; never equal to anything, not even to itself.
    Duplicate(GroupKey, Identity, &'static str),
    /// Labels, annotations or owners of a group's slices.
    Metadata {
        /// The group.
        group: GroupKey,
        /// What of the left is not on the right, in words.
        left: String,
        /// What of the right is not on the left, in words.
        right: String,
    },
    /// Numbers of endpoints of a group's slices, where their count differs.
    SliceCount(GroupKey, Vec<usize>, Vec<usize>),
    /// Ready endpoints for each hinted zone of a Service and family, where they differ too much.
    HintedZones {
        /// `namespace/name` of the Service, and the address type.
        service: String,
        /// Left numbers; empty without hints.
        left: BTreeMap<String, usize>,
        /// Right numbers.
        right: BTreeMap<String, usize>,
    },
    /// Ready endpoints of a Service and family on the right that are hinted to another zone than their own, where that are
    /// not as many as the algorithm moves.
    HintedElsewhere {
        /// `namespace/name` of the Service, and the address type.
        service: String,
        /// How many are.
        moved: usize,
        /// How many are to be.
        wanted: usize,
    },
}

impl Difference {
    /// The group, where it is of one.
    pub fn group(&self) -> Option<&GroupKey> {
        match self {
            Self::OnlyLeft(group, _)
            | Self::OnlyRight(group, _)
            | Self::EndpointOnlyLeft(group, _)
            | Self::EndpointOnlyRight(group, _)
            | Self::Field { group, .. }
            | Self::Duplicate(group, ..)
            | Self::Metadata { group, .. }
            | Self::SliceCount(group, ..) => Some(group),
            Self::HintedZones { .. } | Self::HintedElsewhere { .. } => None,
        }
    }

    /// `namespace/name` of the Service.
    pub fn service(&self) -> &str {
        match (self, self.group()) {
            (Self::HintedZones { service, .. } | Self::HintedElsewhere { service, .. }, _) => {
                service.split(' ').next().unwrap_or_default()
            }
            (_, group) => group.map_or("", |group| &group.service),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<Value>| value.as_ref().map_or("absent".to_owned(), Value::to_string);
        match self {
            Self::OnlyLeft(group, what) => write!(f, "{group}: only left, {what}"),
            Self::OnlyRight(group, what) => write!(f, "{group}: only right, {what}"),
            Self::EndpointOnlyLeft(group, endpoint) => write!(f, "{group}: {endpoint}: only left"),
            Self::EndpointOnlyRight(group, endpoint) => write!(f, "{group}: {endpoint}: only right"),
            Self::Field {
                group,
                endpoint,
                field,
                left,
                right,
            } => {
                write!(
                    f,
                    "{group}: {endpoint}: {field}: left {}, right {}",
                    shown(left),
                    shown(right)
                )
            }
            Self::Duplicate(group, endpoint, side) => {
                write!(f, "{group}: {endpoint}: more than once on the {side}")
            }
            Self::Metadata { group, left, right } => write!(f, "{group}: left {left}, right {right}"),
            Self::SliceCount(group, left, right) => {
                write!(f, "{group}: slices of {left:?} endpoints left, {right:?} right")
            }
            Self::HintedZones { service, left, right } => {
                write!(f, "{service}: hinted zones left {left:?}, right {right:?}")
            }
            Self::HintedElsewhere {
                service,
                moved,
                wanted,
            } => write!(
                f,
                "{service}: {moved} endpoints are hinted to another zone than their own on the right, and not {wanted}"
            ),
        }
    }
}

impl fmt::Display for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} [", self.service, self.address_type)?;
        for (index, port) in self.ports.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            let name = port.name.as_deref().unwrap_or_default();
            let protocol = port.protocol.as_deref().unwrap_or_default();
            match port.port {
                Some(number) => write!(f, "{comma}{name}:{number}/{protocol}")?,
                None => write!(f, "{comma}{name}:any/{protocol}")?,
            }
        }
        f.write_str("]")
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.addresses.join(","), self.name)
    }
}

/// All differences, hints compared exactly, number of slices ignored.
pub fn diff(left: &Canonical, right: &Canonical) -> Vec<Difference> {
    diff_with(left, right, &Compare::default())
}

/// All differences under a comparison of the caller's choice.
pub fn diff_with(left: &Canonical, right: &Canonical, compare: &Compare) -> Vec<Difference> {
    let mut differences = Vec::new();
    let keys: BTreeSet<&GroupKey> = left.groups.keys().chain(right.groups.keys()).collect();
    for key in keys {
        match (left.groups.get(key), right.groups.get(key)) {
            (Some(left), Some(right)) => compare_groups(key, left, right, compare, &mut differences),
            (Some(left), None) => differences.push(Difference::OnlyLeft(key.clone(), in_words(left))),
            (None, Some(right)) => differences.push(Difference::OnlyRight(key.clone(), in_words(right))),
            (None, None) => {}
        }
    }
    for (side, canonical) in [("left", left), ("right", right)] {
        for (key, group) in &canonical.groups {
            let duplicate = |endpoint: &Identity| Difference::Duplicate(key.clone(), endpoint.clone(), side);
            differences.extend(group.duplicates.keys().map(duplicate));
        }
    }
    if let HintComparison::Counts { tolerance } = &compare.hints {
        compare_zones(left, right, tolerance, &mut differences);
    }
    differences
}

fn compare_groups(
    key: &GroupKey,
    left: &Group,
    right: &Group,
    compare: &Compare,
    differences: &mut Vec<Difference>,
) {
    let identities: BTreeSet<&Identity> = left.endpoints.keys().chain(right.endpoints.keys()).collect();
    for identity in identities {
        match (left.endpoints.get(identity), right.endpoints.get(identity)) {
            (Some(left), Some(right)) => compare_endpoints(key, identity, left, right, compare, differences),
            (Some(_), None) => differences.push(Difference::EndpointOnlyLeft(key.clone(), identity.clone())),
            _ => differences.push(Difference::EndpointOnlyRight(key.clone(), identity.clone())),
        }
    }
    if left.metadata != right.metadata {
        differences.push(Difference::Metadata {
            group: key.clone(),
            left: own_metadata(&left.metadata, &right.metadata),
            right: own_metadata(&right.metadata, &left.metadata),
        });
    }
    if compare.slice_count && left.sizes.len() != right.sizes.len() {
        differences.push(Difference::SliceCount(
            key.clone(),
            left.sizes.clone(),
            right.sizes.clone(),
        ));
    }
}

/// What a group holds: how many endpoints its slices have, and which.
fn in_words(group: &Group) -> String {
    /// Endpoints named.
    const NAMED: usize = 10;
    let endpoints = group.endpoints.iter().take(NAMED).map(|(identity, endpoint)| {
        let ready = if endpoint.ready() { "ready" } else { "not ready" };
        format!("{identity} {ready}")
    });
    let endpoints: Vec<String> = endpoints.collect();
    let more = match group.endpoints.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let colon = if endpoints.is_empty() { "" } else { ": " };
    format!(
        "slices of {:?} endpoints{colon}{}{more}",
        group.sizes,
        endpoints.join(", ")
    )
}

/// Labels, annotations and owners of slices here that not all slices there have, and labels and annotations that are
/// missing here.
fn own_metadata(here: &BTreeSet<SliceMeta>, there: &BTreeSet<SliceMeta>) -> String {
    let mut words = BTreeSet::new();
    for meta in here.difference(there) {
        for (kind, of) in [
            ("label", labels as fn(&SliceMeta) -> &BTreeMap<String, String>),
            ("annotation", annotations),
        ] {
            for (key, value) in of(meta) {
                if !there.iter().all(|other| of(other).get(key) == Some(value)) {
                    words.insert(format!("{kind} {key}={value:?}"));
                }
            }
            let missing = there.iter().flat_map(|other| of(other).keys());
            let missing = missing.filter(|key| !of(meta).contains_key(*key));
            words.extend(missing.map(|key| format!("no {kind} {key}")));
        }
        let owners = meta.owners.iter();
        let owners = owners.filter(|owner| !there.iter().all(|other| other.owners.contains(owner)));
        words.extend(owners.map(|owner| format!("owner {owner}")));
        if meta.owners.is_empty() && there.iter().any(|other| !other.owners.is_empty()) {
            words.insert("no owner".to_owned());
        }
    }
    let words: Vec<String> = words.into_iter().collect();
    if words.is_empty() {
        // Each set of this side is on the other as well, which has more.
        return "nothing else".to_owned();
    }
    words.join(", ")
}

fn labels(meta: &SliceMeta) -> &BTreeMap<String, String> {
    &meta.labels
}

fn annotations(meta: &SliceMeta) -> &BTreeMap<String, String> {
    &meta.annotations
}

fn compare_endpoints(
    group: &GroupKey,
    endpoint: &Identity,
    left: &CanonicalEndpoint,
    right: &CanonicalEndpoint,
    compare: &Compare,
    differences: &mut Vec<Difference>,
) {
    let fields: BTreeSet<&String> = left.fields.keys().chain(right.fields.keys()).collect();
    for field in fields {
        let compared = field != "hints"
            || match &compare.hints {
                HintComparison::Exact => true,
                HintComparison::ReadyOnly => left.ready() || right.ready(),
                HintComparison::Counts { .. } | HintComparison::Ignored => false,
            };
        let (left, right) = (left.fields.get(field), right.fields.get(field));
        if compared && left != right {
            differences.push(Difference::Field {
                group: group.clone(),
                endpoint: endpoint.clone(),
                field: field.clone(),
                left: left.cloned(),
                right: right.cloned(),
            });
        }
    }
}

/// Numbers of ready endpoints for each hinted zone, by Service and family.
type Zones = BTreeMap<(String, String), BTreeMap<String, usize>>;

fn hinted_zones(canonical: &Canonical) -> Zones {
    let mut zones = Zones::new();
    for (key, group) in &canonical.groups {
        let counts = zones
            .entry((key.service.clone(), key.address_type.clone()))
            .or_default();
        for endpoint in group.endpoints.values().filter(|endpoint| endpoint.ready()) {
            let hinted = endpoint
                .fields
                .get("hints")
                .and_then(|hints| hints.get("forZones"));
            for zone in hinted.and_then(Value::as_array).into_iter().flatten() {
                let name = zone.get("name").and_then(Value::as_str).unwrap_or_default();
                *counts.entry(name.to_owned()).or_default() += 1;
            }
        }
    }
    zones
}

fn compare_zones(
    left: &Canonical,
    right: &Canonical,
    tolerance: &BTreeMap<String, usize>,
    differences: &mut Vec<Difference>,
) {
    let (left, right) = (hinted_zones(left), hinted_zones(right));
    let families: BTreeSet<&(String, String)> = left.keys().chain(right.keys()).collect();
    for family in families {
        let (left, right) = (
            left.get(family).cloned().unwrap_or_default(),
            right.get(family).cloned().unwrap_or_default(),
        );
        let (service, address_type) = family;
        let tolerance = tolerance.get(address_type).copied().unwrap_or(0);
        let zones: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
        let count = |counts: &BTreeMap<String, usize>, zone: &String| counts.get(zone).copied().unwrap_or(0);
        let too_far = zones
            .into_iter()
            .any(|zone| count(&left, zone).abs_diff(count(&right, zone)) > tolerance);
        if too_far || left.is_empty() != right.is_empty() {
            differences.push(Difference::HintedZones {
                service: format!("{service} {address_type}"),
                left,
                right,
            });
        }
    }
}
