//! ServiceCIDRs, from revision to revision.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::networking::v1::{IPAddress, ServiceCIDR};
use kube::ResourceExt as _;
use quaymaster_oracle::cidrs::{GRACE_SECONDS, allocated, covered, holds, orphans, overlap};
use quaymaster_oracle::generate::Object;
use quaymaster_oracle::names::SERVICE_CIDR_FINALIZER;

use super::{Replay, put};
use crate::controllers::Controller;
use crate::coverage::Rule;
use crate::record::Event;

/// Deletion timestamps are in whole seconds, and the event is seen a moment after it.
const EARLY: Duration = Duration::from_millis(1500);

/// All of them, and what hangs on them.
#[derive(Debug, Default)]
pub(super) struct Cidrs {
    by_name: BTreeMap<String, ServiceCIDR>,
    addresses: BTreeMap<String, IPAddress>,
    /// When each was first seen with a deletion timestamp.
    deleted_at: BTreeMap<String, Duration>,
}

impl Cidrs {
    fn others(&self, cidr: &ServiceCIDR) -> Vec<&ServiceCIDR> {
        let name = &cidr.metadata.name;
        self.by_name
            .values()
            .filter(|other| other.metadata.name != *name)
            .collect()
    }
}

impl Replay<'_> {
    /// A change of a ServiceCIDR or an address.
    pub(super) fn cidr(&mut self, event: &Event) {
        let cidr = match &event.object {
            Object::IPAddress(address) => {
                put(&mut self.cidrs.addresses, &address.name_any(), &**address, event);
                return;
            }
            Object::ServiceCIDR(cidr) => &**cidr,
            _ => return,
        };
        let name = cidr.name_any();
        let old = put(&mut self.cidrs.by_name, &name, cidr, event);
        if cidr.metadata.deletion_timestamp.is_some() {
            self.cidrs.deleted_at.entry(name.clone()).or_insert(event.at);
        }
        if !self.has(Controller::ServiceCidr) {
            return;
        }
        let has_finalizer =
            |cidr: &ServiceCIDR| cidr.finalizers().iter().any(|one| one == SERVICE_CIDR_FINALIZER);
        let held = old
            .as_ref()
            .is_some_and(|old| has_finalizer(old) && old.metadata.deletion_timestamp.is_some());
        // What a finalizer of the controller held goes when that is taken off, whoever asked for the deletion.
        let by_harness = self.given.edits.revisions.contains(&event.revision)
            || event.deleted && !held && self.by_harness(&event.object, event);
        if by_harness {
            self.coverage(event.revision).count(Rule::CidrChangedByOthers);
            return;
        }
        let released = held && (event.deleted || !has_finalizer(cidr));
        let others = self.cidrs.others(cidr);
        let orphans = orphans(cidr, &others, self.cidrs.addresses.values());
        let covered = covered(cidr, &others);
        let overlaps = others.iter().any(|other| overlap(cidr, other));
        let holds_any = self
            .cidrs
            .addresses
            .values()
            .filter_map(allocated)
            .any(|address| holds(cidr, address));
        self.coverage(event.revision)
            .cidr(old.as_ref(), cidr, released, covered && holds_any, overlaps);
        if !released {
            return;
        }
        let since = self.cidrs.deleted_at.get(&name).copied().unwrap_or_default();
        let grace = Duration::from_secs(GRACE_SECONDS.unsigned_abs());
        if event.at.saturating_sub(since) + EARLY < grace {
            self.violation(
                event.revision,
                &format!("ServiceCIDR {name} was let go before its grace had passed"),
            );
        }
        if let Some(orphan) = orphans.first() {
            let what = format!("ServiceCIDR {name} was let go although {orphan} hangs on it alone");
            self.violation(event.revision, &what);
        }
    }
}
