//! Which replica may hand out which part of a range, without a write between them.

/// Values of a block of addresses: a word of the bitmap.
pub const ADDRESSES: u128 = 64;
/// Values of a block of ports.
pub const PORTS: u128 = 16;

/// Who of several replicas owns a block of a pool: the one with the highest hash of pool, block and replica (rendezvous hashing),
/// so that a replica that comes takes its share of each other one, and one that goes leaves its own to all.
///
/// The hash is the same in every process. Replicas that see each other differently may take one block for theirs at once; then
/// the apiserver refuses one of two requests.
pub fn owner<'a>(pool: &str, block: u128, replicas: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let ranked = replicas
        .into_iter()
        .map(|replica| (rank(pool, block, replica), replica));
    ranked.max().map(|(_, replica)| replica)
}

/// FNV-1a with 64 bits over the parts, with what ends a part between them, and a last mixing: neighbours differ in few bits.
fn rank(pool: &str, block: u128, replica: &str) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let parts = [pool.as_bytes(), &block.to_be_bytes(), replica.as_bytes()];
    let bytes = parts
        .into_iter()
        .flat_map(|part| part.iter().copied().chain([0xff]));
    let hash = bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    // The finalizer of splitmix64 (Steele, Lea, Flood, 2014).
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const REPLICAS: [&str; 3] = ["a", "b", "c"];

    fn owners<'a>(blocks: u128, replicas: &[&'a str]) -> Vec<&'a str> {
        let owner = |block| owner("blue", block, replicas.iter().copied()).unwrap();
        (0..blocks).map(owner).collect()
    }

    #[test]
    fn replicas_share_the_blocks_evenly_whatever_the_order_they_are_told_in() {
        let owners = owners(3000, &REPLICAS);
        assert_eq!(owners, self::owners(3000, &["c", "a", "b"]));
        let mut counts = BTreeMap::new();
        for owner in owners {
            *counts.entry(owner).or_insert(0) += 1;
        }
        assert!(
            counts.values().all(|count| (900..1100).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn only_the_blocks_of_one_that_goes_change_hands() {
        let (before, after) = (owners(1000, &REPLICAS), owners(1000, &["a", "c"]));
        for (before, after) in before.into_iter().zip(after) {
            assert!(before == after || before == "b", "{before} {after}");
        }
    }

    #[test]
    fn nobody_owns_anything_without_replicas_and_pools_are_divided_apart() {
        assert_eq!(owner("blue", 0, []), None);
        let of = |pool| (0..100).map(move |block| owner(pool, block, REPLICAS));
        assert!(of("blue").ne(of("red")));
        // A name that ends where another begins is another one.
        assert_ne!(rank("ab", 1, "c"), rank("a", 1, "bc"));
    }

    #[test]
    fn every_process_ranks_alike() {
        // Reckoned by another program: replicas of different builds must agree.
        assert_eq!(rank("blue", 7, "quaymaster-0"), 0x8238_1c99_fda2_fa74);
    }
}
