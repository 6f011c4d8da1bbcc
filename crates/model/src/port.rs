//! Protocols, ports of slices, address types.

use std::fmt;

use crate::Text;

/// Transport protocol of a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// `TCP`
    Tcp,
    /// `UDP`
    Udp,
    /// `SCTP`
    Sctp,
    /// Anything else, kept as it came.
    Other(Text),
}

impl Protocol {
    /// Reads the API's spelling; an empty or absent one is `TCP`, as the API defaults it.
    pub fn new(value: &str) -> Self {
        match value {
            "" | "TCP" => Self::Tcp,
            "UDP" => Self::Udp,
            "SCTP" => Self::Sctp,
            other => Self::Other(Text::new(other)),
        }
    }

    /// The API's spelling.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
            Self::Other(text) => text,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A port of an EndpointSlice (`discovery.k8s.io/v1` `EndpointPort`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointPort {
    /// Name; the API turns an absent one into an empty one.
    pub name: Option<Text>,
    /// Protocol; the API turns an absent one into `TCP`.
    pub protocol: Option<Protocol>,
    /// Number; absent means "all ports" to the API, and our own slices never have that.
    pub port: Option<i32>,
    /// Application protocol.
    pub app_protocol: Option<Text>,
}

/// The ports of a slice as a set: slices whose ports differ only in order are of one group
/// (`k8s.io/endpointslice/util/endpointset.go`, `PortMapKey`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct PortSet(Box<[EndpointPort]>);

impl PortSet {
    /// A set from ports in any order. Repeated ports are kept, as upstream keeps them.
    pub fn new(ports: impl IntoIterator<Item = EndpointPort>) -> Self {
        let mut ports: Vec<EndpointPort> = ports.into_iter().collect();
        ports.sort();
        Self(ports.into_boxed_slice())
    }

    /// The ports, in an order that says nothing.
    pub fn ports(&self) -> &[EndpointPort] {
        &self.0
    }
}

/// `addressType` of a slice.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AddressType {
    /// `IPv4`
    IPv4,
    /// `IPv6`
    IPv6,
    /// Any other type (`FQDN`, the historical `IP`), kept as it came.
    Other(Text),
}

impl AddressType {
    /// Reads the API's spelling.
    pub fn new(value: &str) -> Self {
        match value {
            "IPv4" => Self::IPv4,
            "IPv6" => Self::IPv6,
            other => Self::Other(Text::new(other)),
        }
    }

    /// The API's spelling.
    pub fn as_str(&self) -> &str {
        match self {
            Self::IPv4 => "IPv4",
            Self::IPv6 => "IPv6",
            Self::Other(text) => text,
        }
    }
}

impl fmt::Display for AddressType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
