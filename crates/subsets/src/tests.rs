//! Tests, by subject.

mod digest;
mod fixture;
mod printed;
mod repack;
mod truncate;
