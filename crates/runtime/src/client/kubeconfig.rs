//! Kubeconfig files: which are read, and what messages name of them.

mod check;

use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::PathBuf;

use kube::config::{Kubeconfig, KubeconfigError};

use super::{ConnectError, Source, proxy};

/// The variable with the files, separated as in `PATH`.
const VARIABLE: &str = "KUBECONFIG";

/// Where the credentials come from, for messages: the files, and what of them is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    files: Vec<PathBuf>,
    context: Option<String>,
    cluster: Option<String>,
    user: Option<String>,
    /// The program that gives the credentials.
    exec: Option<String>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            context, user, exec, ..
        } = self;
        self.write(f, &[("context", context), ("user", user), ("exec command", exec)])
    }
}

impl Origin {
    fn of(files: Vec<PathBuf>, kubeconfig: &Kubeconfig) -> Self {
        let context = kubeconfig.current_context.clone();
        let current = kubeconfig
            .contexts
            .iter()
            .find(|named| Some(&named.name) == context.as_ref())
            .and_then(|named| named.context.as_ref());
        let cluster = current.map(|context| context.cluster.clone());
        let user = current.and_then(|context| context.user.clone());
        let exec = kubeconfig
            .auth_infos
            .iter()
            .find(|named| Some(&named.name) == user.as_ref())
            .and_then(|named| named.auth_info.as_ref()?.exec.as_ref()?.command.clone());
        Self {
            files,
            context,
            cluster,
            user,
            exec,
        }
    }

    /// Where the address and the TLS settings of the apiserver come from.
    pub(super) fn of_cluster(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(
            &mut text,
            &[("context", &self.context), ("cluster", &self.cluster)],
        );
        text
    }

    fn write(&self, f: &mut impl fmt::Write, words: &[(&str, &Option<String>)]) -> fmt::Result {
        f.write_str(&list(&self.files))?;
        for (word, value) in words {
            if let Some(value) = value {
                write!(f, ", {word} {value}")?;
            }
        }
        Ok(())
    }
}

/// The files that are read, and whether the user named them.
struct Files {
    paths: Vec<PathBuf>,
    /// Of several files, those that do not exist are passed over, as kubectl does.
    may_lack: bool,
    /// Without any file this means that nothing was configured, rather than that something is missing.
    default: bool,
}

impl Files {
    fn of(source: &Source, variable: Option<&OsStr>, home: Option<PathBuf>) -> Self {
        if let Source::Kubeconfig(path) = source {
            return Self {
                paths: vec![path.clone()],
                may_lack: false,
                default: false,
            };
        }
        let named: Vec<PathBuf> = variable
            .map(|value| env::split_paths(value).filter(|path| !path.as_os_str().is_empty()))
            .into_iter()
            .flatten()
            .collect();
        if named.is_empty() {
            let default = home.map(|home| home.join(".kube").join("config"));
            return Self {
                paths: default.into_iter().collect(),
                may_lack: true,
                default: true,
            };
        }
        Self {
            may_lack: named.len() > 1,
            paths: named,
            default: false,
        }
    }

    fn read(self) -> Result<(Kubeconfig, Origin), ConnectError> {
        let mut merged: Option<Kubeconfig> = None;
        let mut read = Vec::new();
        for path in &self.paths {
            let invalid = |source: KubeconfigError| ConnectError::KubeconfigInvalid {
                origin: path.display().to_string(),
                source: Box::new(source),
                files: path.display().to_string(),
            };
            let next = match Kubeconfig::read_from(path) {
                Ok(next) => next,
                Err(KubeconfigError::ReadConfig(source, _))
                    if self.may_lack && source.kind() == io::ErrorKind::NotFound =>
                {
                    if !self.default {
                        tracing::warn!(
                            file = %path.display(),
                            "a file that $KUBECONFIG names does not exist; going on without it"
                        );
                    }
                    continue;
                }
                Err(KubeconfigError::ReadConfig(source, path)) => {
                    return Err(ConnectError::KubeconfigUnreadable { path, source });
                }
                Err(source) => return Err(invalid(source)),
            };
            merged = Some(match merged {
                Some(merged) => merged.merge(next).map_err(invalid)?,
                None => next,
            });
            read.push(path.clone());
        }
        match merged {
            Some(kubeconfig) => {
                let origin = Origin::of(read, &kubeconfig);
                Ok((kubeconfig, origin))
            }
            None if self.default => Err(ConnectError::NoConfiguration),
            None => Err(ConnectError::KubeconfigsMissing {
                paths: list(&self.paths),
            }),
        }
    }
}

/// The configuration of the files that `source` means.
pub(super) fn load(source: &Source) -> Result<(kube::Config, Origin), ConnectError> {
    let variable = env::var_os(VARIABLE);
    let (kubeconfig, origin) = Files::of(source, variable.as_deref(), env::home_dir()).read()?;
    let (mut config, own_proxy) =
        check::check(&kubeconfig).map_err(|fault| ConnectError::KubeconfigInvalid {
            origin: if fault.is_of_cluster() {
                origin.of_cluster()
            } else {
                origin.to_string()
            },
            source: Box::new(fault),
            files: list(&origin.files),
        })?;
    if config.accept_invalid_certs {
        // kube says so too, without a name, at each connection.
        tracing::warn!(
            kubeconfig = origin.of_cluster(),
            "the apiserver's certificate is not checked: insecure-skip-tls-verify is set"
        );
    }
    // As for kubectl, NO_PROXY has no say about what the kubeconfig names.
    config.proxy_url = match own_proxy {
        Some(proxy) => Some(proxy),
        None => proxy::of_environment(&config.cluster_url, |name| env::var(name).ok())?,
    };
    Ok((config, origin))
}

/// Whether the environment names files.
pub(super) fn is_named() -> bool {
    env::var_os(VARIABLE).is_some_and(|value| !value.is_empty())
}

fn list(paths: &[PathBuf]) -> String {
    paths
        .iter()
        .map(|path| path.display().to_string())
        .collect::<Vec<_>>()
        .join(":")
}

#[cfg(test)]
mod tests;
