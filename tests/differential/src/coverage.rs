//! How often each rule of the controllers was met: a rule that no cluster meets is not compared.

mod cidrs;
mod endpoints;
mod mirrored;
mod slices;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use quaymaster_oracle::slices::{NULL_EQUALS_EMPTY, PREFER_SAME};

use crate::controllers::{Controller, Controllers};
use crate::world::STRICT_ADDRESSES;

macro_rules! rules {
    ($($controller:ident { $(
        $variant:ident = $group:literal, $text:literal;
    )* })*) => {
        /// A rule, or one case of it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Rule { $($(#[doc = concat!("`", $text, "`")] $variant,)*)* }

        impl Rule {
            /// Every rule, by controller and group.
            pub(crate) const ALL: &'static [Self] = &[$($(Self::$variant,)*)*];

            /// Whose rule it is.
            pub(crate) fn controller(self) -> Controller {
                match self { $($(Self::$variant => Controller::$controller,)*)* }
            }

            /// What the controller does there.
            pub(crate) fn group(self) -> &'static str {
                match self { $($(Self::$variant => $group,)*)* }
            }

            /// The case.
            pub(crate) fn text(self) -> &'static str {
                match self { $($(Self::$variant => $text,)*)* }
            }
        }
    };
}

rules! {
    EndpointSlice {
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

    Endpoints {
        EndpointsChangedByOthers = "triggers", "someone else changes or deletes Endpoints";
        EndpointsSwept = "sync", "Endpoints without a Service are deleted";
        EndpointsTakenOver = "sync", "Endpoints that a user made get those of a Service";
        EndpointsReady = "addresses", "a ready address";
        EndpointsNotReady = "addresses", "an address that is not ready";
        EndpointsHostname = "addresses", "an address with a hostname";
        EndpointsTerminating = "addresses", "a terminating Pod is left out";
        EndpointsPublished = "addresses", "a terminating Pod where not-ready addresses are published";
        EndpointsSecondFamily = "addresses", "the second family of a Service is left out";
        EndpointsOtherFamily = "addresses", "a Pod without an address of the primary family is left out";
        EndpointsUnknownNode = "addresses", "a Pod on a node that does not exist is published";
        EndpointsUnresolved = "ports", "a Pod without any of the ports is left out";
        EndpointsNoPorts = "ports", "a subset without ports";
        EndpointsSubsets = "repacking", "Pods with different ports";
        EndpointsShared = "repacking", "ports of the same addresses share a subset";
        EndpointsTwoSubsets = "repacking", "an address in two subsets";
        EndpointsReadyCut = "truncation", "ready addresses are cut off";
        EndpointsNotReadyCut = "truncation", "addresses that are not ready are cut off";
        EndpointsFitAgain = "truncation", "addresses fit again";
        EndpointsCreated = "writes", "Endpoints are created";
        EndpointsUpdated = "writes", "Endpoints are updated";
        EndpointsEmpty = "writes", "Endpoints without addresses";
        EndpointsTrigger = "writes", "a trigger time is written";
        EndpointsNoTrigger = "writes", "an update without a trigger time";
        EndpointsAnnotations = "writes", "annotations of others stay";
        EndpointsLabels = "labels", "labels of the Service are copied";
        EndpointsHeadless = "labels", "a headless Service";
        EndpointsReserved = "labels", "a Service has a label that is reserved on Endpoints";
        EndpointsRepaired = "labels", "a label that is not the Service's is taken off";
    }

    Mirroring {
        MirrorChangedByOthers = "triggers", "someone else changes or deletes a mirrored slice";
        MirrorSkipped = "sync", "Endpoints with the label that says so are not mirrored";
        MirrorSkipOther = "sync", "that label with another value";
        MirrorLeader = "sync", "Endpoints that are a lock are not mirrored";
        MirrorNoService = "sync", "Endpoints without a Service are not mirrored";
        MirrorSelector = "sync", "Endpoints of a Service with a selector are not mirrored";
        MirrorExternal = "sync", "Endpoints of an ExternalName Service are mirrored";
        MirrorLeftBehind = "sync", "Endpoints that a controller has left behind are mirrored";
        MirrorReady = "endpoints", "a ready endpoint";
        MirrorNotReady = "endpoints", "an endpoint that is not ready";
        MirrorTarget = "endpoints", "a target that is no Pod";
        MirrorHostname = "endpoints", "an endpoint with a hostname";
        MirrorNode = "endpoints", "an endpoint with a node";
        MirrorMapped = "endpoints", "an IPv4 address in the form of IPv6";
        MirrorTwice = "subsets", "an address ready and not ready";
        MirrorMerged = "subsets", "subsets of the same ports come together";
        MirrorApart = "subsets", "subsets with an application protocol stay apart";
        MirrorFamilies = "subsets", "slices of both families from one subset";
        MirrorNoPorts = "subsets", "a subset without ports";
        MirrorTooMany = "subsets", "more addresses than are mirrored";
        MirrorNothing = "subsets", "Endpoints without addresses have no slice";
        MirrorCreated = "writes", "a mirrored slice is created";
        MirrorUpdated = "writes", "a mirrored slice is updated";
        MirrorRecycled = "writes", "a mirrored slice gets other ports";
        MirrorDeleted = "writes", "a mirrored slice of a group that is gone is deleted";
        MirrorCleaned = "writes", "slices of what is no longer mirrored are deleted";
        MirrorOwner = "writes", "a slice gets the owner that replaced its own";
        MirrorLabels = "metadata", "labels of Endpoints are copied";
        MirrorReserved = "metadata", "Endpoints have a label that is reserved on slices";
        MirrorAnnotations = "metadata", "annotations of Endpoints are copied";
        MirrorNotCopied = "metadata", "an annotation that is not copied";
    }

    ServiceCidr {
        CidrChangedByOthers = "triggers", "someone else makes, changes or deletes a ServiceCIDR";
        CidrFinalizer = "sync", "a finalizer is added";
        CidrReady = "sync", "a ServiceCIDR is ready";
        CidrHeld = "deletion", "addresses hold a deletion up";
        CidrReleased = "deletion", "a ServiceCIDR is let go";
        CidrCovered = "deletion", "one is let go whose addresses another one holds";
        CidrTwoFamilies = "ranges", "a ServiceCIDR of two families";
        CidrOverlap = "ranges", "ServiceCIDRs overlap";
    }
}

/// Counts by rule.
#[derive(Clone, Debug, Default)]
pub(crate) struct Coverage(BTreeMap<Rule, usize>);

impl Coverage {
    pub(crate) fn count(&mut self, rule: Rule) {
        *self.0.entry(rule).or_default() += 1;
    }

    /// Counts a rule where it was met.
    fn count_if(&mut self, met: bool, rule: Rule) {
        if met {
            self.count(rule);
        }
    }

    /// Adds the counts of another.
    pub(crate) fn add(&mut self, other: &Self) {
        for (rule, count) in &other.0 {
            *self.0.entry(*rule).or_default() += count;
        }
    }

    /// Rules of these controllers that were never met, of those that a control plane of this minor (37 for 1.37) has.
    pub(crate) fn never_met(&self, minor: u32, controllers: &Controllers) -> Vec<Rule> {
        let exists = |rule: &Rule| match rule {
            Rule::PreferSameZone | Rule::PreferSameNode => minor >= PREFER_SAME,
            // No cluster has them before; see there.
            Rule::NoPorts => minor >= NULL_EQUALS_EMPTY,
            Rule::MirrorMapped => minor < STRICT_ADDRESSES,
            _ => true,
        };
        Rule::ALL
            .iter()
            .copied()
            .filter(exists)
            .filter(|rule| controllers.has(rule.controller()) && !self.0.contains_key(rule))
            .collect()
    }

    fn of(&self, rule: Rule) -> usize {
        self.0.get(&rule).copied().unwrap_or(0)
    }
}

/// One line for each rule of these controllers.
pub(crate) fn table(sides: &[Coverage; 2], controllers: &Controllers) -> String {
    let mut text = String::new();
    let mut last = None;
    for &rule in Rule::ALL.iter().filter(|rule| controllers.has(rule.controller())) {
        // Writing to a String cannot fail.
        if last.replace(rule.controller()) != Some(rule.controller()) {
            _ = writeln!(text, " {}", rule.controller().name());
        }
        let [left, right] = sides.each_ref().map(|side| side.of(rule));
        _ = writeln!(text, "  {:20} {left:8} {right:8}  {}", rule.group(), rule.text());
    }
    text
}
