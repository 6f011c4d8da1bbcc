//! The controller over a real world: what is told goes in as the apiserver's JSON, requests come out.

mod altered;
pub(crate) mod cluster;
mod continuity;
mod events;
mod managed;
mod oracle;
mod others;
mod random;
pub(crate) mod records;
mod refusals;
mod selection;
mod slices;
