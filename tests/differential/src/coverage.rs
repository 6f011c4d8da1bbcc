//! How often each rule of the controller was met: a rule that no cluster meets is not compared.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use quaymaster_oracle::names::{HEADLESS, RESERVED, TRIGGER_TIME};
use quaymaster_oracle::{Desired, NULL_EQUALS_EMPTY, PREFER_SAME, auto};

macro_rules! rules {
    ($($(#[$doc:meta])* $variant:ident = $group:literal, $text:literal;)*) => {
        /// A rule, or one case of it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Rule { $(#[doc = concat!("`", $text, "`")] $variant,)* }

        impl Rule {
            /// Every rule, by group.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// What the controller does there.
            pub(crate) fn group(self) -> &'static str {
                match self { $(Self::$variant => $group,)* }
            }

            /// The case.
            pub(crate) fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

// Groups are sections of the description of the controller that the rules of this project follow.
rules! {
    ServiceChange = "2.1 triggers", "a Service changes";
    PodChange = "2.1 triggers", "a Pod changes";
    NodeChange = "2.1 triggers", "a node changes";
    SliceChangedByOthers = "2.1 triggers", "someone else changes or deletes a slice";
    ServiceGone = "2.2 sync", "a Service is gone";
    ExternalName = "2.2 sync", "a Service is of type ExternalName";
    NoSelector = "2.2 sync", "a Service has no selector";
    ReadyEndpoint = "2.3 endpoints", "a ready endpoint";
    UnreadyEndpoint = "2.3 endpoints", "an endpoint that is not ready";
    TerminatingServing = "2.3 endpoints", "a terminating endpoint that still serves";
    TerminatingUnready = "2.3 endpoints", "a terminating endpoint that does not serve";
    PublishNotReady = "2.3 endpoints", "an endpoint ready only because not-ready addresses are published";
    Hostname = "2.3 endpoints", "an endpoint with a hostname";
    MissingNode = "2.3 endpoints", "a Pod left out for want of its node";
    SeveralGroups = "2.4 port groups", "a Service whose Pods have different ports";
    NoPorts = "2.4 port groups", "endpoints without ports";
    EmptyGroup = "2.4 port groups", "a set of ports without endpoints";
    SingleStack = "2.5 families", "a Service of one family";
    DualStack = "2.5 families", "a Service of two families";
    FamilyDropped = "2.5 families", "a slice goes of a family that the Service has no longer";
    UpdatedInPlace = "2.6 algorithm", "a slice changes and keeps its ports";
    TakenAlong = "2.6 algorithm", "endpoints go into a slice that changes anyway (step 2)";
    Joined = "2.6 algorithm", "the rest goes into an unchanged slice with room (step 3)";
    Filled = "2.6 algorithm", "a slice is filled to the maximum";
    OtherOwner = "2.6 algorithm", "a slice goes that the Service does not own";
    Duplicate = "2.6 algorithm", "an endpoint that is there twice is taken out";
    Placeholder = "2.6 algorithm", "an empty slice of a Service without endpoints";
    Created = "2.7 writes", "a slice is created";
    CreateSkipped = "2.7 writes", "endpoints of a Service that is being deleted have no slice";
    Recycled = "2.7 writes", "a slice gets other ports";
    Deleted = "2.7 writes", "a slice is deleted";
    TerminatingService = "2.7 writes", "a Service is being deleted";
    Owner = "2.8 new slices", "a slice with its owner";
    TriggerTime = "2.8 new slices", "a slice with a trigger time";
    PutRight = "2.9 tracker", "a slice that someone else changed is written";
    AutoHints = "2.10 hints by annotation", "hints are given";
    AutoRefused = "2.10 hints by annotation", "the annotation is there, and no hints are given";
    PreferClose = "2.11 traffic distribution", "PreferClose with hints";
    PreferSameZone = "2.11 traffic distribution", "PreferSameZone with hints";
    PreferSameNode = "2.11 traffic distribution", "PreferSameNode with hints";
    ServiceLabels = "2.12 labels", "labels of the Service are copied";
    ReservedLabels = "2.12 labels", "a Service has a reserved label";
    HeadlessLabel = "2.12 labels", "a headless Service";
    Repaired = "2.12 labels", "a label that is not the Service's is taken off";
}

/// Counts by rule.
#[derive(Clone, Debug, Default)]
pub(crate) struct Coverage(BTreeMap<Rule, usize>);

impl Coverage {
    pub(crate) fn count(&mut self, rule: Rule) {
        *self.0.entry(rule).or_default() += 1;
    }

    /// Adds the counts of another.
    pub(crate) fn add(&mut self, other: &Self) {
        for (rule, count) in &other.0 {
            *self.0.entry(*rule).or_default() += count;
        }
    }

    /// Rules that were never met, of those that a control plane of this minor (37 for 1.37) has.
    pub(crate) fn never_met(&self, minor: u32) -> Vec<Rule> {
        let exists = |rule: &Rule| match rule {
            Rule::PreferSameZone | Rule::PreferSameNode => minor >= PREFER_SAME,
            // No cluster has them before; see there.
            Rule::NoPorts => minor >= NULL_EQUALS_EMPTY,
            _ => true,
        };
        Rule::ALL
            .iter()
            .copied()
            .filter(exists)
            .filter(|rule| !self.0.contains_key(rule))
            .collect()
    }

    /// How often a rule was met.
    pub(crate) fn of(&self, rule: Rule) -> usize {
        self.0.get(&rule).copied().unwrap_or(0)
    }

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
            .any(|(key, _)| RESERVED.contains(&key.as_str()))
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
        if labels.clone().any(|(key, _)| !RESERVED.contains(&key.as_str())) {
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

/// One line a rule.
pub(crate) fn table(sides: &[Coverage; 2]) -> String {
    let mut text = String::new();
    for &rule in Rule::ALL {
        let [left, right] = sides.each_ref().map(|side| side.of(rule));
        // Writing to a String cannot fail.
        _ = writeln!(text, "  {:25} {left:8} {right:8}  {}", rule.group(), rule.text());
    }
    text
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
    labels.any(|(key, _)| !RESERVED.contains(&key.as_str()) && !of_service.contains_key(key))
}
