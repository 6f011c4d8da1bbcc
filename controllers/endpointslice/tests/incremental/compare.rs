//! What is compared, and what is not.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use quaymaster_model::names;
use quaymaster_oracle::{
    Canonical, Compare, Desired, DesiredKey, Difference, HintComparison, auto, canonical, diff_with,
};

/// Labels of a slice that have to be the Service's, or exactly these.
fn labels(service: &Service) -> BTreeMap<String, String> {
    let mut labels = service.metadata.labels.clone().unwrap_or_default();
    labels.retain(|key, _| !names::RESERVED_SLICE_LABELS.contains(&key.as_str()));
    labels.insert(
        names::LABEL_SERVICE_NAME.to_owned(),
        service.metadata.name.clone().unwrap(),
    );
    labels.insert(
        names::LABEL_MANAGED_BY.to_owned(),
        names::MANAGER_ENDPOINTSLICE.to_owned(),
    );
    labels
}

fn comparison(service: &Service, slice_count: bool) -> Compare {
    let hints = if auto(service) {
        // Only whether there is one depends on more than this moment.
        HintComparison::Counts {
            tolerance: ["IPv4", "IPv6"]
                .map(|family| (family.to_owned(), usize::MAX))
                .into(),
        }
    } else {
        HintComparison::ReadyOnly
    };
    Compare { hints, slice_count }
}

/// Slices without endpoints carry no content; hints given by annotation depend on history.
fn content(slices: &[EndpointSlice]) -> Canonical {
    let mut content = canonical(slices);
    content.groups.retain(|_, group| !group.endpoints.is_empty());
    for group in content.groups.values_mut() {
        group.metadata.clear();
    }
    content
}

/// A difference, with the sides by their names.
fn told(difference: &Difference, left: &str, right: &str) -> String {
    let text = |value: &Option<serde_json::Value>| {
        value
            .as_ref()
            .map_or("absent".to_owned(), serde_json::Value::to_string)
    };
    match difference {
        Difference::OnlyLeft(group, what) => format!("{group}: only {left}, {what}"),
        Difference::OnlyRight(group, what) => format!("{group}: only {right}, {what}"),
        Difference::EndpointOnlyLeft(group, endpoint) => format!("{group}: {endpoint}: only {left}"),
        Difference::EndpointOnlyRight(group, endpoint) => format!("{group}: {endpoint}: only {right}"),
        Difference::Field {
            group,
            endpoint,
            field,
            left: ours,
            right: theirs,
        } => format!(
            "{group}: {endpoint}: {field}: {left} {}, {right} {}",
            text(ours),
            text(theirs)
        ),
        Difference::Duplicate(group, endpoint, side) => {
            let side = if *side == "left" { left } else { right };
            format!("{group}: {endpoint}: more than once, {side}")
        }
        Difference::Metadata {
            group,
            left: ours,
            right: theirs,
        } => format!("{group}: {left} {ours}, {right} {theirs}"),
        Difference::SliceCount(group, ours, theirs) => {
            format!("{group}: slices of so many endpoints: {left} {ours:?}, {right} {theirs:?}")
        }
        Difference::HintedZones { .. } => difference.to_string(),
    }
}

/// Whether the slices say what they should, in every field, and look as they should.
pub(crate) fn against_desired(service: &Service, desired: &Desired, slices: &[EndpointSlice]) -> Vec<String> {
    let mut wrong = Vec::new();
    let as_slice = |(key, group): (&DesiredKey, &quaymaster_oracle::DesiredGroup)| {
        let mut slice = EndpointSlice {
            address_type: key.address_type.to_string(),
            endpoints: Some(group.endpoints.values().cloned().collect()),
            ports: Some(group.ports.clone()),
            ..EndpointSlice::default()
        };
        slice.metadata.namespace.clone_from(&service.metadata.namespace);
        slice.metadata.labels = Some(labels(service));
        slice
    };
    let expected: Vec<EndpointSlice> = desired.groups.iter().map(as_slice).collect();
    let compare = comparison(service, false);
    let differences = diff_with(&content(slices), &content(&expected), &compare);
    wrong.extend(
        differences
            .iter()
            .filter(|difference| !matches!(difference, Difference::HintedZones { .. }))
            .map(|difference| told(difference, "quaymaster", "wanted")),
    );

    let types: BTreeSet<&str> = slices.iter().map(|slice| slice.address_type.as_str()).collect();
    let wanted: BTreeSet<String> = desired.address_types.iter().map(ToString::to_string).collect();
    if !types.iter().copied().eq(wanted.iter().map(String::as_str)) {
        wrong.push(format!("slices of types {types:?} instead of {wanted:?}"));
    }
    for slice in slices {
        let name = slice.metadata.name.as_deref().unwrap();
        let mut found = slice.metadata.labels.clone().unwrap_or_default();
        // Nobody looks at it until the slice is written for another reason, here as upstream.
        found.remove(names::LABEL_HEADLESS);
        let mut expected = labels(service);
        if slice.endpoints.iter().all(Vec::is_empty) {
            // Placeholders are compared so that a missing label equals an empty one.
            found.retain(|_, value| !value.is_empty());
            expected.retain(|_, value| !value.is_empty());
        }
        if found != expected {
            wrong.push(format!("{name} has labels {found:?} instead of {expected:?}"));
        }
        let owners = slice.metadata.owner_references.iter().flatten();
        let owners: Vec<_> = owners
            .map(|owner| (owner.kind.as_str(), Some(&owner.uid)))
            .collect();
        if owners != [("Service", service.metadata.uid.as_ref())] {
            wrong.push(format!("{name} has owners {owners:?}"));
        }
    }
    wrong
}

/// Whether two sets of slices of one Service differ in more than names and placing.
pub(crate) fn against_other(
    service: &Service,
    ours: &[EndpointSlice],
    theirs: &[EndpointSlice],
    annotations: bool,
) -> Vec<String> {
    let prepared = |slices: &[EndpointSlice]| {
        let mut form = canonical(slices);
        for group in form.groups.values_mut() {
            let metadata = std::mem::take(&mut group.metadata);
            group.metadata = metadata
                .into_iter()
                .map(|mut meta| {
                    if !annotations {
                        meta.annotations.clear();
                    }
                    meta
                })
                .collect();
        }
        form
    };
    let compare = comparison(service, true);
    let (ours, theirs) = (prepared(ours), prepared(theirs));
    let mut wrong: Vec<String> = diff_with(&ours, &theirs, &compare)
        .iter()
        .filter(|difference| !matches!(difference, Difference::HintedZones { .. }))
        .map(|difference| told(difference, "quaymaster", "upstream"))
        .collect();
    for (key, group) in &ours.groups {
        let sizes = theirs.groups.get(key).map(|group| &group.sizes);
        if sizes.is_some_and(|sizes| *sizes != group.sizes) {
            wrong.push(format!(
                "{key}: sizes: quaymaster {:?}, upstream {sizes:?}",
                group.sizes
            ));
        }
    }
    wrong
}

/// Whether a Pod stands in slices of other ports or another hostname than it should, or in a slice that is not the
/// Service's own.
///
/// Such a Pod is first added where it belongs and then taken out where it stands; upstream does both in one go, at
/// the risk that consumers see it nowhere in between. That is another number of writes, and while a Pod still takes
/// its room in a slice, another one is placed elsewhere.
pub(crate) fn some_pod_moves(service: &Service, desired: &Desired, slices: &[EndpointSlice]) -> bool {
    let start = canonical(slices);
    let owned = |slice: &EndpointSlice| {
        let owners = slice.metadata.owner_references.iter().flatten();
        owners
            .into_iter()
            .any(|owner| Some(&owner.uid) == service.metadata.uid.as_ref())
    };
    let foreign = canonical(
        &slices
            .iter()
            .filter(|slice| !owned(slice))
            .cloned()
            .collect::<Vec<_>>(),
    );
    let stands = |form: &Canonical, key: &DesiredKey, pod: &str, elsewhere: bool| {
        form.groups.iter().any(|(at, group)| {
            at.address_type == key.address_type.to_string()
                && (!elsewhere || at.ports != key.ports)
                && group.endpoints.keys().any(|identity| identity.name == pod)
        })
    };
    let renamed = |key: &DesiredKey, pod: &quaymaster_oracle::Identity| {
        start.groups.iter().any(|(at, group)| {
            at.address_type == key.address_type.to_string()
                && group
                    .endpoints
                    .keys()
                    .any(|identity| identity.name == pod.name && identity != pod)
        })
    };
    desired.groups.iter().any(|(key, group)| {
        group.endpoints.keys().any(|identity| {
            let pod = identity.name.as_str();
            stands(&start, key, pod, true) || stands(&foreign, key, pod, false) || renamed(key, identity)
        })
    })
}

/// Whether a slice that belongs to somebody else equals the placeholder: upstream keeps it, until the garbage
/// collector takes it and the Service is left without any (kubernetes/kubernetes#141593); we replace it.
pub(crate) fn adopts_placeholder(service: &Service, slices: &[EndpointSlice]) -> bool {
    slices.iter().any(|slice| {
        let owners = slice.metadata.owner_references.iter().flatten();
        let owned = owners
            .into_iter()
            .any(|owner| Some(&owner.uid) == service.metadata.uid.as_ref());
        !owned && slice.endpoints.iter().all(Vec::is_empty)
    })
}
