//! The same generated clusters under kube-controller-manager and under quaymaster, and what differs.
//!
//! Two control planes are filled with the same objects and changed by the same steps; on one kube-controller-manager
//! keeps EndpointSlices, mirrored ones among them, Endpoints and ServiceCIDRs, on the other quaymaster, or
//! kube-controller-manager again (`--against-kcm`). At rest both are restarted once, since what a controller has seen
//! before decides what it does, and then what they keep must be equal: slices in content for every Service, family and
//! set of ports, Endpoints and ServiceCIDRs one by one. Then come changes while both are away, and another comparison.
//! At the end the controllers change places, and each revision is replayed. Many clusters run side by side, each in
//! namespaces and with nodes of its own.
//!
//! [`run`] is the whole; `cargo xtask differential` calls it, in an optimised program. Inside, from the top:
//!
//! - `run` divides the seeds into batches and sums up, `controllers` says which controllers are compared, `report` has the
//!   sums and the verdict, `coverage` how often each rule was met;
//! - `batch` is one pair of control planes from start to end, `pair` all that is done to both, `plane` one of them with
//!   its controller and its observer (`record`);
//! - `world` is a generated cluster as a real apiserver takes it, `apply` its steps as requests, `edits` what those hit;
//! - `kinds` reads objects of all kinds, `snapshot` those of one moment; `kept` compares what controllers keep, kind by kind,
//!   with the exceptions by name of `quaymaster_oracle`;
//! - `trace` replays every revision, `audit` looks at what left none; `handover` lets the controllers change places;
//! - `shrink` and `smallest` look for the smallest cluster that still shows a difference, and `show` prints it;
//! - `planted` shows that errors are found, for which `failure` tells whose doing it is that a run breaks off.

mod apply;
mod audit;
mod batch;
mod controllers;
mod coverage;
mod edits;
mod failure;
mod handover;
mod kept;
mod kinds;
mod pair;
mod plane;
pub mod planted;
mod record;
mod report;
mod run;
mod show;
mod shrink;
mod smallest;
mod snapshot;
mod trace;
mod world;

pub use controllers::controller_names;
pub use run::{Options, Size, run};
