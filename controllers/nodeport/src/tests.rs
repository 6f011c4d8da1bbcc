//! The controller over a world, and an apiserver that stores what it is sent.

mod cluster;
mod moves;
mod range;
mod status;
