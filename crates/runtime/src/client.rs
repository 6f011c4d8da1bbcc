//! Reaching the apiserver, and saying clearly why it cannot be reached.

mod cause;
mod kubeconfig;
mod proxy;
#[cfg(test)]
mod tests;
mod tls;
mod user_agent;

use std::borrow::Cow;
use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, header};
use http_body_util::{BodyExt, Limited};
use kube::client::AuthError;
use kube::config::InClusterError;

use cause::find_cause;
pub(crate) use cause::root_cause;
pub(crate) use kubeconfig::Origin;
pub use tls::TlsSettings;
pub use user_agent::UserAgent;

/// Time to connect to the apiserver, TLS included. kube's default of 30 s is longer than a lease.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// More than any answer to a question asked at start needs.
const MAX_ANSWER: usize = 1 << 20;

/// Most characters shown of what an exec command said.
const MAX_SAID: usize = 300;

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

/// Why the apiserver cannot be used. [`ConnectError::line`] is for the user.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig cannot be read.
    #[error("cannot read the kubeconfig {}", path.display())]
    KubeconfigUnreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Several kubeconfig files are named and none of them exists.
    #[error("none of the kubeconfig files {paths} exists")]
    KubeconfigsMissing {
        /// The files.
        paths: String,
    },
    /// The kubeconfig can be read and makes no sense.
    #[error("the kubeconfig {origin} cannot be used")]
    KubeconfigInvalid {
        /// The file; where it is whole but does not fit together, also context and user.
        origin: String,
        /// What is wrong.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
        /// The files alone, as in `$KUBECONFIG`.
        files: String,
    },
    /// A proxy variable of the environment makes no sense.
    #[error("{variable} of the environment cannot be used: {reason}")]
    ProxyInvalid {
        /// The variable's name.
        variable: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// No kubeconfig was given, none was found, and this is not a Pod.
    #[error("no kubeconfig given or found, and not running in a Pod")]
    NoConfiguration,
    /// A Pod whose service account cannot be used.
    #[error("the Pod's service account cannot be used")]
    ServiceAccount {
        /// What is wrong.
        #[source]
        source: Box<InClusterError>,
    },
    /// The credentials or certificates of the configuration cannot be used.
    #[error("no credentials for the apiserver at {server}{}", of(origin))]
    Credentials {
        /// The apiserver's address.
        server: String,
        /// The kubeconfig with context, user and exec command; empty in a Pod.
        origin: String,
        /// What is wrong.
        #[source]
        source: Box<kube::Error>,
    },
    /// No connection.
    #[error("cannot reach the apiserver at {server}{}", of(origin))]
    Unreachable {
        /// The apiserver's address.
        server: String,
        /// The kubeconfig with context and cluster; empty in a Pod.
        origin: String,
        /// What went wrong.
        #[source]
        source: Box<kube::Error>,
    },
    /// No connection, and the one tried was through a proxy.
    #[error("cannot reach the apiserver at {server} through the proxy {proxy}")]
    Proxy {
        /// The apiserver's address.
        server: String,
        /// The proxy's address, without user and password.
        proxy: String,
        /// What went wrong.
        #[source]
        source: Box<kube::Error>,
    },
    /// The connection is not trusted, by either side.
    #[error("no TLS connection to the apiserver at {server}{}", of(origin))]
    Tls {
        /// The apiserver's address.
        server: String,
        /// The kubeconfig with context and cluster; empty in a Pod.
        origin: String,
        /// What is set there.
        settings: TlsSettings,
        /// What went wrong.
        #[source]
        source: Box<kube::Error>,
    },
    /// An address of the form `http://`, and a port for TLS: no apiserver gives this answer to `GET`.
    #[error(
        "the apiserver at {server} answers plain HTTP with 400 Bad Request, as a port for TLS does{}",
        of(origin)
    )]
    PlainHttp {
        /// The apiserver's address.
        server: String,
        /// The kubeconfig with context and cluster.
        origin: String,
    },
    /// No answer in time.
    #[error("the apiserver at {server} did not answer within {} s", after.as_secs_f64())]
    Timeout {
        /// The apiserver's address.
        server: String,
        /// Time waited.
        after: Duration,
    },
    /// 401.
    #[error(
        "the apiserver at {server} does not accept the credentials (401 Unauthorized){}",
        of(origin)
    )]
    Unauthorized {
        /// The apiserver's address.
        server: String,
        /// The kubeconfig with context, user and exec command; empty in a Pod.
        origin: String,
    },
    /// 403.
    #[error("the apiserver at {server} forbids reading {path} (403 Forbidden)")]
    Forbidden {
        /// The apiserver's address.
        server: String,
        /// What was asked for.
        path: String,
    },
    /// Any other error status.
    #[error("the apiserver at {server} answered {path} with status {code}")]
    Refused {
        /// The apiserver's address.
        server: String,
        /// What was asked for.
        path: String,
        /// The HTTP status.
        code: u16,
    },
    /// An answer no apiserver gives.
    #[error("what answers at {server} is not a Kubernetes apiserver{}", of(origin))]
    NotKubernetes {
        /// The address.
        server: String,
        /// The kubeconfig with context and cluster; empty in a Pod.
        origin: String,
    },
}

impl ConnectError {
    /// Whether it may heal without a change of configuration, so that trying again makes sense.
    pub fn may_heal(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Proxy { .. } | Self::Timeout { .. } => true,
            Self::Refused { code, .. } => *code >= 500 || *code == 429,
            _ => false,
        }
    }

    /// One line for the user: what failed, the innermost cause, and what to do.
    pub fn line(&self) -> String {
        let cause = self
            .source()
            .map(|source| format!(": {}", self.cause(source)))
            .unwrap_or_default();
        // Parsers point at their input in several lines.
        let cause = cause.split_whitespace().collect::<Vec<_>>().join(" ");
        format!("{self}{cause} ({})", self.hint())
    }

    /// What stands behind an error. Errors of kubeconfigs and credentials name files and commands on their way to the
    /// innermost one; of all others that one says it.
    fn cause(&self, source: &(dyn StdError + 'static)) -> String {
        match self {
            Self::KubeconfigInvalid { source, .. } => unquoted(source.as_ref()),
            Self::Credentials { source, .. } => match source.as_ref() {
                // What it printed may be a credential, so only what it said on standard error is shown.
                kube::Error::Auth(AuthError::AuthExecRun { out, .. }) => {
                    let said = String::from_utf8_lossy(&out.stderr);
                    let said: String = said.trim().chars().take(MAX_SAID).collect();
                    format!("the exec command ended with {} {said}", out.status)
                }
                source => unquoted(source),
            },
            _ => root_cause(source).to_string(),
        }
    }

    fn hint(&self) -> Cow<'static, str> {
        match self {
            // The flag takes one file; several are read by the variable, for kubectl as well.
            Self::KubeconfigInvalid { files, .. } if !files.contains(':') => {
                Cow::Owned(format!("check it with: kubectl --kubeconfig {files} config view"))
            }
            _ => Cow::Borrowed(self.fixed_hint()),
        }
    }

    fn fixed_hint(&self) -> &'static str {
        match self {
            Self::KubeconfigsMissing { .. } | Self::KubeconfigUnreadable { .. } => {
                "check --kubeconfig or $KUBECONFIG and the file's permissions"
            }
            Self::KubeconfigInvalid { .. } => "check it with: kubectl config view",
            Self::ProxyInvalid { .. } => {
                "correct or unset it, or name the apiserver's host in NO_PROXY, separated by single commas"
            }
            Self::Proxy { .. } => {
                "check the proxy: proxy-url of the cluster in the kubeconfig, else HTTPS_PROXY; hosts in NO_PROXY go without"
            }
            Self::NoConfiguration => "give --kubeconfig or set $KUBECONFIG",
            Self::ServiceAccount { .. } => {
                "check serviceAccountName and automountServiceAccountToken of the Pod"
            }
            Self::Credentials { .. } => "check the user and the certificates in the kubeconfig",
            Self::Unreachable { .. } | Self::Timeout { .. } => {
                "check the server's address, that it is running, and firewalls between"
            }
            Self::Tls { source, settings, .. } => tls::hint(source.as_ref(), *settings),
            Self::PlainHttp { .. } => "server of that cluster begins with http://: write https://",
            Self::Unauthorized { .. } => {
                "check that the token or client certificate is the cluster's and has not expired"
            }
            Self::Forbidden { .. } => "bind the ClusterRole system:public-info-viewer",
            Self::Refused { .. } => "see the apiserver's log",
            Self::NotKubernetes { .. } => "check server of that cluster: its host, port and path",
        }
    }

    fn from_request(error: kube::Error, server: &str) -> Self {
        let server = server.to_owned();
        let source = Box::new(error);
        if find_cause::<rustls::Error>(source.as_ref()).is_some() {
            return Self::Tls {
                server,
                origin: String::new(),
                settings: TlsSettings::default(),
                source,
            };
        }
        match source.as_ref() {
            // Tokens that are fetched (exec plugins, token files) fail with the request.
            kube::Error::Auth(_) => Self::Credentials {
                server,
                origin: String::new(),
                source,
            },
            _ => Self::Unreachable {
                server,
                origin: String::new(),
                source,
            },
        }
    }
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

/// Text of an error of kube's, which puts the names of files in two kinds of quotes.
fn unquoted(error: &dyn StdError) -> String {
    error.to_string().replace("'\"", "").replace("\"'", "")
}

/// Where credentials came from, as part of a sentence.
fn of(origin: &str) -> String {
    if origin.is_empty() {
        String::new()
    } else {
        format!(", by the kubeconfig {origin}")
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
            StatusCode::FORBIDDEN => return Err(ConnectError::Forbidden { server, path }),
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
