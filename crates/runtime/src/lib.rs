//! The asynchronous shell around the pure crates: everything that talks to the apiserver (other than
//! watching), to the kernel, or to whoever operates the process.
//!
//! - [`client`] and [`version`]: reaching the apiserver, and saying clearly why not.
//! - [`permit`]: who may write. Every mutating call takes a [`permit::Permit`].
//! - [`leader`]: who of several processes has one.
//! - [`replicas`]: which other processes there are.
//! - [`api`] and [`pool`]: single writes, and many of them at once.
//! - [`events`]: Events on objects, bounded in number.
//! - [`metrics`], [`health`] and [`admin`]: what an operator sees.
//! - The end by signal is in [`shutdown`].

pub mod admin;
pub mod api;
pub mod client;
pub mod events;
pub mod health;
pub mod leader;
pub mod metrics;
pub mod permit;
pub mod pool;
pub mod replicas;
pub mod shutdown;
pub mod version;

#[cfg(test)]
mod scripted;
