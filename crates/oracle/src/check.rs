//! Judging slices, whoever wrote them: whether two sets say the same, and what must hold of every one.

pub(crate) mod canonical;
pub(crate) mod invariants;
