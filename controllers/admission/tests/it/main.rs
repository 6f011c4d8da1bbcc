//! The webhook's configuration, certificates and policies on real apiservers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod harness;
mod policies;
mod reached;
mod rotation;
