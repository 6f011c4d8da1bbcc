//! Reading and writing JSON, seen from outside.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking; helpers outside test functions are not exempt by themselves"
)]

mod agreement;
mod allocations;
mod custom;
mod generate;
mod hostile;
mod pages;
mod roundtrip;
mod status;
mod watch;
mod written;
