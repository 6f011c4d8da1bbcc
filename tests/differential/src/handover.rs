//! One controller takes the objects of the other over, and gives them back.

mod canary;
mod reason;
#[cfg(test)]
mod tests;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use anyhow::{Result, bail};
use quaymaster_oracle::minors::EQUAL_AFTER_REPACKING;

use crate::failure::SubjectFailure;
use crate::kept::slices::{ambiguous_mirrors, wrong_mirrors};
use crate::kept::{ENDPOINTS, SLICES};
use crate::plane::{Holder, Plane, Refused};
use crate::snapshot::Unowned;
use reason::{Reason, Reasons};
use write::{Change, Log, Write, Writes};
pub(crate) use write::{service_asked, words};

/// Longest wait for quiet.
const LIMIT: Duration = Duration::from_mins(2);

/// What was written as holders changed at rest.
#[derive(Clone, Debug)]
pub(crate) struct Handover {
    what: &'static str,
    /// 37 for Kubernetes 1.37.
    minor: u32,
    /// By kube-controller-manager, started over objects it had written last or already looked at.
    baseline: Writes,
    /// By quaymaster as it took over; `None` where it held before.
    taken: Option<Writes>,
    /// Placeholders without owner that kube-controller-manager left, by Service; quaymaster creates one and deletes
    /// the other.
    unowned: BTreeMap<String, Vec<Unowned>>,
    /// What kube-controller-manager left as it was because the apiserver refused what it asked for; quaymaster puts that
    /// right.
    refused: Refused,
    /// Endpoints whose mirrored slices kube-controller-manager left as is forgiven to it; quaymaster puts them right.
    mirrors: BTreeSet<String>,
    /// Endpoints of which kube-controller-manager mirrors now this and now that.
    ambiguous: BTreeSet<String>,
    /// By kube-controller-manager as it got them back.
    back: Writes,
    /// Services with hints by annotation.
    auto: BTreeSet<String>,
}

/// What is to be said of a change of holders.
#[derive(Debug, Default)]
struct Judgement {
    /// Writes that should not be, and what should have been written and was not.
    faults: Vec<String>,
    /// The others that need a reason, by that.
    reasons: Reasons,
}

impl Judgement {
    fn of(&mut self, write: &Write, reason: Option<Reason>) {
        match reason {
            Some(reason) => *self.reasons.entry(reason).or_default() += 1,
            None => self.faults.push(write.words.clone()),
        }
    }
}

impl Handover {
    /// What is wrong, in words. Taking over costs no write, and giving back none that kube-controller-manager does not make as
    /// well restarted over its own objects, each but for a [`Reason`].
    pub(crate) fn faults(&self) -> Vec<String> {
        let faults = self.judge().faults;
        let what = self.what;
        faults.iter().map(|fault| format!("{what}: {fault}")).collect()
    }

    fn judge(&self) -> Judgement {
        let mut judgement = Judgement::default();
        if let Some(taken) = &self.taken {
            let services: BTreeSet<&String> = taken.by_service.keys().chain(self.unowned.keys()).collect();
            for service in services {
                let writes = taken.by_service.get(service).into_iter().flatten();
                let (mut others, mut seen) = (Vec::new(), BTreeSet::new());
                for write in writes {
                    let again = !seen.insert((&write.kind, &write.name));
                    match self.of_taken(service, write, again) {
                        None => others.push(write),
                        reason => judgement.of(write, reason),
                    }
                }
                let unowned = self.unowned.get(service).map_or(&[][..], Vec::as_slice);
                give_owners(service, &others, unowned, &mut judgement);
            }
        }
        for (service, write, again) in self.back.beyond(&self.baseline) {
            let reason = if again {
                Some(Reason::EachLook)
            } else {
                self.of_back(service, write)
            };
            judgement.of(write, reason);
        }
        judgement
    }

    /// Why quaymaster may write this as it takes over; `again` where it has written the same object so before.
    fn of_taken(&self, service: &str, write: &Write, again: bool) -> Option<Reason> {
        let Refused { slices, endpoints } = &self.refused;
        if write.is(ENDPOINTS, "create") || write.is(ENDPOINTS, "update") {
            return endpoints.contains(service).then_some(Reason::RefusedTruncation);
        }
        if self.is_of_hints(service, write) && write.change == Change::Hints {
            // Those that kube-controller-manager does not leave alone either, each once.
            let baseline = self.baseline.by_service.get(service).into_iter().flatten();
            let mut hints = baseline.filter(|write| write.change == Change::Hints);
            let unsettled = hints.any(|write| self.is_of_hints(service, write));
            return (unsettled && !again).then_some(Reason::AutoHints);
        }
        // A delete does not say what the slice was; the successor of a mirrored one mirrors.
        if !write.of(SLICES) || !(write.mirrors || write.verb() == "delete") {
            return None;
        }
        if slices.contains(service) {
            Some(Reason::MirrorRecycling)
        } else if self.mirrors.contains(service) {
            Some(Reason::WrongMirror)
        } else {
            None
        }
    }

    /// Why kube-controller-manager may write this as it gets everything back.
    fn of_back(&self, service: &str, write: &Write) -> Option<Reason> {
        if write.is(ENDPOINTS, "update") {
            // A restart of it may have been taken for at rest before it asked for them: what is refused is not seen by who
            // waits.
            return if write.code == 422 {
                Some(Reason::RefusedTruncation)
            } else {
                let apart = self.minor < EQUAL_AFTER_REPACKING && write.change == Change::Order;
                apart.then_some(Reason::Repacked)
            };
        }
        if write.is(SLICES, "create") {
            return (write.mirrors && write.code == 409).then_some(Reason::MirrorRecycling);
        }
        if !write.is(SLICES, "update") {
            return None;
        }
        if write.mirrors {
            if write.change == Change::Nothing {
                return Some(Reason::NothingChanged);
            }
            return self
                .ambiguous
                .contains(service)
                .then_some(Reason::ApplicationProtocol);
        }
        self.is_of_hints(service, write).then_some(Reason::AutoHints)
    }

    /// Whether a slice of a Service with hints by annotation is updated by no more than these.
    fn is_of_hints(&self, service: &str, write: &Write) -> bool {
        let hints = matches!(write.change, Change::Hints | Change::Nothing);
        !write.mirrors && write.is(SLICES, "update") && self.auto.contains(service) && hints
    }
}

/// What of the writes for a Service is one create of a placeholder and one delete of the former for each that lacked its
/// owner, and what of these is missing. The garbage collector may be faster with the delete.
fn give_owners(service: &str, writes: &[&Write], unowned: &[Unowned], judgement: &mut Judgement) {
    let mut to_create: Vec<&Unowned> = unowned.iter().collect();
    let mut to_delete = to_create.clone();
    for write in writes {
        let counterpart = if write.is(SLICES, "create") && write.placeholder {
            let found = to_create.iter().position(|one| one.family == write.family());
            found.map(|found| to_create.swap_remove(found))
        } else if write.is(SLICES, "delete") {
            let found = to_delete.iter().position(|one| one.slice == write.name);
            found.map(|found| to_delete.swap_remove(found))
        } else {
            None
        };
        judgement.of(write, counterpart.map(|_| Reason::UnownedPlaceholder));
    }
    let left = to_create.into_iter().filter(|one| !one.terminating);
    judgement.faults.extend(left.map(|one| {
        let Unowned { slice, family, .. } = one;
        format!("no new placeholder of Service {service} ({family}) for {slice}, which has no owner")
    }));
}

impl fmt::Display for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.what)?;
        if let Some(taken) = &self.taken {
            write!(f, "{} writes by quaymaster taking over, ", taken.total)?;
        }
        write!(
            f,
            "{} by kube-controller-manager getting back, {} restarted over its own",
            self.back.total, self.baseline.total
        )?;
        for (at, (reason, count)) in self.judge().reasons.iter().enumerate() {
            let between = if at == 0 { "; forgiven: " } else { ", " };
            write!(f, "{between}{} {count}", reason.name())?;
        }
        Ok(())
    }
}

/// Where kube-controller-manager held: a restart of it as baseline, quaymaster, and back.
pub(crate) async fn from_kcm(plane: &mut Plane, quiet: Duration) -> Result<Handover> {
    let before = plane.refused()?;
    let baseline = writes(plane, Holder::Kcm, quiet).await?;
    let refused = before.and(plane.refused()?);
    let snapshot = plane.snapshot().await?;
    let unowned = snapshot.unowned_placeholders();
    let mirrors = wrong_mirrors(&snapshot, plane.mirroring(), &refused.slices);
    let taken = if plane.subject().is_kcm() {
        None
    } else {
        Some(writes(plane, Holder::Subject, quiet).await?)
    };
    let back = writes(plane, Holder::Kcm, quiet).await?;
    Ok(Handover {
        what: "take-over and hand-back",
        minor: plane.mirroring().minor,
        baseline,
        taken,
        unowned,
        refused,
        mirrors,
        ambiguous: ambiguous_mirrors(&snapshot, plane.mirroring().minor),
        back,
        auto: plane.snapshot().await?.auto_services(),
    })
}

/// Where the subject held: to kube-controller-manager, and a restart of that as baseline.
pub(crate) async fn from_subject(plane: &mut Plane, quiet: Duration) -> Result<Handover> {
    let back = writes(plane, Holder::Kcm, quiet).await?;
    let baseline = writes(plane, Holder::Kcm, quiet).await?;
    let snapshot = plane.snapshot().await?;
    Ok(Handover {
        what: if plane.subject().is_kcm() {
            "hand-back of what the right side built"
        } else {
            "hand-back of what quaymaster built"
        },
        minor: plane.mirroring().minor,
        baseline,
        taken: None,
        unowned: BTreeMap::new(),
        refused: Refused::default(),
        mirrors: BTreeSet::new(),
        ambiguous: ambiguous_mirrors(&snapshot, plane.mirroring().minor),
        back,
        auto: snapshot.auto_services(),
    })
}

/// Writes of a controller from its start until it is quiet, and has shown that it looks.
async fn writes(plane: &mut Plane, holder: Holder, quiet: Duration) -> Result<Writes> {
    let before = plane.snapshot().await?;
    let mark = plane.mark()?;
    plane.hold(holder).await?;
    if !plane.recorder.quiet(quiet, LIMIT).await {
        match holder {
            Holder::Kcm => bail!("kube-controller-manager still writes after {LIMIT:?}"),
            Holder::Subject => return Err(SubjectFailure::NeverRests { limit: LIMIT }.into()),
        }
    }
    // Who does nothing writes nothing.
    canary::sing(plane, holder).await?;
    plane.release().await?;
    let after = plane.snapshot().await?;
    let mut log = Log::new(&before, &after, plane.edits().revisions.clone());
    for entry in plane.kept_writes(mark, holder)? {
        if !canary::is_of(&entry) {
            log.add(&entry);
        }
    }
    Ok(log.writes())
}
