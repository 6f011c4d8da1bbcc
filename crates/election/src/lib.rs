//! Who of several processes leads, decided over one Lease (`coordination.k8s.io/v1`).
//!
//! The rules are those of client-go (`tools/leaderelection/leaderelection.go`) with what makes them safe where clocks disagree:
//!
//! - The apiserver decides: a Lease is written by the version that was read, or created, so that of two who try one is refused.
//! - Nobody reads another's clock. A Lease has run out when its holder has not changed it for its whole duration *here*, by the
//!   monotonic clock, since this process learned of its last change. What times it says is not looked at.
//! - A leader's time ends by its own monotonic clock, a while before the Lease runs out for anybody: at the renew deadline after
//!   the last renewal that succeeded was *sent*. Whoever watches learns of a renewal after it was sent, so that nobody takes over
//!   before.
//! - Who ends in order clears the holder; the next one need not wait.
//!
//! Beside it [`Members`] tells which replicas there are, leader or not.
//!
//! Nothing here sends or waits. A shell tells what it reads, asks [`Candidate::next`] what to do, does it, and tells the answer.

mod candidate;
mod lease;
mod members;

pub use candidate::{Answer, Candidate, Role, Step};
pub use lease::{Lease, Settings, SettingsError};
pub use members::{Members, View};
