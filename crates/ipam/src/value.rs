//! What is allocated: addresses and node ports.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use quaymaster_allocator::net;
use quaymaster_model::IpFamily;

/// What sort of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// IPv4 addresses.
    V4,
    /// IPv6 addresses.
    V6,
    /// Node ports, of whatever protocol: the apiserver gives a number to one Service.
    Port,
}

impl Class {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::V4, Self::V6, Self::Port];
}

impl From<IpFamily> for Class {
    fn from(family: IpFamily) -> Self {
        match family {
            IpFamily::V4 => Self::V4,
            IpFamily::V6 => Self::V6,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4 address",
            Self::V6 => "IPv6 address",
            Self::Port => "node port",
        })
    }
}

/// An address or a node port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value {
    /// What sort.
    pub class: Class,
    /// An address as a number, or the port.
    pub number: u128,
}

impl Value {
    /// A node port.
    pub fn port(port: u16) -> Self {
        Self {
            class: Class::Port,
            number: port.into(),
        }
    }

    /// The address, where it is one.
    pub fn address(self) -> Option<IpAddr> {
        match self.class {
            Class::V4 => Some(Ipv4Addr::from(u32::try_from(self.number).ok()?).into()),
            Class::V6 => Some(Ipv6Addr::from(self.number).into()),
            Class::Port => None,
        }
    }

    /// The node port, where it is one.
    pub fn node_port(self) -> Option<u16> {
        match self.class {
            Class::Port => u16::try_from(self.number).ok(),
            Class::V4 | Class::V6 => None,
        }
    }
}

impl From<IpAddr> for Value {
    fn from(address: IpAddr) -> Self {
        Self {
            class: IpFamily::of(&address).into(),
            number: net::number(address),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address() {
            Some(address) => address.fmt(f),
            None => self.number.fmt(f),
        }
    }
}
