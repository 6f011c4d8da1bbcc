//! Certificates of our own: authorities, and what they sign. ECDSA on P-256, whose handshakes cost the server least.
//!
//! Nothing here reads a clock: when a certificate is made is an argument.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData as _, SanType,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer as _, GeneralName, ParsedExtension, X509Certificate};

/// What a server's certificate is for: the names that clients know it by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    dns: BTreeSet<String>,
    addresses: BTreeSet<IpAddr>,
}

impl Names {
    /// No name yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The one by which the apiserver verifies webhooks that are given as a Service, whatever the address is that it
    /// connects to: `NAME.NAMESPACE.svc` (`k8s.io/apiserver/pkg/util/webhook/client.go`).
    pub fn service(namespace: &str, name: &str) -> Self {
        Self::new().dns(format!("{name}.{namespace}.svc"))
    }

    /// This name as well.
    #[must_use]
    pub fn dns(mut self, name: impl Into<String>) -> Self {
        self.dns.insert(name.into());
        self
    }

    /// This address as well.
    #[must_use]
    pub fn address(mut self, address: IpAddr) -> Self {
        self.addresses.insert(address);
        self
    }

    fn alternatives(&self) -> Result<Vec<SanType>, rcgen::Error> {
        let dns = self
            .dns
            .iter()
            .map(|name| Ok(SanType::DnsName(name.as_str().try_into()?)));
        let addresses = self
            .addresses
            .iter()
            .map(|address| Ok(SanType::IpAddress(*address)));
        dns.chain(addresses).collect()
    }
}

/// From when to when a certificate holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Its first second.
    pub not_before: Timestamp,
    /// Its last second.
    pub not_after: Timestamp,
}

impl Validity {
    /// For `life` from `now`, and for `backdate` before, since the clock of who verifies may be behind.
    pub fn from(now: Timestamp, life: SignedDuration, backdate: SignedDuration) -> Self {
        Self {
            not_before: clamped(now, -backdate),
            not_after: clamped(now, life),
        }
    }

    /// Whether it is over.
    pub fn expired(&self, now: Timestamp) -> bool {
        now > self.not_after
    }

    /// Whether it is still to come.
    pub fn early(&self, now: Timestamp) -> bool {
        now < self.not_before
    }

    /// When two thirds of it are over.
    pub fn due(&self) -> Timestamp {
        let life = self.not_after.duration_since(self.not_before);
        clamped(self.not_before, life / 3 * 2)
    }
}

/// Later by so much, or as late as there are times.
pub(crate) fn clamped(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.saturating_add(by).unwrap_or(time)
}

/// A certificate: as it is stored, and what of it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// As it is stored.
    pub pem: String,
    /// When it holds.
    pub validity: Validity,
    /// What it is for; none for authorities.
    pub names: Names,
    key: Vec<u8>,
    key_id: Option<Vec<u8>>,
    signed_by: Option<Vec<u8>>,
}

impl Certificate {
    /// Reads the one certificate that the text has.
    pub fn parse(pem: &str) -> Result<Self, AuthorityError> {
        let mut all = Self::parse_all(pem)?;
        match (all.pop(), all.pop()) {
            (Some(one), None) => Ok(one),
            (None, _) => Err(AuthorityError::unreadable("there is no certificate")),
            _ => Err(AuthorityError::unreadable("there is more than one certificate")),
        }
    }

    /// Reads all certificates that the text has.
    pub fn parse_all(pem: &str) -> Result<Vec<Self>, AuthorityError> {
        CertificateDer::pem_slice_iter(pem.as_bytes())
            .map(|der| Self::from_der(&der.map_err(AuthorityError::unreadable)?))
            .collect()
    }

    fn from_der(der: &CertificateDer<'_>) -> Result<Self, AuthorityError> {
        let (_, parsed) = X509Certificate::from_der(der).map_err(AuthorityError::unreadable)?;
        let time = |seconds| Timestamp::from_second(seconds).map_err(AuthorityError::unreadable);
        let validity = Validity {
            not_before: time(parsed.validity().not_before.timestamp())?,
            not_after: time(parsed.validity().not_after.timestamp())?,
        };
        let mut certificate = Self {
            pem: pem_of(der),
            validity,
            names: Names::new(),
            key: parsed.public_key().subject_public_key.data.to_vec(),
            key_id: None,
            signed_by: None,
        };
        for extension in parsed.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::SubjectKeyIdentifier(id) => certificate.key_id = Some(id.0.to_vec()),
                ParsedExtension::AuthorityKeyIdentifier(id) => {
                    certificate.signed_by = id.key_identifier.as_ref().map(|id| id.0.to_vec());
                }
                ParsedExtension::SubjectAlternativeName(names) => {
                    certificate.names = names_of(&names.general_names);
                }
                _ => {}
            }
        }
        Ok(certificate)
    }

    /// Whether this authority's key signed it, by what both say of it.
    pub fn is_signed_by(&self, authority: &Self) -> bool {
        self.signed_by.is_some() && self.signed_by == authority.key_id
    }
}

fn names_of(names: &[GeneralName<'_>]) -> Names {
    names.iter().fold(Names::new(), |names, name| match *name {
        GeneralName::DNSName(name) => names.dns(name),
        GeneralName::IPAddress(bytes) => {
            let address = <[u8; 4]>::try_from(bytes)
                .map(IpAddr::from)
                .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
            match address {
                Ok(address) => names.address(address),
                Err(_) => names,
            }
        }
        _ => names,
    })
}

fn pem_of(der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.extend([line, "\n"]);
        rest = after;
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

/// A certificate with its key.
#[derive(Clone)]
pub struct Pair {
    /// The certificate.
    pub certificate: Certificate,
    key: String,
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the key.
        f.debug_struct("Pair")
            .field("validity", &self.certificate.validity)
            .field("names", &self.certificate.names)
            .finish_non_exhaustive()
    }
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// What is stored is no certificate.
    #[error("{0}")]
    Unreadable(String),
    /// What is stored is no key, or that of another certificate.
    #[error("{0}")]
    Key(String),
    /// A certificate cannot be made, for example for a name that is none.
    #[error("a certificate cannot be made: {0}")]
    Make(#[from] rcgen::Error),
    /// A time that certificates cannot have.
    #[error("a certificate cannot be made for this time")]
    Time,
}

impl AuthorityError {
    fn unreadable(error: impl fmt::Display) -> Self {
        Self::Unreadable(format!("{error}"))
    }
}

impl Pair {
    /// Reads a certificate and its key, which have to belong together.
    pub fn parse(certificate: &str, key: &str) -> Result<Self, AuthorityError> {
        let certificate = Certificate::parse(certificate)?;
        let pair = KeyPair::from_pem(key).map_err(|error| AuthorityError::Key(error.to_string()))?;
        if pair.der_bytes() != certificate.key {
            let problem = "it is not the key of the certificate beside it";
            return Err(AuthorityError::Key(problem.to_owned()));
        }
        Ok(Self {
            certificate,
            key: key.to_owned(),
        })
    }

    /// The key as it is stored.
    pub fn key_pem(&self) -> &str {
        &self.key
    }

    /// A new authority. Its name has the time in it, so that an operator can tell two apart.
    pub fn authority(validity: Validity) -> Result<Self, AuthorityError> {
        let mut params = params(validity)?;
        let name = format!("quaymaster-webhook-ca@{}", validity.not_before.as_second());
        params.distinguished_name = subject(&name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            certificate: Certificate::from_der(certificate.der())?,
            key: key.serialize_pem(),
        })
    }

    /// A new certificate for a server, signed by this authority. It does not hold longer than the authority.
    pub fn sign(&self, names: &Names, validity: Validity) -> Result<Self, AuthorityError> {
        let mut params = params(Validity {
            not_after: validity.not_after.min(self.certificate.validity.not_after),
            ..validity
        })?;
        params.distinguished_name = subject("quaymaster-webhook");
        params.subject_alt_names = names.alternatives()?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let issuer = Issuer::from_ca_cert_pem(&self.certificate.pem, KeyPair::from_pem(&self.key)?)?;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let certificate = params.signed_by(&key, &issuer)?;
        Ok(Self {
            certificate: Certificate::from_der(certificate.der())?,
            key: key.serialize_pem(),
        })
    }
}

fn params(validity: Validity) -> Result<CertificateParams, AuthorityError> {
    let time = |time: Timestamp| {
        OffsetDateTime::from_unix_timestamp(time.as_second()).map_err(|_| AuthorityError::Time)
    };
    let mut params = CertificateParams::default();
    params.not_before = time(validity.not_before)?;
    params.not_after = time(validity.not_after)?;
    Ok(params)
}

fn subject(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject
}
