//! The controller over a world, and an apiserver that stores what it is sent.

mod blockers;
mod cluster;
mod deletion;
mod life;
mod oracle;
mod plan;
mod ranges;
