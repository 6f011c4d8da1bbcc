//! What tests and the demo need to run against real Kubernetes servers.
//!
//! - [`assets`] finds or builds etcd, kube-apiserver, kube-controller-manager and kubectl.
//! - [`ControlPlane`] starts them on loopback, and ends them with the handle or with the process.
//! - [`Etcd`] is etcd alone, for programs that start an apiserver of their own.
//! - [`SharedControlPlane`] lets all tests of one binary use one control plane.
//! - [`audit`] reads what the apiserver was asked to do.
//! - [`logs`] gathers what a thread logs.
//! - [`objects`] builds Services, Pods and Nodes that a real apiserver accepts; no kubelet needed.
//! - [`wait`] waits for a state and says what it last saw.
//! - [`definitions`] installs custom resources and waits until they are served.
//! - [`ports`] finds free ports.
//! - [`process`] runs our own binary and reads its memory and CPU time.
//!
//! Linux only: children are tied to this process by `PR_SET_PDEATHSIG`, and figures come from `/proc`.

pub mod assets;
pub mod audit;
pub mod controlplane;
pub mod definitions;
mod instance;
pub mod logs;
pub mod objects;
pub mod ports;
pub mod process;
pub mod procfs;
pub mod server;
mod shared;
mod spawn;
pub mod wait;

pub use controlplane::{Builder, ControlPlane, ControlPlaneError, Etcd, Kcm};
pub use objects::{node, pod, service};
pub use shared::{Lease, SharedControlPlane, shared};
pub use wait::{eventually, wait_until};
