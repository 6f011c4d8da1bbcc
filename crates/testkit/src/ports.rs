//! Free loopback ports for servers.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{fs, io};

/// The lowest port given out; below it lie many services' well-known ports.
const FIRST: u32 = 10_000;
/// Ports from here on are never given out: node ports begin here by default.
const NODE_PORTS: u32 = 30_000;
/// Where outgoing connections get their ports on Linux unless configured otherwise.
const DEFAULT_EPHEMERAL: u32 = 32_768;
/// Coprime to the size of any range in question, so that repeated steps reach each port.
const STRIDE: u32 = 7919;

static STEP: AtomicU32 = AtomicU32::new(0);

/// A port on 127.0.0.1 that was free a moment ago.
///
/// Ports lie below the kernel's range for outgoing connections: while a server restarts, no client's connection
/// can take its port, nor can a client that keeps trying connect to itself. Another process may still take the port
/// before the server does, so callers try again with another one.
///
/// # Errors
/// Where no port can be had.
pub fn free() -> io::Result<u16> {
    let end = ephemeral_start().min(NODE_PORTS);
    if end <= FIRST {
        return Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port());
    }
    let range = end - FIRST;
    // Processes begin at different places, so that they seldom try the same port.
    let begin = std::process::id().wrapping_mul(31) % range;
    for _ in 0..range {
        let step = STEP.fetch_add(1, Ordering::Relaxed) % range;
        let offset = (u64::from(begin) + u64::from(step) * u64::from(STRIDE)) % u64::from(range);
        let Ok(port) = u16::try_from(u64::from(FIRST) + offset) else {
            continue;
        };
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "no free loopback port"))
}

/// The first port of the kernel's range for outgoing connections.
fn ephemeral_start() -> u32 {
    fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|range| range.split_whitespace().next()?.parse().ok())
        .unwrap_or(DEFAULT_EPHEMERAL)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ports_differ_and_lie_below_those_of_outgoing_connections() {
        let ports: Vec<u16> = (0..50).map(|_| free().unwrap()).collect();
        assert_eq!(ports.iter().collect::<HashSet<_>>().len(), ports.len());
        assert!(
            ports
                .iter()
                .all(|&port| u32::from(port) < ephemeral_start() || ephemeral_start() <= FIRST)
        );
    }

    #[test]
    fn an_occupied_port_is_passed_over() {
        let held: Vec<TcpListener> = (0..20)
            .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, free().unwrap())).unwrap())
            .collect();
        let held: HashSet<u16> = held
            .iter()
            .map(|listener| listener.local_addr().unwrap().port())
            .collect();
        assert!((0..200).all(|_| !held.contains(&free().unwrap())));
    }
}
