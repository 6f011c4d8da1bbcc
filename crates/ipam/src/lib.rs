//! Which ClusterIPs and node ports a Service gets out of configured pools.
//!
//! The truth is `spec` of the Services, and the apiserver has the last word: what is chosen here it only checks and records. So
//! nothing here has to be stored, and a wrong choice costs a refused request and never a second Service with the same value.
//!
//! - [`Pool`] is a pool as it serves;
//! - [`Ledger`] knows which value is whose, and which are free;
//! - [`Index`] is all that requests are answered from: pools, values, namespaces, and what the cluster serves;
//! - [`service`] reads what a request says of a Service, and [`needs`] which values it lacks that the apiserver would choose;
//! - [`reservations`] settles who of several that want the same keeps it;
//! - [`review()`] answers a request: the values to fill in, or why it is refused;
//! - [`status`] is what the statuses of pools have in common.

mod attempts;
mod blocks;
pub mod compile;
mod index;
mod ledger;
mod names;
pub mod needs;
mod pool;
mod refusal;
pub mod reservations;
mod review;
pub mod service;
mod space;
pub mod status;
mod value;

pub use attempts::Attempts;
pub use index::{Asker, Fed, Index, Reservation, Shared, lock};
pub use ledger::{AddressObject, Chosen, Facts, Grant, Holder, Ledger, Owner, PENDING, Replicas, Slot};
pub use pool::Pool;
pub use refusal::Refusal;
pub use review::{Ask, Decision, Filled, Operation, review, take_back};
pub use value::{Class, Value};
