//! Numbers that stand for entries of tables.

/// Turns the index of an entry of a table into the number by which it is known.
///
/// # Panics
/// With more than 2^32 entries, which no machine holds: the smallest record alone takes 100 bytes.
#[expect(
    clippy::expect_used,
    reason = "a table of 2^32 records does not fit into memory"
)]
pub fn narrow(index: usize) -> u32 {
    u32::try_from(index).expect("fewer than 2^32 entries")
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// Given by whoever holds the records. Ids must be dense (indices of a slab), because tables are indexed by
        /// them, and may be used again once the object was removed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u32);

        impl $name {
            /// The index of the id.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

id!(
    /// A Pod, from when it is first seen until it is removed.
    PodId
);
id!(
    /// A Service, from when it is first seen until it is removed; one that is created again is another one.
    ServiceId
);
