//! Which setting of the kubeconfig a failed TLS connection speaks against.

use std::error::Error as StdError;

use rustls::CertificateError;

use super::cause::find_cause;

/// What of TLS is set, as far as the advice after a failure depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// The Pod's service account is used, and there is no kubeconfig.
    pub(crate) in_pod: bool,
    /// There is a `certificate-authority` or `certificate-authority-data`.
    pub(crate) authority: bool,
    /// There is a `tls-server-name`.
    pub(crate) server_name: bool,
}

/// What to do about a connection that failed so. Cluster and kubeconfig are named beside it.
pub(super) fn hint(source: &(dyn StdError + 'static), settings: TlsSettings) -> &'static str {
    use CertificateError as Fault;

    match find_cause::<rustls::Error>(source) {
        Some(rustls::Error::InvalidCertificate(fault)) => match fault {
            Fault::Expired
            | Fault::ExpiredContext { .. }
            | Fault::NotValidYet
            | Fault::NotValidYetContext { .. } => {
                "renew the apiserver's certificate, or correct the clock of this machine"
            }
            _ if settings.in_pod => "check that ca.crt of the Pod's service account is the cluster's",
            Fault::NotValidForName | Fault::NotValidForNameContext { .. } if settings.server_name => {
                "tls-server-name of that cluster is no name of this certificate: correct it or leave it out"
            }
            Fault::NotValidForName | Fault::NotValidForNameContext { .. } => {
                "server of that cluster has a host that is no name of this certificate: give one that is, or set \
                 tls-server-name to one"
            }
            _ if settings.authority => {
                "certificate-authority, or certificate-authority-data, of that cluster has not signed this \
                 certificate: give the one that has"
            }
            _ => {
                "that cluster has no certificate-authority, and the system's have not signed this certificate: give \
                 the one that has"
            }
        },
        Some(rustls::Error::InvalidMessage(_)) => {
            "what answers there speaks no TLS: correct server of that cluster"
        }
        _ => {
            "check server, certificate-authority and tls-server-name of that cluster, and the user's client certificate"
        }
    }
}
