//! How often each rule of the controller was met: a rule that no cluster meets is not compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use quaymaster_oracle::names::{HEADLESS, RESERVED_ON_SLICES, TRIGGER_TIME};
use quaymaster_oracle::slices::{Desired, NULL_EQUALS_EMPTY, PREFER_SAME, auto};

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

rules! {
    ServiceChange = "triggers", "a Service changes";
    PodChange = "triggers", "a Pod changes";
    NodeChange = "triggers", "a node changes";
    SliceChangedByOthers = "triggers", "someone else changes or deletes a slice";
    ServiceGone = "sync", "a Service is gone";
    ExternalName = "sync", "a Service is of type ExternalName";
    NoSelector = "sync", "a Service has no selector";
    TerminatingService = "sync", "a Service is being deleted";
    ReadyEndpoint = "endpoints", "a ready endpoint";
    UnreadyEndpoint = "endpoints", "an endpoint that is not ready";
    TerminatingServing = "endpoints", "a terminating endpoint that still serves";
    TerminatingUnready = "endpoints", "a terminating endpoint that does not serve";
    PublishNotReady = "endpoints", "an endpoint ready only because not-ready addresses are published";
    Hostname = "endpoints", "an endpoint with a hostname";
    MissingNode = "endpoints", "a Pod left out for want of its node";
    SeveralGroups = "port groups", "a Service whose Pods have different ports";
    NoPorts = "port groups", "endpoints without ports";
    EmptyGroup = "port groups", "a set of ports without endpoints";
    SingleStack = "families", "a Service of one family";
    DualStack = "families", "a Service of two families";
    UpdatedInPlace = "algorithm", "a slice changes and keeps its ports";
    Filled = "algorithm", "a slice is filled to the maximum";
    Placeholder = "algorithm", "an empty slice of a Service without endpoints";
    Created = "writes", "a slice is created";
    Recycled = "writes", "a slice gets other ports";
    Deleted = "writes", "a slice is deleted";
    Owner = "new slices", "a slice with its owner";
    TriggerTime = "new slices", "a slice with a trigger time";
    Repaired = "tracker", "a label that is not the Service's is taken off";
    AutoHints = "hints by annotation", "hints are given";
    AutoRefused = "hints by annotation", "the annotation is there, and no hints are given";
    PreferClose = "traffic distribution", "PreferClose with hints";
    PreferSameZone = "traffic distribution", "PreferSameZone with hints";
    PreferSameNode = "traffic distribution", "PreferSameNode with hints";
    ServiceLabels = "labels", "labels of the Service are copied";
    ReservedLabels = "labels", "a Service has a reserved label";
    HeadlessLabel = "labels", "a headless Service";
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

    fn of(&self, rule: Rule) -> usize {
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
            if service.is_some() {
                self.count(Rule::Deleted);
            }
            return;
        }
        let size = |slice: &EndpointSlice| slice.endpoints.as_ref().map_or(0, Vec::len);
        match old {
            None => self.count(Rule::Created),
            Some(old) if ports(old) != ports(new) => self.count(Rule::Recycled),
            Some(old) => {
                self.count(Rule::UpdatedInPlace);
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
        _ = writeln!(text, "  {:20} {left:8} {right:8}  {}", rule.group(), rule.text());
    }
    text
}

/// The ports as a set.
fn ports(slice: &EndpointSlice) -> BTreeSet<String> {
    let ports = slice.ports.iter().flatten();
    ports.map(|port| format!("{port:?}")).collect()
}

/// Whether the slice had a label that its Service does not have.
fn foreign_label(slice: &EndpointSlice, service: Option<&Service>) -> bool {
    let of_service = service
        .and_then(|service| service.metadata.labels.clone())
        .unwrap_or_default();
    let mut labels = slice.metadata.labels.iter().flatten();
    labels.any(|(key, _)| !RESERVED_ON_SLICES.contains(&key.as_str()) && !of_service.contains_key(key))
}
