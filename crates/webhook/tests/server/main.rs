//! The server, with clients over TLS.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's way to fail"
)]

mod bodies;
mod drain;
mod exchange;
mod harness;
mod reviews;
mod slow;
