//! Step by step against all at once: objects go as JSON through decoding, the world, the controller and the bodies of its
//! requests to a small apiserver and back; after each step the Endpoints must be what a slow and independent computation
//! from scratch wants, byte by byte, by one write of those that were not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod driver;
mod faults;
mod steps;
