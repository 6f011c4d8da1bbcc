//! The controller over a world, and an apiserver that stores what it is sent.
#![expect(
    clippy::needless_pass_by_value,
    reason = "objects are written where they are used"
)]

mod cluster;
mod guard;
mod holds;
mod pools;
mod reservations;
