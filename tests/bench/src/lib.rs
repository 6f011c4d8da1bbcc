//! What Quaymaster costs, measured.
//!
//! - [`flip`]: readiness changes on a real control plane, one after the other, in small and in large Services; what
//!   each costs the controller, and how long until its slice is seen. On request the same against
//!   kube-controller-manager.
//! - [`micro`]: the same path without servers, step by step, in time and allocations.
//!
//! `cargo xtask bench` builds and runs both; `docs/benchmarks.md` says what the figures mean.

mod cpu;
pub mod flip;
pub mod micro;
pub mod pods;
pub mod stats;
