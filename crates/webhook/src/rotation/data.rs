//! What is kept, as the data of a Secret.

use std::collections::BTreeMap;
use std::{fmt, str};

use jiff::Timestamp;
use k8s_openapi::ByteString;

use super::{Next, State};
use crate::authority::{AuthorityError, Certificate, Pair};
use crate::tls::{Identity, IdentityError};

/// The served certificate, as in Secrets of the type `kubernetes.io/tls`.
pub const TLS_CERTIFICATE: &str = "tls.crt";

/// Its key.
pub const TLS_KEY: &str = "tls.key";

/// All authorities to be trusted, for whoever looks at the Secret or mounts it; not read back.
pub const CA_CERTIFICATES: &str = "ca.crt";

const CURRENT_CERTIFICATE: &str = "ca-current.crt";
const CURRENT_KEY: &str = "ca-current.key";
const NEXT_CERTIFICATE: &str = "ca-next.crt";
const NEXT_KEY: &str = "ca-next.key";
const NEXT_PUBLISHED: &str = "ca-next.published";
const OLD_CERTIFICATES: &str = "ca-old.crt";

/// All that is read back.
const KEYS: [&str; 8] = [
    TLS_CERTIFICATE,
    TLS_KEY,
    CURRENT_CERTIFICATE,
    CURRENT_KEY,
    NEXT_CERTIFICATE,
    NEXT_KEY,
    NEXT_PUBLISHED,
    OLD_CERTIFICATES,
];

type Data = BTreeMap<String, ByteString>;

/// Why the data of a Secret is not what was kept there.
#[derive(Debug, thiserror::Error)]
#[error("{key} of the Secret cannot be used: {problem}")]
pub struct DataError {
    /// The key in its `data`.
    pub key: &'static str,
    problem: String,
}

impl DataError {
    fn new(key: &'static str, problem: impl fmt::Display) -> Self {
        Self {
            key,
            problem: format!("{problem}"),
        }
    }
}

impl State {
    /// Reads what [`State::to_data`] wrote; none where nothing of it is there, as in a Secret that somebody made empty.
    ///
    /// An error is to be told to the operator, and [`next`](super::next) to be asked without a state then: what
    /// cannot be read cannot be gone on with.
    pub fn from_data(data: &Data) -> Result<Option<Self>, DataError> {
        if KEYS.iter().all(|key| !data.contains_key(*key)) {
            return Ok(None);
        }
        let next = if data.contains_key(NEXT_CERTIFICATE) {
            Some(Next {
                authority: pair(data, NEXT_CERTIFICATE, NEXT_KEY)?,
                published: optional(data, NEXT_PUBLISHED)?
                    .map(str::parse::<Timestamp>)
                    .transpose()
                    .map_err(|error| DataError::new(NEXT_PUBLISHED, error))?,
            })
        } else {
            None
        };
        let old = Certificate::parse_all(optional(data, OLD_CERTIFICATES)?.unwrap_or_default())
            .map_err(|error| DataError::new(OLD_CERTIFICATES, error))?;
        Ok(Some(Self {
            current: pair(data, CURRENT_CERTIFICATE, CURRENT_KEY)?,
            leaf: pair(data, TLS_CERTIFICATE, TLS_KEY)?,
            next,
            old,
        }))
    }

    /// The whole `data` of the Secret; keys that are not in it are to go.
    pub fn to_data(&self) -> Data {
        let mut data = Data::new();
        let mut put = |key: &str, text: String| {
            data.insert(key.to_owned(), ByteString(text.into_bytes()));
        };
        put(TLS_CERTIFICATE, self.leaf.certificate.pem.clone());
        put(TLS_KEY, self.leaf.key_pem().to_owned());
        put(CA_CERTIFICATES, self.bundle());
        put(CURRENT_CERTIFICATE, self.current.certificate.pem.clone());
        put(CURRENT_KEY, self.current.key_pem().to_owned());
        if let Some(next) = &self.next {
            put(NEXT_CERTIFICATE, next.authority.certificate.pem.clone());
            put(NEXT_KEY, next.authority.key_pem().to_owned());
            if let Some(published) = next.published {
                put(NEXT_PUBLISHED, published.to_string());
            }
        }
        if !self.old.is_empty() {
            put(
                OLD_CERTIFICATES,
                self.old.iter().map(|old| old.pem.as_str()).collect(),
            );
        }
        data
    }
}

impl Identity {
    /// What is to be served by the data of the Secret; all that a replica needs of it that does not lead.
    pub fn from_data(data: &Data) -> Result<Self, IdentityError> {
        let bytes = |key| data.get(key).map_or(&[][..], |bytes| bytes.0.as_slice());
        Self::from_pem(bytes(TLS_CERTIFICATE), bytes(TLS_KEY))
    }
}

fn pair(data: &Data, certificate: &'static str, key: &'static str) -> Result<Pair, DataError> {
    let required = |name| optional(data, name)?.ok_or_else(|| DataError::new(name, "it is missing"));
    let (certificate_pem, key_pem) = (required(certificate)?, required(key)?);
    Pair::parse(certificate_pem, key_pem).map_err(|error| match error {
        AuthorityError::Key(problem) => DataError::new(key, problem),
        error => DataError::new(certificate, error),
    })
}

fn optional<'a>(data: &'a Data, key: &'static str) -> Result<Option<&'a str>, DataError> {
    data.get(key)
        .map(|bytes| str::from_utf8(&bytes.0).map_err(|error| DataError::new(key, error)))
        .transpose()
}
