//! What is to be done next, and how much of it at once.
//!
//! - [`Queue`] holds keys that wait for their controller: each key once, one run at a time, earliest due
//!   time and highest priority win, failures back off for each key alone.
//! - [`Limit`] says how many writes may be in flight: it follows the latency the apiserver shows, and
//!   obeys when the apiserver asks to be left alone.
//!
//! Both are pure. They are owned by one task, never block, and are given the time with each call; the
//! caller sleeps until [`Queue::next_due`] or [`Limit::paused_until`].

mod backoff;
mod lanes;
mod limit;
mod queue;

pub use backoff::Backoff;
pub use lanes::Priority;
pub use limit::{Limit, LimitConfig, Outcome};
pub use queue::{Queue, Stats, Taken};
