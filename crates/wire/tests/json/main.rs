//! Reading and writing JSON, seen from outside.

mod agreement;
mod allocations;
mod generate;
mod hostile;
mod pages;
mod roundtrip;
mod watch;
