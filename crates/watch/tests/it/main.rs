//! The watch against a scripted server, beside `kube_runtime::watcher` where that one fails.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod absent;
mod bare;
mod defects;
mod faults;
mod framing;
mod mirror;
mod ours;
mod pace;
mod records;
mod server;
mod streaming;
