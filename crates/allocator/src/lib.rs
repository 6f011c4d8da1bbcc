//! Which values of a range are free, and which one is given next: addresses of Services and node ports.
//!
//! Values are told by their offset in the range. Nothing here reads a clock or knows the API: what is taken, and why, is told
//! by the caller, who learns of it from Services, and the apiserver has the last word.
//!
//! - [`Bitmap`] is a set of small numbers that finds the next one that is not in it;
//! - [`Range`] holds what is taken of a range and why, few values by a bitmap and many by a table;
//! - [`Order`] says where the search for a free one begins;
//! - [`Quarantine`] keeps what was released until its time has come;
//! - [`shards`] says which replica may hand out which part of a range;
//! - [`Intervals`] are sets of numbers;
//! - [`Spans`] are sets of addresses, which say what a pool serves beside others;
//! - [`net`] maps networks to ranges: addresses that Services may have, and those that they may not.

mod bitmap;
mod intervals;
pub mod net;
mod order;
mod quarantine;
mod range;
mod reason;
pub mod shards;
mod spans;

pub use bitmap::Bitmap;
pub use intervals::Intervals;
pub use order::{Given, Order};
pub use quarantine::Quarantine;
pub use range::{Counts, DENSE, Range};
pub use reason::Reason;
pub use spans::{Spans, divided};
