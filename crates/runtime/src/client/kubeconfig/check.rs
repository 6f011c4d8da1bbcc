//! What is wrong with a kubeconfig and would be found late, by a panic, or never.

use http::{HeaderValue, Uri};
use kube::Config;
use kube::config::{AuthInfo, Cluster, Context, ExecAuthCluster, Kubeconfig};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::ExposeSecret as _;

use crate::client::proxy;

/// Something that does not fit together. Names the field; file, context and user are named beside it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("it has no current-context")]
    NoContext,
    #[error("it has no context {context}, which is its current-context")]
    UnknownContext { context: String },
    /// kube goes on without credentials then, as `system:anonymous`; kubectl refuses as well.
    #[error("context {context} names {kind} {name}, which the file lacks")]
    Lacking {
        context: String,
        kind: &'static str,
        name: String,
    },
    /// kube panics over an address without a scheme.
    #[error(
        "server of cluster {cluster} is {server:?}, which is no address of the form https://HOST:PORT or http://HOST:PORT"
    )]
    Server { cluster: String, server: String },
    #[error("cluster {cluster} has no server")]
    NoServer { cluster: String },
    #[error("the authority of cluster {cluster}: {reason}")]
    Authority { cluster: String, reason: String },
    /// kube goes on and trusts nobody then.
    #[error(
        "certificate-authority, or certificate-authority-data, of cluster {cluster} holds no certificate"
    )]
    NoCertificate { cluster: String },
    /// The value may hold a password.
    #[error("proxy-url of cluster {cluster} is no address of the form http://HOST:PORT or https://HOST:PORT")]
    Proxy { cluster: String },
    /// kube panics over it. Not trimmed, since client-go does not do that either.
    #[error("token of user {user} cannot be sent, as there is a {found} in it")]
    Token { user: String, found: &'static str },
}

impl Fault {
    /// Whether the user has no part in it.
    pub(super) fn is_of_cluster(&self) -> bool {
        matches!(
            self,
            Self::Server { .. }
                | Self::NoServer { .. }
                | Self::Authority { .. }
                | Self::NoCertificate { .. }
                | Self::Proxy { .. }
        )
    }
}

/// What a sound kubeconfig says of server and user, and the proxy that it names itself.
///
/// kube's own way from a kubeconfig to a configuration reads the environment's proxy variables on the way and fails over
/// what is of no concern to this server, such as a comma at the end of `NO_PROXY` (kube-rs/kube
/// `kube-client/src/config/file_loader.rs`, `proxy_url`). So that way is not taken.
pub(super) fn check(kubeconfig: &Kubeconfig) -> Result<(Config, Option<Uri>), Fault> {
    let (name, context) = current(kubeconfig)?;
    let lacking = |kind, of: &str| Fault::Lacking {
        context: name.to_owned(),
        kind,
        name: of.to_owned(),
    };
    let cluster = kubeconfig
        .clusters
        .iter()
        .find(|named| named.name == context.cluster)
        .ok_or_else(|| lacking("cluster", &context.cluster))?;
    let mut user = AuthInfo::default();
    if let Some(named) = context.user.as_deref().filter(|user| !user.is_empty()) {
        let found = kubeconfig
            .auth_infos
            .iter()
            .find(|other| other.name == named)
            .ok_or_else(|| lacking("user", named))?;
        user = found.auth_info.clone().unwrap_or_default();
        if let Some(found) = user
            .token
            .as_ref()
            .and_then(|token| unsendable(token.expose_secret()))
        {
            let user = named.to_owned();
            return Err(Fault::Token { user, found });
        }
    }
    let settings = cluster.cluster.clone().unwrap_or_default();
    let proxy = proxy(&cluster.name, &settings)?;
    Ok((config(&cluster.name, settings, user)?, proxy))
}

fn current(kubeconfig: &Kubeconfig) -> Result<(&str, &Context), Fault> {
    let name = kubeconfig.current_context.as_deref().unwrap_or_default();
    if name.is_empty() {
        return Err(Fault::NoContext);
    }
    let named = kubeconfig.contexts.iter().find(|named| named.name == name);
    let context = named.and_then(|named| named.context.as_ref());
    context
        .map(|context| (name, context))
        .ok_or_else(|| Fault::UnknownContext {
            context: name.to_owned(),
        })
}

fn config(name: &str, mut cluster: Cluster, mut user: AuthInfo) -> Result<Config, Fault> {
    let server = server(name, &cluster)?;
    // What is empty is not there, as for kubectl.
    cluster.certificate_authority_data = cluster.certificate_authority_data.filter(|data| !data.is_empty());
    cluster.certificate_authority = cluster.certificate_authority.filter(|path| !path.is_empty());
    let shown = ExecAuthCluster::try_from(&cluster).map_err(|error| Fault::Authority {
        cluster: name.to_owned(),
        reason: super::super::error::unquoted(&error),
    })?;
    let mut config = Config::new(server);
    config.root_cert = match &shown.certificate_authority_data {
        Some(bundle) => Some(certificates(name, bundle)?),
        None => None,
    };
    config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or_default();
    config.disable_compression = cluster.disable_compression.unwrap_or_default();
    config.tls_server_name = cluster.tls_server_name;
    if let Some(exec) = user.exec.as_mut().filter(|exec| exec.provide_cluster_info) {
        exec.cluster = Some(shown);
    }
    config.auth_info = user;
    Ok(config)
}

/// The certificates of a bundle; whatever else stands in it is passed over.
fn certificates(cluster: &str, bundle: &[u8]) -> Result<Vec<Vec<u8>>, Fault> {
    let certificates: Vec<Vec<u8>> = CertificateDer::pem_slice_iter(bundle)
        .map(|certificate| certificate.map(|der| der.as_ref().to_vec()))
        .collect::<Result<_, _>>()
        .map_err(|error| Fault::Authority {
            cluster: cluster.to_owned(),
            reason: error.to_string(),
        })?;
    if certificates.is_empty() {
        return Err(Fault::NoCertificate {
            cluster: cluster.to_owned(),
        });
    }
    Ok(certificates)
}

/// What in a token may not stand in a header.
fn unsendable(token: &str) -> Option<&'static str> {
    if HeaderValue::from_str(token).is_ok() {
        None
    } else if token.contains(['\n', '\r']) {
        Some("line break")
    } else {
        Some("control character")
    }
}

fn server(name: &str, cluster: &Cluster) -> Result<Uri, Fault> {
    let Some(server) = &cluster.server else {
        let cluster = name.to_owned();
        return Err(Fault::NoServer { cluster });
    };
    server
        .parse()
        .ok()
        .filter(is_address)
        .ok_or_else(|| Fault::Server {
            cluster: name.to_owned(),
            server: server.clone(),
        })
}

fn proxy(name: &str, cluster: &Cluster) -> Result<Option<Uri>, Fault> {
    let Some(url) = cluster.proxy_url.as_ref().filter(|url| !url.is_empty()) else {
        return Ok(None);
    };
    proxy::parse(url).map(Some).ok_or_else(|| Fault::Proxy {
        cluster: name.to_owned(),
    })
}

fn is_address(uri: &Uri) -> bool {
    let Some(authority) = uri.authority() else {
        return false;
    };
    let host = authority.host();
    // A port that is none would silently be the scheme's own.
    let bare = authority.as_str().ends_with(host);
    matches!(uri.scheme_str(), Some("http" | "https"))
        && !host.is_empty()
        && (bare || authority.port_u16().is_some())
}

#[cfg(test)]
mod tests;
