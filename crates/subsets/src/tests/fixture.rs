//! Subsets in few words.

use quaymaster_model::{EndpointAddress, Protocol, Subset, SubsetAddress, SubsetPort, TargetRef, Text, Uid};

/// An address that refers to nothing.
pub(super) fn bare(ip: &str) -> SubsetAddress {
    SubsetAddress {
        ip: EndpointAddress::new(ip),
        hostname: None,
        node: None,
        target: None,
    }
}

/// The address of a Pod with this UID, named after it.
pub(super) fn of_pod(ip: &str, uid: &str) -> SubsetAddress {
    SubsetAddress {
        node: Some(Text::new("n1")),
        target: Some(Box::new(TargetRef {
            kind: Text::new("Pod"),
            namespace: Text::new("ns"),
            name: Text::new(&format!("pod-{uid}")),
            uid: Uid::new(uid),
            details: None,
        })),
        ..bare(ip)
    }
}

/// A TCP port.
pub(super) fn port(name: &str, number: i32) -> SubsetPort {
    SubsetPort {
        name: Text::new(name),
        port: number,
        protocol: Protocol::Tcp,
        app_protocol: None,
    }
}

/// The same with an `appProtocol`.
pub(super) fn h2c(name: &str, number: i32) -> SubsetPort {
    SubsetPort {
        app_protocol: Some(Text::new("h2c")),
        ..port(name, number)
    }
}

/// A subset of addresses that are ready, of addresses that are not, and of ports.
pub(super) fn subset(ready: &[SubsetAddress], not_ready: &[SubsetAddress], ports: &[SubsetPort]) -> Subset {
    Subset {
        ready: ready.to_vec(),
        not_ready: not_ready.to_vec(),
        ports: ports.to_vec(),
    }
}
