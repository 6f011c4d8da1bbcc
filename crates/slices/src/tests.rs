//! Behaviour of one Service's slices against a small in-memory apiserver.

mod examples;
mod faults;
mod fixture;
mod random;
