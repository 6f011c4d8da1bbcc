//! IP addresses as Kubernetes reads them.

use std::net::{IpAddr, Ipv4Addr};

/// Number of 16-bit groups of an IPv6 address.
const GROUPS: usize = 8;

/// Reads an address as `k8s.io/utils/net.ParseIPSloppy` does.
///
/// Against the standard parser: leading zeros are allowed everywhere and mean nothing (octets are decimal), and an
/// IPv4-mapped IPv6 address is the IPv4 address. Zones are refused.
pub fn parse_ip(text: &str) -> Option<IpAddr> {
    // Whatever the strict parser accepts the lenient one reads the same, and nearly all addresses are of that kind.
    let address = text.parse().ok().or_else(|| parse_lenient(text))?;
    Some(IpAddr::to_canonical(&address))
}

fn parse_lenient(text: &str) -> Option<IpAddr> {
    match text.bytes().find(|byte| matches!(byte, b'.' | b':'))? {
        b'.' => parse_v4(text).map(|octets| IpAddr::V4(Ipv4Addr::from(octets))),
        _ => parse_v6(text).map(IpAddr::from),
    }
}

fn parse_v4(text: &str) -> Option<[u8; 4]> {
    let mut octets = [0; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        *octet = u8::try_from(number(parts.next()?, 10)?).ok()?;
    }
    parts.next().is_none().then_some(octets)
}

fn parse_v6(text: &str) -> Option<[u16; GROUPS]> {
    let (head, tail) = match text.split_once("::") {
        Some((head, tail)) => (head, Some(tail)),
        None => (text, None),
    };
    let mut out = [0; GROUPS];
    let mut tail_groups = [0; GROUPS];
    let Some(tail) = tail else {
        return (parse_groups(head, &mut out, true)? == GROUPS).then_some(out);
    };
    let before = parse_groups(head, &mut out, false)?;
    let after = parse_groups(tail, &mut tail_groups, true)?;
    // The ellipsis stands for one group at least.
    if before + after >= GROUPS {
        return None;
    }
    out[GROUPS - after..].copy_from_slice(&tail_groups[..after]);
    Some(out)
}

/// Reads groups separated by single colons and gives their number; the last may be a dotted IPv4 address where
/// these are the last groups of the whole.
fn parse_groups(text: &str, out: &mut [u16; GROUPS], last: bool) -> Option<usize> {
    if text.is_empty() {
        return Some(0);
    }
    let mut count = 0;
    let mut parts = text.split(':').peekable();
    while let Some(part) = parts.next() {
        if last && parts.peek().is_none() && part.contains('.') {
            let [a, b, c, d] = parse_v4(part)?;
            *out.get_mut(count)? = u16::from_be_bytes([a, b]);
            *out.get_mut(count + 1)? = u16::from_be_bytes([c, d]);
            count += 2;
        } else {
            *out.get_mut(count)? = u16::try_from(number(part, 16)?).ok()?;
            count += 1;
        }
    }
    Some(count)
}

/// A number of one digit or more; leading zeros are free, too large a one saturates.
fn number(digits: &str, radix: u32) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    digits.chars().try_fold(0_u32, |value, digit| {
        Some(value.saturating_mul(radix).saturating_add(digit.to_digit(radix)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each pair was read off `ParseIPSloppy(text).String()`.
    #[test]
    fn addresses_are_read_as_upstream_reads_them() {
        for (text, canonical) in [
            ("10.0.0.1", "10.0.0.1"),
            ("010.00.000.01", "10.0.0.1"),
            ("10.0.0.00000000000000000001", "10.0.0.1"),
            ("::ffff:1.2.3.4", "1.2.3.4"),
            ("::ffff:0102:0304", "1.2.3.4"),
            ("::FFFF:1.2.3.04", "1.2.3.4"),
            ("::1.2.3.4", "::102:304"),
            ("2001:db8::1", "2001:db8::1"),
            ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
            ("2001:00000db8::000001", "2001:db8::1"),
            ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
            ("::", "::"),
            ("::8:1:2:3:4:5:6", "0:8:1:2:3:4:5:6"),
            ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"),
            ("64:ff9b::192.000.2.33", "64:ff9b::c000:221"),
        ] {
            let address = parse_ip(text).unwrap_or_else(|| panic!("{text} is an address"));
            assert_eq!(address, canonical.parse::<IpAddr>().unwrap(), "{text}");
        }
    }

    #[test]
    fn what_upstream_refuses_is_refused() {
        for text in [
            "",
            ".",
            ":",
            "1",
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.256",
            "1.2.3.",
            ".1.2.3",
            "1..2.3",
            "+1.2.3.4",
            "1.2.3.4 ",
            " 1.2.3.4",
            "0x1.2.3.4",
            "fe80::1%eth0",
            "1.2.3.4%eth0",
            ":::",
            "::1::",
            "1:2:3:4:5:6:7:8::",
            "1:2:3:4:5:6:7",
            "1:2:3:4:5:6:7:8:9",
            ":1:2:3:4:5:6:7",
            "1:2:3:4:5:6:7:",
            "10000::",
            "1.2.3.4::",
            "::1.2.3",
            "::1.2.3.4:5",
            "1:2:3:4:5:6:7:1.2.3.4",
            "1:2:3:4:5:1.2.3.4",
            "::1:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7::8",
            "1::1.2.3.4:1",
            "4294967296.0.0.1",
            "٣.1.1.1",
        ] {
            assert_eq!(parse_ip(text), None, "{text}");
        }
    }
}
