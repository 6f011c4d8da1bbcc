//! Contents told apart by a number.

use std::hash::{DefaultHasher, Hash, Hasher as _};

use quaymaster_model::Subset;

use crate::explode::{Identity, explode};

/// A number that is the same for subsets which [`repack`](crate::repack) makes equal, whatever the order of the version, and
/// another for all others, as far as 128 bits can tell. An absent list counts as an empty one, and a `resourceVersion` of a
/// target does not count, as upstream compares (kubernetes/kubernetes `pkg/controller/endpoint/endpoints_controller.go`,
/// `endpointSubsetsEqualIgnoreResourceVersion`).
///
/// Nothing is sorted or printed for it. It means nothing outside of the process: the next version may compute another one.
pub fn digest(subsets: &[Subset]) -> u128 {
    let exploded = explode(subsets, Identity::Pointer);
    let addresses: Vec<u128> = exploded.addresses.iter().map(of).collect();
    // Sums, since neither subsets nor what is in them have an order that counts.
    let sum = |numbers: &mut dyn Iterator<Item = u128>| numbers.fold(0, u128::wrapping_add);
    sum(&mut exploded.groups.iter().map(|group| {
        let ports = sum(&mut group.ports.iter().map(of));
        let members = group.members.iter();
        let members = sum(&mut members.map(|member| of((addresses[member.address], member.ready))));
        of((ports, members))
    }))
}

/// Two hashes of 64 bits side by side; their key is fixed.
fn of(value: impl Hash) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        value.hash(&mut hasher);
        hasher.finish()
    };
    u128::from(half(0)) << 64 | u128::from(half(1))
}
