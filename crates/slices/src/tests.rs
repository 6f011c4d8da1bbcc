//! Behaviour of one Service's slices against a small in-memory apiserver.

mod altered;
mod conversion;
mod cost;
mod duplicates;
mod examples;
mod families;
mod faults;
mod fixture;
mod going;
mod guards;
mod hints;
mod labels;
mod outbox;
mod overtaken;
mod packing;
mod ports;
mod random;
mod rebalance;
mod shape;
mod trigger;
mod writing;
