//! What a name means inside of the cluster.

use std::str::FromStr;

use quaymaster_model::{ObjectKey, Text};

/// The domain under which the cluster's DNS answers for Services (`cluster.local` mostly).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterDomain {
    /// `svc.` and the domain, without dots at its ends, in lower case.
    services: String,
}

/// Why a text is no domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a DNS domain, such as cluster.local")]
pub struct NotADomain;

impl FromStr for ClusterDomain {
    type Err = NotADomain;

    fn from_str(text: &str) -> Result<Self, NotADomain> {
        let domain = text.trim_matches('.').to_ascii_lowercase();
        if domain.len() > 253 || !domain.split('.').all(is_label) {
            return Err(NotADomain);
        }
        Ok(Self {
            services: format!("svc.{domain}"),
        })
    }
}

/// RFC 1123, as Kubernetes has it of names.
fn is_label(label: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&label.len())
        && label.bytes().all(allowed)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// What a name is in the eyes of the cluster's DNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Nothing of the Services of this cluster.
    Outside,
    /// A Service.
    Service(ObjectKey),
    /// Something of a Service, such as an endpoint by its hostname: there is no such name without the Service.
    Part(ObjectKey),
    /// In the domain of the Services, and too short to be one.
    Nothing,
}

impl Target {
    /// The Service without which the name means nothing.
    pub fn service(&self) -> Option<&ObjectKey> {
        match self {
            Self::Service(key) | Self::Part(key) => Some(key),
            Self::Outside | Self::Nothing => None,
        }
    }
}

impl ClusterDomain {
    /// The domain of the Services.
    pub fn services(&self) -> &str {
        &self.services
    }

    /// What a name means; with or without a dot at its end (kubernetes/dns `docs/specification.md`).
    pub fn target(&self, name: &str) -> Target {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let Some(rest) = name.strip_suffix(&self.services) else {
            return Target::Outside;
        };
        if rest.is_empty() {
            return Target::Nothing;
        }
        // `mysvc.cluster.local` is not `my` in `svc.cluster.local`.
        let Some(rest) = rest.strip_suffix('.') else {
            return Target::Outside;
        };
        let mut labels = rest.rsplit('.');
        let (Some(namespace), Some(service)) = (labels.next(), labels.next()) else {
            return Target::Nothing;
        };
        let key = ObjectKey::new(Text::new(namespace), Text::new(service));
        if labels.next().is_some() {
            Target::Part(key)
        } else {
            Target::Service(key)
        }
    }
}
