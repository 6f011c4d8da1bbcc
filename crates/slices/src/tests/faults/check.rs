//! What must hold once everything is settled.

use std::collections::{BTreeMap, BTreeSet};

use quaymaster_membership::backing;
use quaymaster_model::{EndpointRecord, IpFamily, PortSet, Text};

use super::cluster::{Sim, family, is_of_service};
use crate::{convert, labels};

type Wanted = BTreeMap<Text, (PortSet, EndpointRecord)>;

pub(super) fn settled(sim: &mut Sim) -> Result<(), String> {
    for at in [IpFamily::V4, IpFamily::V6] {
        one_family(sim, at)?;
    }
    nothing_left(sim)
}

fn one_family(sim: &Sim, of: IpFamily) -> Result<(), String> {
    let mut wanted: Wanted = BTreeMap::new();
    let mut groups: BTreeSet<PortSet> = BTreeSet::new();
    for pod in sim.seen.pods.values() {
        let ports = convert::ports(&sim.service, pod);
        if backing::backs(pod, true) {
            groups.insert(ports.clone());
        }
        if let Some(endpoint) = sim.desired(pod, of) {
            wanted.insert(pod.key.name.clone(), (ports, endpoint));
        }
    }
    let supported = sim.service.slice_families().contains(&of);
    let slices = sim
        .as_sent()
        .filter(|slice| is_of_service(slice) && !slice.terminating);
    let slices: Vec<_> = slices.filter(|slice| family(slice) == Some(of)).collect();
    if supported == slices.is_empty() {
        return Err(format!("{of:?}: {} slices, supported: {supported}", slices.len()));
    }
    let some = !wanted.is_empty();
    let labels = labels::wanted(&sim.service);
    for slice in &slices {
        let name = &slice.key.name;
        if !slice.owned_by_service(&sim.service.uid) {
            return Err(format!("{name} is not ours, but still there"));
        }
        if labels::differ(&slice.labels, &labels) {
            return Err(format!("{name} has labels {:?}", slice.labels));
        }
        if slice.endpoints.len() > sim.settings.max_endpoints {
            return Err(format!("{name} has {} endpoints", slice.endpoints.len()));
        }
        // An empty slice of ports that some Pod has stays, as upstream has it, however it came to be empty.
        let may_be_empty = slices.len() == 1 || groups.contains(&slice.ports);
        if slice.endpoints.is_empty() && (some || slices.len() > 1) && !may_be_empty {
            return Err(format!("{name} is not needed"));
        }
        for endpoint in &slice.endpoints {
            let pod = endpoint.target.as_ref().map(|target| &target.name);
            let Some((ports, desired)) = pod.and_then(|pod| wanted.remove(pod)) else {
                return Err(format!("{name} has {pod:?} twice or unwanted"));
            };
            let mut desired = desired;
            if desired.conditions.ready != Some(true) {
                desired.hints.clone_from(&endpoint.hints);
            }
            if ports != *slice.ports || desired != *endpoint {
                return Err(format!("{name}: {endpoint:#?} instead of {desired:#?}"));
            }
        }
    }
    match wanted.keys().next() {
        Some(pod) => Err(format!("{pod} {of:?} is in no slice")),
        None => Ok(()),
    }
}

fn nothing_left(sim: &mut Sim) -> Result<(), String> {
    let plan = sim.planned(16);
    if !plan.writes.is_empty() || sim.state.has_work() || sim.state.in_flight() > 0 {
        return Err(format!("not finished: {:#?}", plan.writes));
    }
    let spare = sim.with(|state, cx| state.spare(cx));
    if sim.settings.rebalance_after.is_some() && spare > 0 && !sim.others_wrote {
        return Err(format!("{spare} slices could go"));
    }
    let held: BTreeSet<&Text> = sim.state.by_name.keys().collect();
    let stored = sim.stored.iter().filter(|(_, slice)| is_of_service(slice));
    let stored: BTreeSet<&Text> = stored.map(|(name, _)| name).collect();
    if held != stored || sim.state.slices.len() != stored.len() {
        return Err(format!("slices {held:?} are held, {stored:?} stored"));
    }
    let eligible: BTreeSet<&Text> = sim
        .seen
        .pods
        .iter()
        .filter(|(_, pod)| backing::backs(pod, true))
        .map(|(name, _)| name)
        .collect();
    let remembered: BTreeSet<&Text> = sim.state.pods.keys().collect();
    if remembered != eligible {
        return Err(format!(
            "Pods {remembered:?} are remembered, {eligible:?} are eligible"
        ));
    }
    let mut groups: BTreeSet<PortSet> = sim
        .seen
        .pods
        .values()
        .filter(|pod| backing::backs(pod, true))
        .map(|pod| convert::ports(&sim.service, pod))
        .collect();
    groups.extend(
        sim.as_sent()
            .filter(|slice| is_of_service(slice))
            .map(|slice| PortSet::clone(&slice.ports)),
    );
    groups.insert(PortSet::default());
    let remembered = sim.state.groups.iter().count();
    if remembered != groups.len() {
        return Err(format!(
            "{remembered} groups are remembered, {} in use",
            groups.len()
        ));
    }
    for family in &sim.state.families {
        let marked = [&family.marked.dirty, &family.marked.again, &family.marked.waiting];
        let marked = marked.into_iter().any(|marked| !marked.is_empty());
        if marked || !family.marked.leaving.is_empty() || !family.unplaced.is_empty() {
            return Err(format!("marked without need: {family:?}"));
        }
    }
    Ok(())
}
