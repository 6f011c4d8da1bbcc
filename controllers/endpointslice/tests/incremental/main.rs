//! Step by step against all at once: objects go as JSON through decoding, the world, the controller and the bodies of its
//! requests to a small apiserver and back; after each step the slices must be what a slow and independent computation
//! from scratch wants, at the price that upstream pays for it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod compare;
mod driver;
mod steps;
