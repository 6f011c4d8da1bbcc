//! What is compared, and what is not.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use quaymaster_oracle::Exceptions;
use quaymaster_oracle::slices::{
    Canonical, Desired, DesiredKey, Difference, GroupKey, Setting, canonical, fair,
};

/// What is known when results are compared that began with the same slices and may have seen another history.
fn setting(service: &Service, fresh: bool) -> Setting<'_> {
    static FAMILIES: BTreeSet<String> = BTreeSet::new();
    static GROUPS: BTreeSet<GroupKey> = BTreeSet::new();
    Setting {
        service: Some(service),
        nodes: None,
        fresh,
        upstream: [true, false],
        families: [&FAMILIES, &FAMILIES],
        may_be_empty: [&GROUPS, &GROUPS],
    }
}

/// Slices whose owners are told by whether they are the Service.
fn told_by_owner(service: &Service, slices: &[EndpointSlice]) -> Vec<EndpointSlice> {
    let mut slices = slices.to_vec();
    for owner in slices
        .iter_mut()
        .flat_map(|slice| slice.metadata.owner_references.iter_mut().flatten())
    {
        let live = Some(&owner.uid) == service.metadata.uid.as_ref();
        if live { "live" } else { "stale" }.clone_into(&mut owner.uid);
    }
    slices
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
        Difference::HintedZones { .. } | Difference::HintedElsewhere { .. } => difference.to_string(),
    }
}

/// Whether the slices say what they should, in every field, and look as they should.
pub(crate) fn against_desired(service: &Service, desired: &Desired, slices: &[EndpointSlice]) -> Vec<String> {
    let wanted = desired.as_slices(service);
    let filled = |slice: &EndpointSlice| slice.endpoints.iter().any(|endpoints| !endpoints.is_empty());
    // An empty slice that is there stays, also beside others of its family.
    let beside = |slice: &EndpointSlice| {
        let mut others = slices
            .iter()
            .filter(|other| other.address_type == slice.address_type);
        others.any(filled)
    };
    let looked_at: Vec<EndpointSlice> = slices
        .iter()
        .filter(|slice| filled(slice) || !beside(slice))
        .cloned()
        .collect();
    let mut wrong = differences(service, false, ["wanted", "quaymaster"], [&wanted, &looked_at]);
    let types: BTreeSet<&str> = slices.iter().map(|slice| slice.address_type.as_str()).collect();
    let wanted: BTreeSet<String> = desired.address_types.iter().map(ToString::to_string).collect();
    if !types.iter().copied().eq(wanted.iter().map(String::as_str)) {
        wrong.push(format!("slices of types {types:?} instead of {wanted:?}"));
    }
    wrong
}

fn differences(
    service: &Service,
    fresh: bool,
    names: [&str; 2],
    sides: [&[EndpointSlice]; 2],
) -> Vec<String> {
    let [left, right] = sides.map(|slices| told_by_owner(service, slices));
    let found = fair(&setting(service, fresh), [&left, &right], &mut Exceptions::new());
    found
        .iter()
        .map(|difference| told(difference, names[0], names[1]))
        .collect()
}

/// Whether two sets of slices of one Service differ in more than names and placing.
pub(crate) fn against_other(
    service: &Service,
    ours: &[EndpointSlice],
    theirs: &[EndpointSlice],
) -> Vec<String> {
    let mut wrong = differences(service, true, ["upstream", "quaymaster"], [theirs, ours]);
    let theirs = canonical(theirs);
    for (key, group) in &canonical(ours).groups {
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
    let renamed = |key: &DesiredKey, pod: &quaymaster_oracle::slices::Identity| {
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
