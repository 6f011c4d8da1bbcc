//! The watch against a scripted server, beside `kube_runtime::watcher` where that one fails.

mod bare;
mod defects;
mod faults;
mod framing;
mod ours;
mod pace;
mod records;
mod server;
mod streaming;
