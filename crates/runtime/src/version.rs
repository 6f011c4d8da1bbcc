//! Which Kubernetes the apiserver is.

#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use quaymaster_model::rules::{NEWEST_TESTED, OLDEST_SUPPORTED};

use crate::client::{ConnectError, get};

/// What `/version` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerVersion {
    /// 1.
    pub major: u32,
    /// For example 37.
    pub minor: u32,
    /// As the server names itself, for example `v1.37.1-eks-4f2c`.
    pub git_version: String,
}

/// How far an apiserver that may be used is supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// Tested.
    Tested,
    /// Newer than any tested one: very likely fine, worth a warning.
    Newer,
}

/// The apiserver is older than the oldest supported version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the apiserver is Kubernetes {found}, older than {OLDEST_SUPPORTED}, the oldest supported version: upgrade the cluster"
)]
pub struct UnsupportedVersion {
    found: ServerVersion,
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.git_version)
    }
}

impl ServerVersion {
    /// Compares with [`OLDEST_SUPPORTED`] and [`NEWEST_TESTED`].
    pub fn support(&self) -> Result<Support, UnsupportedVersion> {
        let found = (self.major, self.minor);
        if found < (1, OLDEST_SUPPORTED.minor) {
            return Err(UnsupportedVersion { found: self.clone() });
        }
        Ok(if found > (1, NEWEST_TESTED.minor) {
            Support::Newer
        } else {
            Support::Tested
        })
    }

    /// Reads the body of `/version`. `None` if it is not one. Managed clusters write minors like `33+`.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let info: serde_json::Value = serde_json::from_slice(body).ok()?;
        let number = |field: &str| -> Option<u32> {
            let text = info.get(field)?.as_str()?;
            let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            text[..digits].parse().ok()
        };
        let (major, minor) = (number("major")?, number("minor")?);
        let git_version = match info.get("gitVersion").and_then(serde_json::Value::as_str) {
            Some(text) if !text.is_empty() => text.to_owned(),
            _ => format!("v{major}.{minor}"),
        };
        Some(Self {
            major,
            minor,
            git_version,
        })
    }
}

/// Asks the apiserver at `server` (named in errors only) for its version, within `timeout`. As the first request
/// of a process it also tells whether the apiserver can be reached and the credentials are good.
pub async fn discover_version(
    client: &kube::Client,
    server: &str,
    timeout: Duration,
) -> Result<ServerVersion, ConnectError> {
    let body = get(client, server, "/version", timeout).await?;
    ServerVersion::parse(&body).ok_or_else(|| ConnectError::NotKubernetes {
        server: server.to_owned(),
        origin: String::new(),
    })
}
