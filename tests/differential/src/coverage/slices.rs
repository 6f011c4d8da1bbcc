//! Rules of the EndpointSlice controller.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use quaymaster_oracle::names::{HEADLESS, RESERVED_ON_SLICES, TRIGGER_TIME};
use quaymaster_oracle::slices::{Desired, auto};

use super::{Coverage, Rule};

impl Coverage {
    pub(crate) fn service(&mut self, service: &Service, deleted: bool) {
        self.count(Rule::ServiceChange);
        if deleted {
            self.count(Rule::ServiceGone);
            return;
        }
        let spec = service.spec.clone().unwrap_or_default();
        if spec.type_.as_deref() == Some("ExternalName") {
            self.count(Rule::ExternalName);
        } else if spec.selector.is_none_or(|selector| selector.is_empty()) {
            self.count(Rule::NoSelector);
        }
        if service.metadata.deletion_timestamp.is_some() {
            self.count(Rule::TerminatingService);
        }
        let labels = service.metadata.labels.iter().flatten();
        if labels
            .into_iter()
            .any(|(key, _)| RESERVED_ON_SLICES.contains(&key.as_str()))
        {
            self.count(Rule::ReservedLabels);
        }
    }

    /// What should be, at one revision.
    pub(crate) fn desired(&mut self, service: &Service, desired: &Desired) {
        if !desired.managed {
            return;
        }
        match desired.address_types.len() {
            1 => self.count(Rule::SingleStack),
            _ => self.count(Rule::DualStack),
        }
        if !desired.skipped.is_empty() {
            self.count(Rule::MissingNode);
        }
        let families: Vec<_> = desired.groups.keys().map(|key| key.address_type).collect();
        let distinct: BTreeSet<_> = families.iter().collect();
        if distinct.len() < families.len() {
            self.count(Rule::SeveralGroups);
        }
        for (key, group) in &desired.groups {
            if group.endpoints.is_empty() {
                self.count(Rule::EmptyGroup);
            } else if key.ports.is_empty() {
                self.count(Rule::NoPorts);
            }
        }
        let publish = service
            .spec
            .as_ref()
            .and_then(|spec| spec.publish_not_ready_addresses)
            == Some(true);
        for endpoint in desired.groups.values().flat_map(|group| group.endpoints.values()) {
            let conditions = endpoint.conditions.clone().unwrap_or_default();
            let is = |condition: Option<bool>| condition == Some(true);
            let rule = match (
                is(conditions.ready),
                is(conditions.serving),
                is(conditions.terminating),
            ) {
                (true, serving, terminating) if publish && (!serving || terminating) => Rule::PublishNotReady,
                (true, ..) => Rule::ReadyEndpoint,
                (false, true, true) => Rule::TerminatingServing,
                (false, false, true) => Rule::TerminatingUnready,
                _ => Rule::UnreadyEndpoint,
            };
            self.count(rule);
            if endpoint.hostname.is_some() {
                self.count(Rule::Hostname);
            }
        }
    }

    /// A write of the controller.
    pub(crate) fn slice(
        &mut self,
        old: Option<&EndpointSlice>,
        new: &EndpointSlice,
        deleted: bool,
        service: Option<&Service>,
        max_endpoints: usize,
    ) {
        if deleted {
            // The garbage collector deletes those of a Service that is gone.
            if let Some(service) = service {
                self.count(Rule::Deleted);
                if dropped_family(new, service) {
                    self.count(Rule::FamilyDropped);
                }
                // One of a former Service may be the garbage collector's.
                if new.metadata.owner_references.as_ref().is_none_or(Vec::is_empty) {
                    self.count(Rule::OtherOwner);
                }
            }
            return;
        }
        let size = |slice: &EndpointSlice| slice.endpoints.as_ref().map_or(0, Vec::len);
        match old {
            None => self.count(Rule::Created),
            Some(old) if ports(old) != ports(new) => self.count(Rule::Recycled),
            Some(old) => {
                self.count(Rule::UpdatedInPlace);
                self.in_place(old, new);
                if size(new) == max_endpoints && size(old) < max_endpoints {
                    self.count(Rule::Filled);
                }
                if foreign_label(old, service) && !foreign_label(new, service) {
                    self.count(Rule::Repaired);
                }
            }
        }
        if size(new) == 0 && new.ports.as_ref().is_none_or(Vec::is_empty) {
            self.count(Rule::Placeholder);
        }
        if new.metadata.owner_references.is_some() {
            self.count(Rule::Owner);
        }
        let labels = new.metadata.labels.iter().flatten();
        let mut labels = labels.into_iter();
        if labels
            .clone()
            .any(|(key, _)| !RESERVED_ON_SLICES.contains(&key.as_str()))
        {
            self.count(Rule::ServiceLabels);
        }
        if labels.any(|(key, _)| key == HEADLESS) {
            self.count(Rule::HeadlessLabel);
        }
        if new
            .metadata
            .annotations
            .as_ref()
            .is_some_and(|all| all.contains_key(TRIGGER_TIME))
        {
            self.count(Rule::TriggerTime);
        }
        self.hints(new, service);
    }

    /// A change of a slice that keeps its ports, by what became of its endpoints.
    fn in_place(&mut self, old: &EndpointSlice, new: &EndpointSlice) {
        let [before, after] = [old, new].map(without_hints);
        let came = after
            .iter()
            .any(|(identity, _)| !before.iter().any(|(old, _)| old == identity));
        let stay = before.iter().all(|endpoint| after.contains(endpoint));
        let same = stay && old.metadata.labels == new.metadata.labels;
        match (came, before.is_empty()) {
            (true, false) if same => self.count(Rule::Joined),
            (true, false) => self.count(Rule::TakenAlong),
            _ => {}
        }
        let different: BTreeSet<&String> = before.iter().map(|(identity, _)| identity).collect();
        let twice = different.len() < before.len();
        let different: BTreeSet<&String> = after.iter().map(|(identity, _)| identity).collect();
        if twice && different.len() == after.len() {
            self.count(Rule::Duplicate);
        }
    }

    fn hints(&mut self, slice: &EndpointSlice, service: Option<&Service>) {
        let Some(service) = service else { return };
        let hinted = slice
            .endpoints
            .iter()
            .flatten()
            .any(|endpoint| endpoint.hints.is_some());
        if auto(service) {
            let ready =
                |endpoint: &Endpoint| endpoint.conditions.as_ref().and_then(|one| one.ready) == Some(true);
            if hinted {
                self.count(Rule::AutoHints);
            } else if slice.endpoints.iter().flatten().any(ready) {
                self.count(Rule::AutoRefused);
            }
            return;
        }
        let distribution = service
            .spec
            .as_ref()
            .and_then(|spec| spec.traffic_distribution.as_deref());
        match distribution {
            Some("PreferClose") if hinted => self.count(Rule::PreferClose),
            Some("PreferSameZone") if hinted => self.count(Rule::PreferSameZone),
            Some("PreferSameNode") if hinted => self.count(Rule::PreferSameNode),
            _ => {}
        }
    }
}

/// The ports as a set.
fn ports(slice: &EndpointSlice) -> BTreeSet<String> {
    let ports = slice.ports.iter().flatten();
    ports.map(|port| format!("{port:?}")).collect()
}

/// Identity and content of each endpoint.
fn without_hints(slice: &EndpointSlice) -> Vec<(String, Endpoint)> {
    let endpoints = slice.endpoints.iter().flatten().cloned();
    let endpoints = endpoints.map(|mut endpoint| {
        endpoint.hints = None;
        endpoint.addresses.sort_unstable();
        let target = endpoint.target_ref.as_ref();
        let name = target.and_then(|target| target.name.as_deref());
        (
            format!("{:?} {name:?} {:?}", endpoint.addresses, endpoint.hostname),
            endpoint,
        )
    });
    endpoints.collect()
}

/// Whether a slice is of a family that its Service does not have.
fn dropped_family(slice: &EndpointSlice, service: &Service) -> bool {
    let families = service.spec.as_ref().and_then(|spec| spec.ip_families.as_ref());
    families.is_some_and(|families| !families.is_empty() && !families.contains(&slice.address_type))
}

/// Whether the slice had a label that its Service does not have.
fn foreign_label(slice: &EndpointSlice, service: Option<&Service>) -> bool {
    let of_service = service
        .and_then(|service| service.metadata.labels.clone())
        .unwrap_or_default();
    let mut labels = slice.metadata.labels.iter().flatten();
    labels.any(|(key, _)| !RESERVED_ON_SLICES.contains(&key.as_str()) && !of_service.contains_key(key))
}
