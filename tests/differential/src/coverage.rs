//! How often each rule of the controllers was met: a rule that no cluster meets is not compared.

mod cidrs;
mod endpoints;
mod mirrored;
mod slices;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use quaymaster_oracle::minors::{LEFT_BY_APISERVER, NULL_EQUALS_EMPTY, PREFER_SAME, STRICT_ADDRESSES};

use crate::controllers::{Controller, Controllers};

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

// Groups are sections of the description of the controller that the rules of this project follow.
rules! {
    EndpointSlice {
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

    Endpoints {
        EndpointsChangedByOthers = "4.1 triggers", "someone else changes or deletes Endpoints";
        EndpointsSwept = "4.2 sync", "Endpoints without a Service are deleted";
        EndpointsTakenOver = "4.2 sync", "Endpoints that a user made get those of a Service";
        EndpointsReady = "4.2 addresses", "a ready address";
        EndpointsNotReady = "4.2 addresses", "an address that is not ready";
        EndpointsHostname = "4.2 addresses", "an address with a hostname";
        EndpointsTerminating = "4.2 addresses", "a terminating Pod is left out";
        EndpointsPublished = "4.2 addresses", "a terminating Pod where not-ready addresses are published";
        EndpointsSecondFamily = "4.2 addresses", "the second family of a Service is left out";
        EndpointsOtherFamily = "4.2 addresses", "a Pod without an address of the primary family is left out";
        EndpointsUnknownNode = "4.2 addresses", "a Pod on a node that does not exist is published";
        EndpointsUnresolved = "4.2 ports", "a Pod without any of the ports is left out";
        EndpointsNoPorts = "4.2 ports", "a subset without ports";
        EndpointsCreated = "4.2 writes", "Endpoints are created";
        EndpointsUpdated = "4.2 writes", "Endpoints are updated";
        EndpointsEmpty = "4.2 writes", "Endpoints without addresses";
        EndpointsTrigger = "4.2 writes", "a trigger time is written";
        EndpointsNoTrigger = "4.2 writes", "an update without a trigger time";
        EndpointsAnnotations = "4.2 writes", "annotations of others stay";
        EndpointsLabels = "4.2 labels", "labels of the Service are copied";
        EndpointsHeadless = "4.2 labels", "a headless Service";
        EndpointsReserved = "4.2 labels", "a Service has a label that is reserved on Endpoints";
        EndpointsRepaired = "4.2 labels", "a label that is not the Service's is taken off";
        EndpointsReadyCut = "4.3 truncation", "ready addresses are cut off";
        EndpointsNotReadyCut = "4.3 truncation", "addresses that are not ready are cut off";
        EndpointsFitAgain = "4.3 truncation", "addresses fit again";
        EndpointsSubsets = "4.4 repacking", "Pods with different ports";
        EndpointsShared = "4.4 repacking", "ports of the same addresses share a subset";
        EndpointsTwoSubsets = "4.4 repacking", "an address in two subsets";
    }

    Mirroring {
        MirrorChangedByOthers = "5.1 triggers", "someone else changes or deletes a mirrored slice";
        MirrorSkipped = "5.2 sync", "Endpoints with the label that says so are not mirrored";
        MirrorSkipOther = "5.2 sync", "that label with another value";
        MirrorLeader = "5.2 sync", "Endpoints that are a lock are not mirrored";
        MirrorNoService = "5.2 sync", "Endpoints without a Service are not mirrored";
        MirrorSelector = "5.2 sync", "Endpoints of a Service with a selector are not mirrored";
        MirrorExternal = "5.2 sync", "Endpoints of an ExternalName Service are mirrored";
        MirrorLeftBehind = "5.2 sync", "Endpoints that a controller has left behind are mirrored";
        MirrorReady = "5.3 endpoints", "a ready endpoint";
        MirrorNotReady = "5.3 endpoints", "an endpoint that is not ready";
        MirrorTarget = "5.3 endpoints", "a target that is no Pod";
        MirrorHostname = "5.3 endpoints", "an endpoint with a hostname";
        MirrorNode = "5.3 endpoints", "an endpoint with a node";
        MirrorMapped = "5.3 endpoints", "an IPv4 address in the form of IPv6";
        MirrorTwice = "5.3 subsets", "an address ready and not ready";
        MirrorMerged = "5.3 subsets", "subsets of the same ports come together";
        MirrorApart = "5.3 subsets", "subsets with an application protocol stay apart";
        MirrorFamilies = "5.3 subsets", "slices of both families from one subset";
        MirrorNoPorts = "5.3 subsets", "a subset without ports";
        MirrorTooMany = "5.3 subsets", "more addresses than are mirrored";
        MirrorNothing = "5.3 subsets", "Endpoints without addresses have no slice";
        MirrorCreated = "5.4 writes", "a mirrored slice is created";
        MirrorUpdated = "5.4 writes", "a mirrored slice is updated";
        MirrorRecycled = "5.4 writes", "a mirrored slice gets other ports";
        MirrorDeleted = "5.4 writes", "a mirrored slice of a group that is gone is deleted";
        MirrorCleaned = "5.4 writes", "slices of what is no longer mirrored are deleted";
        MirrorOwner = "5.4 writes", "a slice gets the owner that replaced its own";
        MirrorLabels = "5.4 metadata", "labels of Endpoints are copied";
        MirrorReserved = "5.4 metadata", "Endpoints have a label that is reserved on slices";
        MirrorAnnotations = "5.4 metadata", "annotations of Endpoints are copied";
        MirrorNotCopied = "5.4 metadata", "an annotation that is not copied";
    }

    ServiceCidr {
        CidrChangedByOthers = "6.1 triggers", "someone else makes, changes or deletes a ServiceCIDR";
        CidrFinalizer = "6.2 sync", "a finalizer is added";
        CidrReady = "6.2 sync", "a ServiceCIDR is ready";
        CidrTwoFamilies = "6.2 ranges", "a ServiceCIDR of two families";
        CidrOverlap = "6.2 ranges", "ServiceCIDRs overlap";
        CidrHeld = "6.3 deletion", "addresses hold a deletion up";
        CidrReleased = "6.3 deletion", "a ServiceCIDR is let go";
        CidrCovered = "6.3 deletion", "one is let go whose addresses another one holds";
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

    /// Rules of these controllers that were never met, of those that a control plane of this minor (37 for 1.37) has and that
    /// do not hang on who is faster.
    pub(crate) fn never_met(&self, minor: u32, controllers: &Controllers) -> Vec<Rule> {
        let exists = |rule: &Rule| match rule {
            Rule::PreferSameZone | Rule::PreferSameNode => minor >= PREFER_SAME,
            // No cluster has them before; see there.
            Rule::NoPorts | Rule::EndpointsNoPorts | Rule::EndpointsUnresolved => minor >= NULL_EQUALS_EMPTY,
            // Before, the apiserver may have deleted them.
            Rule::EndpointsSwept => minor >= LEFT_BY_APISERVER,
            Rule::MirrorMapped => minor < STRICT_ADDRESSES,
            // The garbage collector is nearly always faster. Tests of the controller have it
            // (`a_slice_of_endpoints_that_were_made_again_while_nobody_looked_gets_their_owner`).
            Rule::MirrorOwner => false,
            _ => true,
        };
        Rule::ALL
            .iter()
            .copied()
            .filter(exists)
            .filter(|rule| controllers.has(rule.controller()) && !self.0.contains_key(rule))
            .collect()
    }

    /// How often a rule was met.
    pub(crate) fn of(&self, rule: Rule) -> usize {
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
        _ = writeln!(text, "  {:25} {left:8} {right:8}  {}", rule.group(), rule.text());
    }
    text
}
