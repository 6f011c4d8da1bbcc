//! What is to be done with one ServiceCIDR.

use std::time::Duration;

use quaymaster_model::{Condition, ServiceCidrRecord, Text, Timestamp, names};

/// A range that is being deleted stays for so long, so that every apiserver learns of it and gives out no more addresses
/// from it (`pkg/controller/servicecidrs/servicecidrs_controller.go`, `deletionGracePeriod`).
pub const GRACE: Duration = Duration::from_secs(10);

/// What is to be done. One at a time: each follows from what the apiserver has stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing until something changes.
    Rest,
    /// The finalizer is to be added.
    AddFinalizer,
    /// The finalizer is to be taken out: the object goes, unless others hold it.
    RemoveFinalizer,
    /// The condition `Ready` is to be this one.
    SetReady(Condition),
    /// To be looked at again after so long.
    Wait(Duration),
}

impl Step {
    /// Whether an object that was stored is as this step would have it.
    pub fn is_done(&self, stored: &ServiceCidrRecord) -> bool {
        match self {
            Self::Rest | Self::Wait(_) => true,
            Self::AddFinalizer => has_finalizer(stored),
            Self::RemoveFinalizer => !has_finalizer(stored),
            Self::SetReady(condition) => stored.ready.as_ref() == Some(condition),
        }
    }
}

fn has_finalizer(cidr: &ServiceCidrRecord) -> bool {
    let mut finalizers = cidr.finalizers.iter();
    finalizers.any(|one| *one == *names::FINALIZER_SERVICE_CIDR)
}

/// Whether there is nothing to do with one that is not being deleted.
pub fn is_kept(cidr: &ServiceCidrRecord) -> bool {
    cidr.deleted.is_none() && has_finalizer(cidr) && cidr.ready.as_ref() == Some(&ready())
}

/// What a decision rests on.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The ServiceCIDR as it is stored.
    pub cidr: &'a ServiceCidrRecord,
    /// It is being deleted, and addresses would be left without a range.
    pub held: bool,
    /// How long it has been known here that it is being deleted.
    pub known_for: Duration,
    /// The time by the wall clock.
    pub wall: Timestamp,
}

/// The next step.
pub fn next(facts: &Facts<'_>) -> Step {
    let cidr = facts.cidr;
    let Some(deleted) = cidr.deleted else {
        return if has_finalizer(cidr) {
            unless_so(cidr, ready())
        } else {
            Step::AddFinalizer
        };
    };
    if facts.held {
        return unless_so(cidr, terminating());
    }
    if !has_finalizer(cidr) {
        return Step::Rest;
    }
    match left(deleted, facts) {
        Duration::ZERO => Step::RemoveFinalizer,
        left => Step::Wait(left),
    }
}

/// What is left of the time of grace. The wall clock tells how much has passed before this process knew of the deletion; where
/// it is wrong and says less, the time that was seen to pass here counts.
fn left(deleted: Timestamp, facts: &Facts<'_>) -> Duration {
    let by_wall = u64::try_from(facts.wall.0.saturating_sub(deleted.0)).unwrap_or(0);
    let passed = Duration::from_secs(by_wall).max(facts.known_for);
    GRACE.saturating_sub(passed)
}

fn unless_so(cidr: &ServiceCidrRecord, wanted: Condition) -> Step {
    if cidr.ready.as_ref() == Some(&wanted) {
        Step::Rest
    } else {
        Step::SetReady(wanted)
    }
}

fn ready() -> Condition {
    Condition {
        status: Text::new("True"),
        reason: Text::new(""),
        message: Text::new("Kubernetes Service CIDR is ready"),
    }
}

fn terminating() -> Condition {
    Condition {
        status: Text::new("False"),
        reason: Text::new("Terminating"),
        message: Text::new(
            "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR",
        ),
    }
}
