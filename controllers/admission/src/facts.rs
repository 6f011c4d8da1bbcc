//! What of the index the configuration and the policies hang on.

use quaymaster_ipam::{Fed, Pool, Shared, lock};

use crate::conditions::Asks;

/// What the index knows; nothing of what nobody has read yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The exclusive pools of addresses.
    pub(crate) addresses: Option<Vec<Pool>>,
    /// The exclusive pools of node ports.
    pub(crate) ports: Option<Vec<Pool>>,
    /// The cluster has addresses of both families.
    pub(crate) both_families: bool,
    /// Something is kept for a Service.
    pub(crate) reservations: bool,
    /// What of both is still being read.
    pub(crate) pending: bool,
}

impl Facts {
    /// Out of an index, which is held for as long as a copy takes.
    pub(crate) fn of(index: &Shared) -> Self {
        let index = lock(index);
        let exclusive = |fed: Fed, pools: &mut dyn Iterator<Item = &Pool>| {
            let mut pools: Vec<Pool> = pools.filter(|pool| pool.policy.exclusive).cloned().collect();
            pools.sort_by(|one, other| one.name.cmp(&other.name));
            (fed == Fed::Whole).then_some(pools)
        };
        Self {
            addresses: exclusive(index.addresses_fed, &mut index.addresses.pools()),
            ports: exclusive(index.ports_fed, &mut index.ports.pools()),
            // As long as nobody knows, it is better to be asked.
            both_families: index.families.is_none_or(|families| families.both),
            reservations: index.has_reservations(),
            pending: [index.addresses_fed, index.ports_fed].contains(&Fed::NotYet),
        }
    }

    /// Which requests are asked about, if that is known.
    pub(crate) fn asks(&self, exempt: &[String]) -> Option<Asks> {
        let exclusive = [&self.addresses, &self.ports]
            .into_iter()
            .flatten()
            .any(|pools| !pools.is_empty());
        (!self.pending).then(|| Asks {
            exempt: exempt.to_vec(),
            both_families: self.both_families,
            explicit: exclusive || self.reservations,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn shared(addresses: Fed, ports: Fed) -> Shared {
        let index = Shared::default();
        lock(&index).addresses_fed = addresses;
        lock(&index).ports_fed = ports;
        index
    }

    #[test]
    fn nothing_is_known_before_all_that_is_read_was_read() {
        for (addresses, ports, known) in [
            (Fed::NotYet, Fed::Whole, false),
            (Fed::Whole, Fed::NotYet, false),
            (Fed::Whole, Fed::Never, true),
            (Fed::Whole, Fed::Whole, true),
        ] {
            let index = shared(addresses, ports);
            let facts = Facts::of(&Arc::clone(&index));
            assert_eq!(facts.asks(&[]).is_some(), known, "{addresses:?} {ports:?}");
            assert_eq!(facts.addresses.is_some(), addresses == Fed::Whole);
        }
    }

    #[test]
    fn without_a_word_on_families_both_are_asked_about() {
        let facts = Facts::of(&shared(Fed::Whole, Fed::Whole));
        let asks = facts.asks(&[]).unwrap();
        assert!(asks.both_families && !asks.explicit);
    }
}
