//! Tests, by subject.

mod digest;
mod explode;
mod fixture;
mod printed;
mod repack;
mod truncate;
