//! The controller over a real world: what is told goes in as the apiserver's JSON, requests come out.

mod capacity;
mod cleanup;
mod cluster;
mod comparing;
mod content;
mod marks;
mod orphans;
mod trigger;
mod writing;
