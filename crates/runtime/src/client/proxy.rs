//! The proxy between this process and the apiserver.
//!
//! The variables are read by the rules of Go's `golang.org/x/net/http/httpproxy`, so that an environment made for
//! kubectl means the same here. kube's own reading compares `NO_PROXY` with the proxy's address rather than the
//! apiserver's, and knows no exception for loopback.

use std::fmt;
use std::net::IpAddr;

use http::Uri;
use ipnet::IpNet;

use super::ConnectError;

/// Of both forms the one in capitals comes first.
const HTTP: [&str; 2] = ["HTTP_PROXY", "http_proxy"];
const HTTPS: [&str; 2] = ["HTTPS_PROXY", "https_proxy"];
const NONE: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// A proxy's address for messages: without the user and password that may stand in it.
pub(super) struct Shown<'a>(pub(super) &'a Uri);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(uri) = self;
        write!(
            f,
            "{}://{}",
            uri.scheme_str().unwrap_or("http"),
            uri.host().unwrap_or_default()
        )?;
        uri.port_u16().map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// The address of a proxy that requests can be sent through; without a scheme, it is one of HTTP.
pub(super) fn parse(value: &str) -> Option<Uri> {
    let uri: Uri = if value.contains("://") {
        value.parse().ok()?
    } else {
        format!("http://{value}").parse().ok()?
    };
    let usable =
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty());
    usable.then_some(uri)
}

/// The proxy that the environment names for this server.
pub(super) fn of_environment(
    server: &Uri,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<Uri>, ConnectError> {
    let set = |names: [&'static str; 2]| {
        names.into_iter().find_map(|name| {
            let value = variable(name).filter(|value| !value.is_empty())?;
            Some((name, value))
        })
    };
    let of_scheme = if server.scheme_str() == Some("https") {
        HTTPS
    } else {
        HTTP
    };
    let Some((name, value)) = set(of_scheme) else {
        return Ok(None);
    };
    let exceptions = set(NONE).map(|(_, value)| value).unwrap_or_default();
    if is_direct(server, &exceptions) {
        return Ok(None);
    }
    parse(&value).map(Some).ok_or(ConnectError::ProxyInvalid {
        variable: name,
        reason: "no address of the form http://HOST:PORT or https://HOST:PORT".to_owned(),
    })
}

/// Whether the server is reached without a proxy: on this machine, or named in `NO_PROXY`.
fn is_direct(server: &Uri, exceptions: &str) -> bool {
    let host = server.host().unwrap_or_default().to_ascii_lowercase();
    let host = host.trim_matches(['[', ']']).trim_end_matches('.');
    let address: Option<IpAddr> = host.parse().ok();
    if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
        return true;
    }
    let port = server.port_u16().unwrap_or(match server.scheme_str() {
        Some("https") => 443,
        _ => 80,
    });
    exceptions
        .split(',')
        .map(|entry| entry.trim().to_ascii_lowercase())
        .filter(|entry| !entry.is_empty())
        .any(|entry| is_meant(&entry, host, address, port))
}

/// Whether an entry of `NO_PROXY` means this host: `*`, a network, an address or a name with or without port. A name
/// means those below it too; with a dot in front, only those.
fn is_meant(entry: &str, host: &str, address: Option<IpAddr>, port: u16) -> bool {
    if entry == "*" {
        return true;
    }
    if let Ok(network) = entry.parse::<IpNet>() {
        return address.is_some_and(|address| network.contains(&address));
    }
    let is_address = entry.parse::<IpAddr>().is_ok();
    let (name, wanted) = match entry.rsplit_once(':') {
        Some((name, digits)) if !is_address => match digits.parse::<u16>() {
            Ok(wanted) => (name, Some(wanted)),
            Err(_) => (entry, None),
        },
        _ => (entry, None),
    };
    if wanted.is_some_and(|wanted| wanted != port) {
        return false;
    }
    let name = name.trim_matches(['[', ']']);
    if let Ok(meant) = name.parse::<IpAddr>() {
        return address == Some(meant);
    }
    let below = name.strip_prefix("*.").or_else(|| name.strip_prefix('.'));
    let (below, itself) = match below {
        Some(below) => (below, false),
        None => (name, true),
    };
    match host.strip_suffix(below) {
        Some("") => itself,
        Some(front) => front.ends_with('.'),
        None => false,
    }
}

#[cfg(test)]
mod tests;
