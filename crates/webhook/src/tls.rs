//! The certificate that is served.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// A certificate for a server, the certificates it was signed by, and its key.
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    not_after: Timestamp,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the key.
        f.debug_struct("Identity")
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// Why a certificate cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The certificate cannot be read.
    #[error("the serving certificate cannot be read: {0}")]
    Certificate(String),
    /// The key cannot be read.
    #[error("the key of the serving certificate cannot be read: {0}")]
    Key(String),
    /// They do not belong together, or are of a kind that is not supported.
    #[error("the serving certificate cannot be used with its key")]
    Pair(#[source] rustls::Error),
}

impl Identity {
    /// Reads `tls.crt` and `tls.key`, as Secrets of the type `kubernetes.io/tls` have them.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, IdentityError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<_, _>>()
            .map_err(|error| IdentityError::Certificate(error.to_string()))?;
        let Some(leaf) = chain.first() else {
            return Err(IdentityError::Certificate("there is none".to_owned()));
        };
        let (_, parsed) =
            X509Certificate::from_der(leaf).map_err(|error| IdentityError::Certificate(error.to_string()))?;
        let not_after = Timestamp::from_second(parsed.validity().not_after.timestamp())
            .map_err(|error| IdentityError::Certificate(error.to_string()))?;
        let key =
            PrivateKeyDer::from_pem_slice(key).map_err(|error| IdentityError::Key(error.to_string()))?;
        Ok(Self {
            chain,
            key,
            not_after,
        })
    }

    /// When it expires.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }
}

/// The certificate that a server presents. Clones share it.
///
/// An exchange holds for handshakes from then on; open connections go on. Sessions are resumed only under the certificate
/// that they began under, so what is presented after an exchange is the new one, to clients that keep tickets as well.
/// (The apiserver keeps none: client-go sets no `ClientSessionCache`.)
#[derive(Clone, Debug, Default)]
pub struct Certificates {
    current: Arc<RwLock<Option<Current>>>,
}

#[derive(Clone, Debug)]
struct Current {
    leaf: CertificateDer<'static>,
    not_after: Timestamp,
    /// With its own keys for session tickets.
    config: Arc<ServerConfig>,
}

impl Certificates {
    /// None yet: until there is one, connections are closed before the handshake.
    pub fn new() -> Self {
        Self::default()
    }

    /// Presents this one from now on, and says whether that is a change.
    pub fn set(&self, identity: &Identity) -> Result<bool, IdentityError> {
        let leaf = identity
            .chain
            .first()
            .cloned()
            .unwrap_or_else(|| Vec::new().into());
        if self.read().is_some_and(|current| current.leaf == leaf) {
            return Ok(false);
        }
        let config = config(identity).map_err(IdentityError::Pair)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Current {
            leaf,
            not_after: identity.not_after,
            config: Arc::new(config),
        });
        Ok(true)
    }

    /// When the one that is presented expires.
    pub fn not_after(&self) -> Option<Timestamp> {
        self.read().map(|current| current.not_after)
    }

    pub(crate) fn config(&self) -> Option<Arc<ServerConfig>> {
        self.read().map(|current| current.config)
    }

    fn read(&self) -> Option<Current> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// TLS 1.2 and 1.3. Clients are not asked for certificates: apiservers have none for webhooks unless their operator
/// configured one.
fn config(identity: &Identity) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(identity.chain.clone(), identity.key.clone_key())?;
    // The apiserver asks for it, and for nothing else (k8s.io/apiserver/pkg/util/webhook/client.go).
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.ticketer = ring::Ticketer::new()?;
    Ok(config)
}
