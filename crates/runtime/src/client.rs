//! Reaching the apiserver, and saying clearly why it cannot be reached.

#[cfg(test)]
mod tests;

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use kube::config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError};

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

/// Who a client says it is: `quaymaster/<version> (<controller>; holder=<id>)`.
///
/// Audit logs and managed fields are read by it: the apiserver takes what stands before the slash as field
/// manager, and the holder tells replicas apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserAgent {
    /// Version of this program.
    pub version: String,
    /// Controller on whose behalf requests are made.
    pub controller: String,
    /// Identity of this process, as in the lease.
    pub holder: String,
}

impl fmt::Display for UserAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            version,
            controller,
            holder,
        } = self;
        write!(f, "quaymaster/{version} ({controller}; holder={holder})")
    }
}

impl UserAgent {
    /// The header, with whatever may not stand in one replaced.
    fn header(&self) -> HeaderValue {
        let visible: String = self
            .to_string()
            .chars()
            .map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '_' })
            .collect();
        HeaderValue::try_from(visible).unwrap_or_else(|_| HeaderValue::from_static("quaymaster"))
    }
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
    /// The kubeconfig can be read and makes no sense.
    #[error("the kubeconfig {origin} cannot be used")]
    KubeconfigInvalid {
        /// Where it came from.
        origin: String,
        /// What is wrong.
        #[source]
        source: Box<KubeconfigError>,
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
    #[error("cannot make a client for the apiserver at {server}")]
    Credentials {
        /// The apiserver's address.
        server: String,
        /// What is wrong.
        #[source]
        source: Box<kube::Error>,
    },
    /// No connection.
    #[error("cannot reach the apiserver at {server}")]
    Unreachable {
        /// The apiserver's address.
        server: String,
        /// What went wrong.
        #[source]
        source: Box<kube::Error>,
    },
    /// The connection is not trusted, by either side.
    #[error("no TLS connection to the apiserver at {server}")]
    Tls {
        /// The apiserver's address.
        server: String,
        /// What went wrong.
        #[source]
        source: Box<kube::Error>,
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
    #[error("the apiserver at {server} does not accept the credentials (401 Unauthorized)")]
    Unauthorized {
        /// The apiserver's address.
        server: String,
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
    #[error("what answers at {server} is not a Kubernetes apiserver")]
    NotKubernetes {
        /// The address.
        server: String,
    },
}

impl ConnectError {
    /// Whether it may heal without a change of configuration, so that trying again makes sense.
    pub fn may_heal(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } => true,
            Self::Refused { code, .. } => *code >= 500 || *code == 429,
            _ => false,
        }
    }

    /// One line for the user: what failed, the innermost cause, and what to do.
    pub fn line(&self) -> String {
        let cause = self
            .source()
            .map(|source| format!(": {}", root_cause(source)))
            .unwrap_or_default();
        // Parsers point at their input in several lines.
        let cause = cause.split_whitespace().collect::<Vec<_>>().join(" ");
        format!("{self}{cause} ({})", self.hint())
    }

    fn hint(&self) -> &'static str {
        match self {
            Self::KubeconfigUnreadable { .. } => {
                "check --kubeconfig or $KUBECONFIG and the file's permissions"
            }
            Self::KubeconfigInvalid { .. } => "check it with: kubectl config view",
            Self::NoConfiguration => "give --kubeconfig or set $KUBECONFIG",
            Self::ServiceAccount { .. } => {
                "check serviceAccountName and automountServiceAccountToken of the Pod"
            }
            Self::Credentials { .. } => "check the user and the certificates in the kubeconfig",
            Self::Unreachable { .. } | Self::Timeout { .. } => {
                "check the server's address, that it is running, and firewalls between"
            }
            Self::Tls { .. } => "check that the certificate authority in the configuration is the cluster's",
            Self::Unauthorized { .. } => {
                "check that the token or client certificate is the cluster's and has not expired"
            }
            Self::Forbidden { .. } => "bind the ClusterRole system:public-info-viewer",
            Self::Refused { .. } => "see the apiserver's log",
            Self::NotKubernetes { .. } => "check the server's address",
        }
    }

    fn from_request(error: kube::Error, server: &str) -> Self {
        let server = server.to_owned();
        let source = Box::new(error);
        if find_cause::<rustls::Error>(source.as_ref()).is_some() {
            return Self::Tls { server, source };
        }
        match source.as_ref() {
            // Tokens that are fetched (exec plugins, token files) fail with the request.
            kube::Error::Auth(_) => Self::Credentials { server, source },
            _ => Self::Unreachable { server, source },
        }
    }
}

/// The apiserver's address and how to be let in; makes clients.
#[derive(Clone, Debug)]
pub struct Connection {
    config: kube::Config,
}

impl Connection {
    /// Reads the configuration. Nothing is sent yet.
    pub async fn load(source: &Source) -> Result<Self, ConnectError> {
        let mut config = match source {
            Source::Kubeconfig(path) => from_file(path.clone()).await?,
            Source::Environment => from_environment().await?,
        };
        // Repeats a POST after 429, 503 and 504, below any queue or permit (kube-rs/kube#2082).
        config.default_retry = false;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        Ok(Self { config })
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
        kube::Client::try_from(config).map_err(|source| ConnectError::Credentials {
            server: self.server(),
            source: Box::new(source),
        })
    }
}

async fn from_file(path: PathBuf) -> Result<kube::Config, ConnectError> {
    let invalid = |source: KubeconfigError| match source {
        KubeconfigError::ReadConfig(source, path) => ConnectError::KubeconfigUnreadable { path, source },
        source => ConnectError::KubeconfigInvalid {
            origin: path.display().to_string(),
            source: Box::new(source),
        },
    };
    let kubeconfig = Kubeconfig::read_from(&path).map_err(invalid)?;
    kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(invalid)
}

async fn from_environment() -> Result<kube::Config, ConnectError> {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if !set("KUBECONFIG") && set("KUBERNETES_SERVICE_HOST") {
        return kube::Config::incluster().map_err(|source| ConnectError::ServiceAccount {
            source: Box::new(source),
        });
    }
    let explicit = set("KUBECONFIG");
    kube::Config::from_kubeconfig(&KubeConfigOptions::default())
        .await
        .map_err(|source| match source {
            KubeconfigError::ReadConfig(source, _)
                if !explicit && source.kind() == io::ErrorKind::NotFound =>
            {
                ConnectError::NoConfiguration
            }
            KubeconfigError::FindPath => ConnectError::NoConfiguration,
            KubeconfigError::ReadConfig(source, path) => ConnectError::KubeconfigUnreadable { path, source },
            source => {
                let origin = if explicit {
                    "of $KUBECONFIG"
                } else {
                    "~/.kube/config"
                };
                ConnectError::KubeconfigInvalid {
                    origin: origin.to_owned(),
                    source: Box::new(source),
                }
            }
        })
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
            StatusCode::UNAUTHORIZED => return Err(ConnectError::Unauthorized { server }),
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

/// What an error wraps. `io::Error` hides the error it was made from: its source is already the next one.
fn wrapped<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

pub(crate) fn root_cause<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    std::iter::successors(Some(error), |error| wrapped(*error))
        .last()
        .unwrap_or(error)
}

fn find_cause<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    std::iter::successors(Some(error), |error| wrapped(*error)).find_map(|error| error.downcast_ref())
}
