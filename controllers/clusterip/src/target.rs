//! What a key of the queue stands for.

use std::net::IpAddr;

use quaymaster_ipam::Value;
use quaymaster_model::{ObjectKey, Text};

/// In the place of a namespace, which is written in small letters, so that none is called so.
const POOL: &str = "ServiceIPPool";
const ADDRESS: &str = "IPAddress";

/// What is planned: a key of the queue names one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// The status of a pool, by its name.
    Pool(Text),
    /// The IPAddress of an address.
    Address(IpAddr),
    /// The status of a reservation.
    Reservation(ObjectKey),
}

impl Target {
    pub(crate) fn of(key: &ObjectKey) -> Option<Self> {
        match key.namespace.as_str() {
            POOL => Some(Self::Pool(key.name.clone())),
            ADDRESS => key.name.parse().ok().map(Self::Address),
            _ => Some(Self::Reservation(key.clone())),
        }
    }
}

/// The key for a pool.
pub(crate) fn pool(name: &str) -> ObjectKey {
    ObjectKey::new(Text::new(POOL), Text::new(name))
}

/// The key for an address.
pub(crate) fn address(address: IpAddr) -> ObjectKey {
    ObjectKey::new(Text::new(ADDRESS), Text::new(&address.to_string()))
}

/// The key for a value; none for a node port.
pub(crate) fn value(value: Value) -> Option<ObjectKey> {
    value.address().map(address)
}

/// The key of an object that is in no namespace.
pub(crate) fn clusterwide(name: &str) -> ObjectKey {
    ObjectKey::new(Text::new(""), Text::new(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_what_it_was_made_for_whatever_pools_and_namespaces_are_called() {
        let ip: IpAddr = "fd00::1".parse().unwrap();
        assert_eq!(Target::of(&address(ip)), Some(Target::Address(ip)));
        assert_eq!(
            Target::of(&pool("10.96.0.1")),
            Some(Target::Pool(Text::new("10.96.0.1")))
        );
        let reservation = ObjectKey::new(Text::new("ipaddress"), Text::new("fd00"));
        assert_eq!(
            Target::of(&reservation),
            Some(Target::Reservation(reservation.clone()))
        );
        assert_eq!(
            Target::of(&ObjectKey::new(Text::new(ADDRESS), Text::new("none"))),
            None
        );
    }
}
