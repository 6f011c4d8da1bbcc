//! Why the apiserver cannot be used, in words.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use kube::client::AuthError;
use kube::config::InClusterError;

use super::cause::{find_cause, root_cause};
use super::{TlsSettings, forbidden, tls};

/// Most characters shown of what an exec command said.
const MAX_SAID: usize = 300;

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
    #[error("the apiserver at {server} forbids reading {path}{} (403 Forbidden){}", forbidden::to(user.as_deref()), of(origin))]
    Forbidden {
        /// The apiserver's address.
        server: String,
        /// What was asked for.
        path: String,
        /// Who asked, by the apiserver's name; `None` where the answer does not tell.
        user: Option<String>,
        /// The kubeconfig with context, user and exec command; empty in a Pod.
        origin: String,
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
    ///
    /// 403 heals soon or not at all: an apiserver answers before it has made the roles that let everybody read its
    /// version (kubernetes/kubernetes `pkg/registry/rbac/rest/storage_rbac.go`, a hook after the start).
    pub fn may_heal(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Proxy { .. } | Self::Timeout { .. } | Self::Forbidden { .. } => {
                true
            }
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
            Self::Forbidden { user, .. } => forbidden::hint(user.as_deref()),
            Self::Refused { .. } => "see the apiserver's log",
            Self::NotKubernetes { .. } => "check server of that cluster: its host, port and path",
        }
    }

    pub(super) fn from_request(error: kube::Error, server: &str) -> Self {
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

/// Text of an error of kube's, which puts the names of files in two kinds of quotes.
pub(super) fn unquoted(error: &dyn StdError) -> String {
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
