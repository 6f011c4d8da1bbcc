//! The `subsets` of v1 Endpoints: their canonical form, a digest of their content, and how they are cut.
//!
//! Endpoints say of sets of addresses which ports all of them have. The same can be said in many ways; kube-controller-manager
//! writes one of them, and takes all others for it where it compares and mirrors (kubernetes/kubernetes
//! `pkg/api/v1/endpoints/util.go`, `RepackSubsets`). Here:
//!
//! - [`repack`] and [`pack`] give that form, in the order that the apiserver's version has;
//! - [`digest`] tells contents apart without it;
//! - [`truncate`] leaves out what is more than [`MOST_ADDRESSES`].
//!
//! # When two ports are one
//!
//! Upstream compares ports by name, number, protocol and `appProtocol`, but the latter by pointer. So two equal ports that
//! were read out of two subsets of one object are one port without an `appProtocol` and two ports with one. It shows in
//! what is mirrored: the addresses of both are counted apart against the maximum of a subset, and an address may be ready
//! under one and not ready under the other. [`repack`] and [`digest`] are for what was read, and do the same. What is computed
//! from Pods has its ports from those of one Service, where equal ones share the pointer: that is [`pack`]. In its result no
//! port stands twice, so that both read it alike.
//!
//! Pure and synchronous: no client, no clock.

mod digest;
mod explode;
mod printed;
mod repack;
mod truncate;

pub use digest::digest;
pub use repack::{pack, repack};
pub use truncate::{MOST_ADDRESSES, truncate};

use quaymaster_model::Subset;

/// Addresses of all subsets, ready or not, counted once for each subset.
pub fn addresses(subsets: &[Subset]) -> usize {
    subsets
        .iter()
        .map(|subset| subset.ready.len() + subset.not_ready.len())
        .sum()
}

#[cfg(test)]
mod tests;
