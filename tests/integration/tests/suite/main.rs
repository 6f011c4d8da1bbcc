//! The `quaymaster` binary against real apiservers.
//!
//! Tests that need nothing of their own share one control plane and one running binary for each Kubernetes minor, with
//! a namespace for each test. Tests that stop servers or the binary start a control plane of their own.
//!
//! - `QUAYMASTER_BIN`: the binary under test; without it the suite builds one, once.
//!
//! Each test runs on each minor; `cargo test -p quaymaster-integration on_1_37` chooses one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's way to fail"
)]

mod harness;

mod absent;
mod admin;
mod admission;
mod allocation;
mod audit;
mod chapter;
mod clusterip;
mod connection;
mod continuity;
mod crds;
mod election;
mod endpoints;
mod endpoints_alone;
mod externalname;
mod faults;
mod headless;
mod hints;
mod inputs;
mod labels;
mod lifecycle;
mod logs;
mod mirroring;
mod mirroring_takeover;
mod mutation;
mod nodeport;
mod pods;
mod ports;
mod rebalance;
mod refusals;
mod repair;
mod restart;
mod service_cidrs;
mod takeover;
mod types;
mod upstream;
