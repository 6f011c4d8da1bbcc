//! What the tests share: control planes, the binary, and a way to say what slices should be.

mod binary;
mod cluster;
mod definitions;
mod http;
mod kubelet;
mod manager;
mod minors;
mod namespace;
mod proxy;
mod rbac;
mod shapes;
mod subsets;
mod trace;
mod view;
mod webhook;

use std::time::Duration;

pub(crate) use binary::binary;
pub(crate) use cluster::Cluster;
pub(crate) use definitions::install_definitions;
pub(crate) use http::{free_port, get, serve};
pub(crate) use kubelet::Kubelet;
pub(crate) use manager::{Manager, USER};
pub(crate) use minors::Minor;
pub(crate) use namespace::{FENCE, Test, fresh_ip, fresh_ipv6};
pub(crate) use proxy::Proxy;
pub(crate) use rbac::{ALL_RULES, ALLOCATION_RULES, Rule, grant};
pub(crate) use shapes::{Shapes, slice_writes, writes_of};
pub(crate) use trace::{Trace, assert_present};
pub(crate) use view::{describe, describe_all, pods_of};
pub(crate) use webhook::Webhook;

/// How long anything may take that should happen at once: only a machine under heavy load comes near.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// How long anything may take after a fault has been taken away: back-off included.
pub(crate) const LATER: Duration = Duration::from_mins(1);

/// Makes a test of each named function on each minor.
///
/// `on_each_minor!(a, b)` runs the functions on the shared control planes; `alone_on_each_minor!` gives them a minor, for tests
/// that start a control plane of their own.
macro_rules! on_each_minor {
    ($($name:ident),* $(,)?) => {
        mod on_1_33 {
            $(#[test]
            fn $name() {
                $crate::harness::run($crate::harness::Minor::V1_33, stringify!($name), super::$name);
            })*
        }
        mod on_1_37 {
            $(#[test]
            fn $name() {
                $crate::harness::run($crate::harness::Minor::V1_37, stringify!($name), super::$name);
            })*
        }
    };
}

/// As [`on_each_minor`], for functions that take the minor and start what they need.
macro_rules! alone_on_each_minor {
    ($($name:ident),* $(,)?) => {
        mod on_1_33 {
            $(#[test]
            fn $name() {
                $crate::harness::run_alone($crate::harness::Minor::V1_33, super::$name);
            })*
        }
        mod on_1_37 {
            $(#[test]
            fn $name() {
                $crate::harness::run_alone($crate::harness::Minor::V1_37, super::$name);
            })*
        }
    };
}

pub(crate) use {alone_on_each_minor, on_each_minor};

/// Runs a test in a namespace of its own on the shared control plane of the minor.
pub(crate) fn run(minor: Minor, name: &str, test: impl AsyncFnOnce(&Test)) {
    let cluster = Cluster::shared(minor);
    runtime().block_on(async {
        let context = Test::new(cluster, name).await;
        let _logs = KeepLogs(&cluster.plane);
        test(&context).await;
        context.check_writes();
    });
}

/// Runs a test that starts what it needs.
pub(crate) fn run_alone(minor: Minor, test: impl AsyncFnOnce(Minor)) {
    runtime().block_on(test(minor));
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Copies the logs of servers that outlive a failed test.
struct KeepLogs<'a>(&'a quaymaster_testkit::ControlPlane);

impl Drop for KeepLogs<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.keep_logs();
        }
    }
}
