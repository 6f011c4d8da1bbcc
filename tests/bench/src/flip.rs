//! Readiness flips on a real control plane.

mod arm;
mod cluster;
mod expect;
mod observer;
mod report;
mod rounds;
mod run;
mod seed;

pub use run::{Options, run};
