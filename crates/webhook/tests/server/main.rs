//! The server, with clients over TLS.

mod bodies;
mod drain;
mod exchange;
mod harness;
mod reviews;
mod slow;
