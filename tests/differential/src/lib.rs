//! The same generated clusters under kube-controller-manager and under quaymaster, and what differs.
//!
//! Two control planes are filled with the same objects and changed by the same steps; on one kube-controller-manager
//! keeps the EndpointSlices, on the other quaymaster. At rest both are restarted once, since what a controller has
//! seen before decides what it does, and then the content of the slices must be equal for every Service, family and
//! set of ports. Many clusters run side by side, each in namespaces and with nodes of its own.
//!
//! - [`run`] is the whole; `cargo xtask differential` calls it.
//! - [`World`] is a generated cluster as a real apiserver takes it.
//! - [`Plane`] is one control plane with its controller.
//! - [`compare`] normalises and compares, with the exceptions it makes by name.

mod apply;
mod batch;
pub mod compare;
mod coverage;
mod handover;
mod plane;
mod record;
mod run;
mod trace;
mod world;

pub use coverage::{Coverage, Rule};
pub use plane::{Holder, Plane};
pub use run::{Options, Report, run};
pub use world::World;
