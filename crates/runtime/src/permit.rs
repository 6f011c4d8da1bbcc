//! Who may write.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The right to write, for as long as it is valid.
///
/// Each mutating call takes one, checks it right before sending, and is aborted when it is lost. Validity follows
/// the local monotonic clock, never the wall clock, and ends for good: a permit that was lost once never becomes
/// valid again, a new term gets a new one, which [`Permits`] tells. Only this module makes permits:
/// [`Permits::permanent`] where no leader is elected, [`Tenure::begin`] for the holder of a lease.
///
/// Clones share their fate.
#[derive(Clone, Debug)]
pub struct Permit {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    epoch: u64,
    /// Zero of `deadline`.
    origin: Instant,
    /// Nanoseconds after `origin`; [`PERMANENT`] for none.
    deadline: AtomicU64,
    revoked: CancellationToken,
}

/// A deadline never reached.
const PERMANENT: u64 = u64::MAX;

impl Permit {
    /// A permit that is never lost: [`Permits::permanent`] is the way to it.
    pub(crate) fn permanent() -> Self {
        Self::with_deadline(0, Instant::now(), PERMANENT)
    }

    /// A permit that was never valid: of a process that waits for its term.
    fn none() -> Self {
        let none = Self::with_deadline(0, Instant::now(), 0);
        none.shared.revoked.cancel();
        none
    }

    fn with_deadline(epoch: u64, origin: Instant, deadline: u64) -> Self {
        let revoked = CancellationToken::new();
        Self {
            shared: Arc::new(Shared {
                epoch,
                origin,
                deadline: AtomicU64::new(deadline),
                revoked,
            }),
        }
    }

    /// The term it was given for: higher for each later holder of the same lease, 0 without leader election.
    pub fn epoch(&self) -> u64 {
        self.shared.epoch
    }

    /// Whether a write may be sent at `now`.
    pub fn is_valid(&self, now: Instant) -> bool {
        !self.shared.revoked.is_cancelled() && self.deadline().is_none_or(|deadline| now < deadline)
    }

    /// When it ends unless it is extended; `None` if permanent.
    pub fn deadline(&self) -> Option<Instant> {
        match self.shared.deadline.load(Ordering::Acquire) {
            PERMANENT => None,
            nanos => Some(self.shared.origin + std::time::Duration::from_nanos(nanos)),
        }
    }

    /// Completes as soon as the permit is lost: revoked, or its deadline reached without having been extended.
    pub async fn lost(&self) {
        loop {
            let Some(deadline) = self.deadline() else {
                return self.shared.revoked.cancelled().await;
            };
            let deadline = tokio::time::Instant::from_std(deadline);
            if tokio::time::Instant::now() >= deadline {
                return;
            }
            tokio::select! {
                biased;
                () = self.shared.revoked.cancelled() => return,
                // It may have been extended meanwhile: look again.
                () = tokio::time::sleep_until(deadline) => {}
            }
        }
    }
}

/// The right of every replica to write what is its own, leader or not: that it is there, and claims of values that it is about to
/// give. What such writes meet is judged by the apiserver alone.
///
/// Only who puts a process together says that it is a replica, and may call [`AnyReplica::of_process`].
#[derive(Clone, Copy, Debug)]
pub struct AnyReplica(());

impl AnyReplica {
    /// For a process that is one of several.
    pub fn of_process() -> Self {
        Self(())
    }
}

/// The right to write as it comes and goes: always the permit of the latest term. Cheap to clone.
///
/// A process that stands by reads and keeps its state all the same; [`Permits::next`] wakes it when its term begins. Whoever
/// sends a write takes the [`Permit`] of the term in which it was decided, so that nothing decided in one term is sent
/// in another.
#[derive(Clone, Debug)]
pub struct Permits(watch::Receiver<Permit>);

impl Permits {
    /// One permit, which is never lost, for a process without leader election. Only who puts a process together says
    /// whether it is one, and may call this; what must write without being the leader needs a permit of another type.
    pub fn permanent() -> Self {
        Self(watch::channel(Permit::permanent()).1)
    }

    /// The permit of the latest term, valid or not.
    pub fn current(&self) -> Permit {
        self.0.borrow().clone()
    }

    /// Completes when a term has begun since the last call, with its permit; never once nobody is left who could begin
    /// one. Nothing is lost if it is dropped before.
    pub async fn next(&mut self) -> Permit {
        match self.0.changed().await {
            Ok(()) => self.0.borrow_and_update().clone(),
            Err(_) => std::future::pending().await,
        }
    }
}

/// Begins the terms of one process, of which at most the latest is valid.
#[derive(Debug)]
pub struct Terms(watch::Sender<Permit>);

impl Default for Terms {
    fn default() -> Self {
        Self::new()
    }
}

impl Terms {
    /// No term has begun: nothing may be written.
    pub fn new() -> Self {
        Self(watch::Sender::new(Permit::none()))
    }

    /// What writers follow.
    pub fn permits(&self) -> Permits {
        Permits(self.0.subscribe())
    }

    /// Begins a term as [`Tenure::begin`] does, and wakes who follows. The term before, if it is still on, ends.
    pub fn begin(&self, epoch: u64, now: Instant, deadline: Instant) -> Tenure {
        let tenure = Tenure::begin(epoch, now, deadline);
        self.0.borrow().shared.revoked.cancel();
        self.0.send_replace(tenure.permit.clone());
        tenure
    }
}

/// One term as leader, held by whoever renews the lease. When it is dropped, for whatever reason, its permit is
/// lost.
#[derive(Debug)]
pub struct Tenure {
    permit: Permit,
}

impl Tenure {
    /// Begins a term at `now` that ends at `deadline` unless extended.
    pub fn begin(epoch: u64, now: Instant, deadline: Instant) -> Self {
        Self {
            permit: Permit::with_deadline(epoch, now, nanos_after(now, deadline)),
        }
    }

    /// The permit of this term.
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// Moves the deadline, never back. False if the term has already ended: what was lost stays lost, because
    /// writers have been told so.
    pub fn extend(&self, now: Instant, deadline: Instant) -> bool {
        if !self.permit.is_valid(now) {
            self.permit.shared.revoked.cancel();
            return false;
        }
        let shared = &self.permit.shared;
        shared
            .deadline
            .fetch_max(nanos_after(shared.origin, deadline), Ordering::AcqRel);
        true
    }

    /// Ends the term at once. Writes in flight are aborted.
    pub fn end(self) {
        drop(self);
    }
}

impl Drop for Tenure {
    fn drop(&mut self) {
        self.permit.shared.revoked.cancel();
    }
}

/// Nanoseconds from `origin` to `at`, below [`PERMANENT`]: a term is never permanent by accident.
fn nanos_after(origin: Instant, at: Instant) -> u64 {
    let nanos = at.saturating_duration_since(origin).as_nanos();
    u64::try_from(nanos).unwrap_or(PERMANENT).min(PERMANENT - 1)
}
