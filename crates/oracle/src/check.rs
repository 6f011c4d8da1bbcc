//! Judging what controllers keep, whoever wrote it: whether two sets say the same, and what must hold of every one.

pub(crate) mod canonical;
pub(crate) mod cidrs;
pub(crate) mod endpoints;
pub(crate) mod exception;
pub(crate) mod fair;
mod hints;
pub(crate) mod invariants;
pub(crate) mod mirrored;
pub(crate) mod told;
mod zones;
