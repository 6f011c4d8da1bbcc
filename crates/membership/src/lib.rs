//! Which Pods back a Service, kept up to date at a cost that follows the change.
//!
//! Pods of one namespace with equal labels form a *group*: the Pods of one workload are one group, whatever their
//! number. A selector is compared with labels once for each group it might match, never for each Pod, and it might
//! match only groups that carry one chosen pair of it. No operation walks the Pods or the Services of a namespace.
//!
//! What a Pod offers to a Service that selects it, [`backing`] says; since when, [`trigger`].
//!
//! Pure and synchronous: no client, no clock, no locks.

pub mod backing;
mod group;
mod id;
mod membership;
mod moved;
mod pairs;
pub mod trigger;

pub use id::{PodId, ServiceId, narrow};
pub use membership::{Membership, Sizes};
pub use moved::{Moved, ServiceIds};
