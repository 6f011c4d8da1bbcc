//! One controller takes the slices of the other over, and gives them back.

use std::fmt;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::compare::Snapshot;
use crate::plane::{Holder, Plane};

/// Longest wait for quiet.
const LIMIT: Duration = Duration::from_mins(2);
/// Slices named of those that changed.
const SHOWN: usize = 5;

/// What was written to slices as holders changed at rest.
#[derive(Clone, Debug)]
pub(crate) struct Handover {
    what: &'static str,
    /// By kube-controller-manager, started over objects it had written last or already looked at.
    baseline: u64,
    /// By quaymaster as it took over; `None` where it held before.
    taken: Option<u64>,
    /// Placeholders without owner that kube-controller-manager left; quaymaster creates one and deletes the other.
    unowned: usize,
    /// By kube-controller-manager as it got them back.
    back: u64,
    /// Slices that changed at all.
    changed: Vec<String>,
}

impl Handover {
    /// Quaymaster writes nothing but the owners of placeholders that lack them, and kube-controller-manager nothing that it does not write in any case.
    pub(crate) fn holds(&self) -> bool {
        /// A create and a delete.
        const FOR_EACH_UNOWNED: usize = 2;
        self.taken.unwrap_or(0) <= (FOR_EACH_UNOWNED * self.unowned) as u64 && self.back <= self.baseline
    }
}

impl fmt::Display for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.what)?;
        if let Some(taken) = self.taken {
            write!(
                f,
                "{taken} writes by quaymaster taking over ({} placeholders had no owner), ",
                self.unowned
            )?;
        }
        write!(
            f,
            "{} by kube-controller-manager getting back, {} restarted over its own",
            self.back, self.baseline
        )?;
        if !self.changed.is_empty() {
            let shown = &self.changed[..self.changed.len().min(SHOWN)];
            write!(f, "; {} changes, of {}", self.changed.len(), shown.join(", "))?;
        }
        Ok(())
    }
}

/// Where kube-controller-manager held: a restart of it as baseline, quaymaster, and back.
pub(crate) async fn from_kcm(plane: &mut Plane, quiet: Duration) -> Result<Handover> {
    let events = plane.recorder.slice_events();
    let baseline = writes(plane, Holder::Kcm, quiet).await?;
    let unowned = Snapshot::read(&plane.client).await?.unowned_placeholders();
    let taken = Some(writes(plane, Holder::Quaymaster, quiet).await?);
    let back = writes(plane, Holder::Kcm, quiet).await?;
    Ok(Handover {
        what: "take-over and hand-back",
        baseline,
        taken,
        unowned,
        back,
        changed: plane.recorder.slices_after(events),
    })
}

/// Where quaymaster held: to kube-controller-manager, and a restart of that as baseline.
pub(crate) async fn from_quaymaster(plane: &mut Plane, quiet: Duration) -> Result<Handover> {
    let events = plane.recorder.slice_events();
    let back = writes(plane, Holder::Kcm, quiet).await?;
    let baseline = writes(plane, Holder::Kcm, quiet).await?;
    Ok(Handover {
        what: "hand-back of what quaymaster built",
        baseline,
        taken: None,
        unowned: 0,
        back,
        changed: plane.recorder.slices_after(events),
    })
}

/// Writes of a controller from its start until it is quiet.
async fn writes(plane: &mut Plane, holder: Holder, quiet: Duration) -> Result<u64> {
    let before = plane.slice_writes().await?;
    plane.hold(holder).await?;
    if !plane.recorder.quiet(quiet, LIMIT).await {
        bail!("{holder:?} still writes slices after {LIMIT:?}");
    }
    plane.release().await?;
    Ok(plane.slice_writes().await? - before)
}
