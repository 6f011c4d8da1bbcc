//! What differs between two controllers' mirrored slices, without what may differ.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{EndpointSubset, Endpoints, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;

use super::canonical::{Canonical, Compare, Difference, HintComparison, canonical, diff_with};
use super::exception::{Exception, Exceptions};
use super::told::tell_owner;
use crate::rules::mirroring::{Config, allows_mirroring, desired, is_mirrored, slice_ports};
use crate::rules::ports::{PortHash, PortKey, port_set};
use crate::rules::repack::repack;

#[cfg(test)]
mod tests;

/// What is known beside the mirrored slices of one name.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// The Endpoints of that name on each side, with targets told as in the slices.
    pub endpoints: [Option<&'a Endpoints>; 2],
    /// The Service of that name.
    pub service: Option<&'a Service>,
    /// How both controllers are set up.
    pub config: Config,
    /// Which of both sides is kube-controller-manager, whose known defects are forgiven.
    pub upstream: [bool; 2],
    /// On which side the API server has refused to create a slice that was there already, as kube-controller-manager asks for
    /// where it mixes up what it recycles.
    pub refused: [bool; 2],
}

/// What differs between the mirrored slices of one name; exceptions are counted and left out. Owners have the uid `live`
/// where they are the Endpoints that are there.
pub fn fair(setting: &Setting<'_>, sides: [&[EndpointSlice]; 2], exceptions: &mut Exceptions) -> Vec<String> {
    let forms = sides.map(canonical);
    if compare(&forms[0], &forms[1]).is_empty() && same_endpoints(setting) {
        return Vec::new();
    }
    let mut apply = |exception| *exceptions.entry(exception).or_default() += 1;
    // Where Endpoints differ, each side is to mirror its own; where they do not, one side is not as it should be.
    let mut found = Vec::new();
    for (side, form) in forms.iter().enumerate() {
        for difference in compare(&wanted(setting, side), form) {
            match excuse(setting, &difference, form, side) {
                Some(exception) => apply(exception),
                None => found.push(format!(
                    "{} side, left as its Endpoints want it and right as it is: {difference}",
                    ["left", "right"][side]
                )),
            }
        }
    }
    if found.is_empty() && !same_endpoints(setting) {
        apply(Exception::LeftBehind);
    }
    found
}

/// Whether a side's slices are not as its Endpoints want them, and all of that is forgiven to kube-controller-manager: whoever
/// keeps them next puts it right.
pub fn is_forgiven(setting: &Setting<'_>, side: usize, slices: &[EndpointSlice]) -> bool {
    let form = canonical(slices);
    let differences = compare(&wanted(setting, side), &form);
    let excused = |difference| excuse(setting, difference, &form, side).is_some();
    !differences.is_empty() && differences.iter().all(excused)
}

fn compare(left: &Canonical, right: &Canonical) -> Vec<Difference> {
    let exact = Compare {
        hints: HintComparison::Exact,
        slice_count: true,
    };
    diff_with(left, right, &exact)
}

fn same_endpoints(setting: &Setting<'_>) -> bool {
    let content = |endpoints: &Endpoints| {
        let metadata = &endpoints.metadata;
        (
            metadata.labels.clone(),
            metadata.annotations.clone(),
            endpoints.subsets.clone(),
        )
    };
    let [left, right] = setting.endpoints.map(|endpoints| endpoints.map(content));
    left == right
}

/// The slices that should be there for the Endpoints of a side.
fn wanted(setting: &Setting<'_>, side: usize) -> Canonical {
    let mirrored = setting.endpoints[side]
        .filter(|endpoints| is_mirrored(endpoints) && setting.service.is_some_and(allows_mirroring));
    let Some(endpoints) = mirrored else {
        return Canonical::default();
    };
    let mut slices = desired(endpoints, setting.config).as_slices(endpoints, setting.config);
    for owner in slices
        .iter_mut()
        .flat_map(|slice| slice.metadata.owner_references.iter_mut().flatten())
    {
        tell_owner(owner, endpoints.metadata.uid.as_ref());
    }
    canonical(&slices)
}

/// Why a difference of a side from what it should have is none.
fn excuse(
    setting: &Setting<'_>,
    difference: &Difference,
    form: &Canonical,
    side: usize,
) -> Option<Exception> {
    if setting.upstream[side] && unowned(difference, form) {
        return Some(Exception::UnownedMirror);
    }
    if setting.upstream[side] && setting.refused[side] {
        return Some(Exception::MirrorRecycling);
    }
    let group = difference.group()?;
    let endpoints = setting.endpoints[side]?;
    // quaymaster's choice is as many.
    let as_many = || {
        let wanted = wanted(setting, side);
        let count = |form: &Canonical| form.groups.get(group).map_or(0, |group| group.endpoints.len());
        let sizes = |form: &Canonical| form.groups.get(group).map(|group| group.sizes.clone());
        count(&wanted) == count(form) && sizes(&wanted) == sizes(form)
    };
    let may_be_so =
        apart(endpoints, &group.ports, setting.config.minor) && (setting.upstream[side] || as_many());
    let stray = match difference {
        Difference::EndpointOnlyRight(group, identity) => {
            let desired = desired(endpoints, setting.config);
            let mut groups = desired.groups.iter().filter(|(key, _)| {
                key.address_type.as_str() == group.address_type && key.ports == group.ports
            });
            !groups.any(|(_, wanted)| wanted.endpoints.contains_key(identity))
        }
        Difference::EndpointOnlyLeft(..) | Difference::Field { .. } | Difference::SliceCount(..) => false,
        // Which slices there are, and their labels, annotations and owners, is nobody's choice.
        _ => true,
    };
    (may_be_so && !stray).then_some(Exception::ApplicationProtocol)
}

/// Whether a slice lacks its owner and nothing else.
fn unowned(difference: &Difference, form: &Canonical) -> bool {
    let Difference::Metadata { group, .. } = difference else {
        return false;
    };
    let metadata = form.groups.get(group).map(|group| &group.metadata);
    metadata.is_some_and(|metadata| metadata.iter().all(|meta| meta.owners.is_empty()))
}

/// Whether upstream's choice of what it mirrors hangs on the order of a map: several subsets of the same ports stay apart.
pub fn is_ambiguous(endpoints: &Endpoints, minor: u32) -> bool {
    let mut seen = BTreeSet::new();
    let packed = repack(
        &endpoints.subsets.clone().unwrap_or_default(),
        PortHash::of(minor),
    );
    packed.iter().any(|subset| !seen.insert(told_ports(subset)))
}

/// Whether several subsets of these ports stay apart when they are repacked, as upstream has it of ports with an application
/// protocol: which of two addresses that are told alike counts hangs on the order of subsets, and each has a maximum of its
/// own.
fn apart(endpoints: &Endpoints, ports: &[PortKey], minor: u32) -> bool {
    let subsets = endpoints.subsets.clone().unwrap_or_default();
    let packed = repack(&subsets, PortHash::of(minor));
    let same = packed.iter().filter(|subset| told_ports(subset) == ports);
    same.count() > 1
}

/// The ports of a subset as its slices have them.
fn told_ports(subset: &EndpointSubset) -> Vec<PortKey> {
    port_set(Some(&slice_ports(subset)))
}
