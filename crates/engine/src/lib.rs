//! The loop between the apiserver and the controllers.
//!
//! Watches are read and decoded in tasks of their own and told to one task, the core, which owns the
//! [`World`](quaymaster_world::World), the queues and the controllers' held state. It applies what it is told, lets
//! controllers mark what that touches, asks them for the next writes while there is room, and hands those to the
//! write pool. Nothing in the core waits for anything but the next message; there are no locks in it.

pub mod controller;
mod core;
mod decoder;
pub mod feed;
mod observe;
pub mod run;
mod watch_metrics;

#[cfg(test)]
mod fixtures;

pub use controller::{Answer, Controller, Dirty, Planned, Request, Verdict};
pub use run::{Engine, EngineError, Options, Registration};
