//! Reaching the apiserver, and saying clearly why it cannot be reached.

mod cause;
mod error;
mod forbidden;
mod kubeconfig;
mod proxy;
#[cfg(test)]
mod tests;
mod tls;
mod user_agent;

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, header};
use http_body_util::{BodyExt, Limited};

pub use error::ConnectError;
pub(crate) use kubeconfig::Origin;
pub use tls::TlsSettings;
pub use user_agent::UserAgent;

/// Time to connect to the apiserver, TLS included. kube's default of 30 s is longer than a lease.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// More than any answer to a question asked at start needs.
const MAX_ANSWER: usize = 1 << 20;

/// Where the address and the credentials of the apiserver come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// This file.
    Kubeconfig(PathBuf),
    /// As the environment suggests: `$KUBECONFIG`, else the Pod's service account, else `~/.kube/config`.
    ///
    /// A Pod comes before the home directory, so that an image that happens to carry a kubeconfig cannot lead a
    /// controller to another cluster.
    Environment,
}

/// The apiserver's address and how to be let in; makes clients.
#[derive(Clone, Debug)]
pub struct Connection {
    config: kube::Config,
    /// Where credentials come from; `None` in a Pod.
    origin: Option<Origin>,
}

impl Connection {
    /// Reads the configuration. Nothing is sent yet.
    pub fn load(source: &Source) -> Result<Self, ConnectError> {
        let in_pod = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some_and(|value| !value.is_empty());
        let (mut config, origin) = if *source == Source::Environment && in_pod && !kubeconfig::is_named() {
            let config = kube::Config::incluster().map_err(|source| ConnectError::ServiceAccount {
                source: Box::new(source),
            })?;
            (config, None)
        } else {
            let (config, origin) = kubeconfig::load(source)?;
            (config, Some(origin))
        };
        // Repeats a POST after 429, 503 and 504, below any queue or permit (kube-rs/kube#2082).
        config.default_retry = false;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        Ok(Self { config, origin })
    }

    /// The error of a request of one of this connection's clients, with what only the connection knows: the
    /// kubeconfig, context and user whose credentials were not good, the cluster whose settings were not, and the proxy
    /// in between.
    #[must_use]
    pub fn explain(&self, error: ConnectError) -> ConnectError {
        let named = || self.origin.as_ref().map(ToString::to_string).unwrap_or_default();
        let cluster = || self.origin.as_ref().map(Origin::of_cluster).unwrap_or_default();
        match (error, &self.config.proxy_url) {
            (ConnectError::Credentials { server, source, .. }, _) => ConnectError::Credentials {
                server,
                origin: named(),
                source,
            },
            (ConnectError::Unauthorized { server, .. }, _) => ConnectError::Unauthorized {
                server,
                origin: named(),
            },
            (
                ConnectError::Forbidden {
                    server, path, user, ..
                },
                _,
            ) => ConnectError::Forbidden {
                server,
                path,
                user,
                origin: named(),
            },
            (ConnectError::Unreachable { server, source, .. }, Some(proxy)) => ConnectError::Proxy {
                server,
                proxy: proxy::Shown(proxy).to_string(),
                source,
            },
            (ConnectError::Tls { server, source, .. }, _) => ConnectError::Tls {
                server,
                origin: cluster(),
                settings: self.tls(),
                source,
            },
            (ConnectError::PlainHttp { server, .. }, _) => ConnectError::PlainHttp {
                server,
                origin: cluster(),
            },
            (ConnectError::Unreachable { server, source, .. }, None) => ConnectError::Unreachable {
                server,
                origin: cluster(),
                source,
            },
            (ConnectError::NotKubernetes { server, .. }, _) => ConnectError::NotKubernetes {
                server,
                origin: cluster(),
            },
            (error, _) => error,
        }
    }

    fn tls(&self) -> TlsSettings {
        TlsSettings {
            in_pod: self.origin.is_none(),
            authority: self.config.root_cert.is_some(),
            server_name: self.config.tls_server_name.is_some(),
        }
    }

    /// Kubeconfig, context and user, for messages about credentials; nothing in a Pod.
    pub fn credentials(&self) -> Option<String> {
        self.origin.as_ref().map(ToString::to_string)
    }

    /// The apiserver's address, for messages.
    pub fn server(&self) -> String {
        self.config
            .cluster_url
            .to_string()
            .trim_end_matches('/')
            .to_owned()
    }

    /// A client with connections of its own. Watches, writes, Events and the lease each get one, so that none
    /// waits behind another and losing a connection costs one of them only.
    pub fn client(&self, user_agent: &UserAgent) -> Result<kube::Client, ConnectError> {
        self.client_within(user_agent, CONNECT_TIMEOUT)
    }

    /// As [`client`](Self::client), with another time limit for connecting; a lease needs a short one.
    pub fn client_within(
        &self,
        user_agent: &UserAgent,
        connect_timeout: Duration,
    ) -> Result<kube::Client, ConnectError> {
        let mut config = self.config.clone();
        config.connect_timeout = Some(connect_timeout);
        config.headers.retain(|(name, _)| name != header::USER_AGENT);
        config.headers.push((header::USER_AGENT, user_agent.header()));
        kube::Client::try_from(config).map_err(|source| {
            self.explain(ConnectError::Credentials {
                server: self.server(),
                origin: String::new(),
                source: Box::new(source),
            })
        })
    }
}

/// One GET with a time limit and a bounded body, its failures told apart for the user.
pub(crate) async fn get(
    client: &kube::Client,
    server: &str,
    path: &str,
    timeout: Duration,
) -> Result<Bytes, ConnectError> {
    let unreachable = |error| ConnectError::from_request(error, server);
    let exchange = async {
        let request = http::Request::get(path)
            .body(kube::client::Body::empty())
            .map_err(|error| unreachable(kube::Error::HttpError(error)))?;
        let response = client.send(request).await.map_err(unreachable)?;
        let status = response.status();
        let (server, path) = (server.to_owned(), path.to_owned());
        match status {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED => {
                let origin = String::new();
                return Err(ConnectError::Unauthorized { server, origin });
            }
            StatusCode::BAD_REQUEST if server.starts_with("http://") => {
                let origin = String::new();
                return Err(ConnectError::PlainHttp { server, origin });
            }
            // Every apiserver has the paths that are asked for here.
            StatusCode::NOT_FOUND => {
                let origin = String::new();
                return Err(ConnectError::NotKubernetes { server, origin });
            }
            StatusCode::FORBIDDEN => {
                let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
                return Err(ConnectError::Forbidden {
                    server,
                    path,
                    // The status says enough where the body does not come.
                    user: body.ok().and_then(|body| forbidden::user(&body.to_bytes())),
                    origin: String::new(),
                });
            }
            status => {
                return Err(ConnectError::Refused {
                    server,
                    path,
                    code: status.as_u16(),
                });
            }
        }
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
        Ok(body
            .map_err(|error| unreachable(kube::Error::Service(error)))?
            .to_bytes())
    };
    tokio::time::timeout(timeout, exchange).await.unwrap_or_else(|_| {
        Err(ConnectError::Timeout {
            server: server.to_owned(),
            after: timeout,
        })
    })
}
