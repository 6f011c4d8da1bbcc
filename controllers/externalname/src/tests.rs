//! The rules one by one, and the controller over a world and an apiserver that stores what it is sent.

mod checks;
mod cluster;
mod domain;
mod events;
mod slices;
mod stale;
mod targets;
mod told;
