//! What is wrong with a kubeconfig and would be found late, by a panic, or never.

use http::{HeaderValue, Uri};
use kube::config::{Cluster, Context, Kubeconfig};
use secrecy::ExposeSecret as _;

use crate::client::proxy;

/// Something that does not fit together. Names the field; file, context and user are named beside it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
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
    /// The value may hold a password.
    #[error("proxy-url of cluster {cluster} is no address of the form http://HOST:PORT or https://HOST:PORT")]
    Proxy { cluster: String },
    /// kube panics over it. Not trimmed, since client-go does not do that either.
    #[error("token of user {user} cannot be sent, as there is a {found} in it")]
    Token { user: String, found: &'static str },
}

/// The proxy that the kubeconfig itself names, where everything else about it is in order as well.
///
/// What kube finds by itself, such as a context that is not there, is left to it.
pub(super) fn check(kubeconfig: &Kubeconfig) -> Result<Option<Uri>, Fault> {
    let Some((name, context)) = current(kubeconfig) else {
        return Ok(None);
    };
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
    if let Some(user) = context.user.as_deref().filter(|user| !user.is_empty()) {
        let found = kubeconfig
            .auth_infos
            .iter()
            .find(|named| named.name == user)
            .ok_or_else(|| lacking("user", user))?;
        let token = found.auth_info.as_ref().and_then(|user| user.token.as_ref());
        if let Some(found) = token.and_then(|token| unsendable(token.expose_secret())) {
            let user = user.to_owned();
            return Err(Fault::Token { user, found });
        }
    }
    cluster
        .cluster
        .as_ref()
        .map_or(Ok(None), |settings| addresses(&cluster.name, settings))
}

fn current(kubeconfig: &Kubeconfig) -> Option<(&str, &Context)> {
    let name = kubeconfig.current_context.as_deref()?;
    let named = kubeconfig.contexts.iter().find(|named| named.name == name)?;
    Some((name, named.context.as_ref()?))
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

fn addresses(name: &str, cluster: &Cluster) -> Result<Option<Uri>, Fault> {
    if let Some(server) = cluster.server.as_ref().filter(|server| !is_address(server)) {
        return Err(Fault::Server {
            cluster: name.to_owned(),
            server: server.clone(),
        });
    }
    let Some(url) = cluster.proxy_url.as_ref().filter(|url| !url.is_empty()) else {
        return Ok(None);
    };
    proxy::parse(url).map(Some).ok_or_else(|| Fault::Proxy {
        cluster: name.to_owned(),
    })
}

fn is_address(server: &str) -> bool {
    let Ok(uri) = server.parse::<Uri>() else {
        return false;
    };
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
