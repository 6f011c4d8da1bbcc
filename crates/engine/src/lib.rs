//! The loop between the apiserver and the controllers.
//!
//! Watches are read and decoded in tasks of their own and told to one task, the core, which owns the
//! [`World`](quaymaster_world::World), the queues and the controllers' held state. It applies what it is told, lets
//! controllers mark what that touches, asks them for the next writes while there is room, and hands those to the
//! write pool, which reads the answers as well. The core waits for nothing but the next message.

pub mod controller;
mod core;
mod feed;
mod held_metrics;
pub mod kinds;
mod observe;
pub mod run;
mod watch_metrics;

#[cfg(test)]
mod fixtures;

pub use controller::{Answer, Controller, Dirty, Moment, Part, Planned, Request, Verdict};
pub use run::{Engine, EngineError, Options, Registration};
