//! What can go wrong while programs are looked for or built.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

use super::Minor;

/// Why the programs of a control plane are not there. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum AssetsError {
    /// No Go module exists for the minor.
    #[error("there is no Kubernetes {asked} here; known: {}", list(known))]
    UnknownMinor {
        /// What was asked for.
        asked: String,
        /// What exists, oldest first.
        known: Vec<Minor>,
    },
    /// The folder of Go modules is empty.
    #[error("{} holds no folder named after a Kubernetes minor", folder.display())]
    NoModules {
        /// The folder looked at.
        folder: PathBuf,
    },
    /// The user's folder holds another version than the one asked for.
    #[error(
        "Kubernetes {asked} was asked for, but KUBEBUILDER_ASSETS ({}) holds {found}; unset KUBEBUILDER_ASSETS or point \
         it to a folder of {asked}", folder.display()
    )]
    OtherMinor {
        /// What was asked for.
        asked: Minor,
        /// What the kube-apiserver there says it is.
        found: String,
        /// The user's folder.
        folder: PathBuf,
    },
    /// The user's kube-apiserver does not say which minor it is.
    #[error("the kube-apiserver in {} says {said:?}, which is no version of Kubernetes 1", folder.display())]
    NoVersion {
        /// What it said.
        said: String,
        /// Its folder.
        folder: PathBuf,
    },
    /// The user's folder lacks a program.
    #[error(
        "{program} is not in {}, where KUBEBUILDER_ASSETS points: put it there, or unset KUBEBUILDER_ASSETS and install \
         Go to have it built (setup-envtest brings etcd, kube-apiserver and kubectl, but no kube-controller-manager)",
        folder.display()
    )]
    MissingProgram {
        /// The executable's name.
        program: &'static str,
        /// The folder looked at.
        folder: PathBuf,
    },
    /// There is no Go.
    #[error(
        "Go is not installed, and the control plane is built with it: install Go {needed} or newer (https://go.dev/dl), \
         or set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver, kubectl and, beside what setup-envtest puts there, \
         kube-controller-manager"
    )]
    GoMissing {
        /// The version that go.mod asks for.
        needed: String,
    },
    /// Go is older than the module asks for and must not fetch a newer one by itself.
    #[error(
        "Go {found} is too old: Kubernetes here needs Go {needed} or newer; update it (https://go.dev/dl), or let Go 1.21 \
         and newer fetch it with GOTOOLCHAIN=auto"
    )]
    GoTooOld {
        /// What is installed.
        found: String,
        /// The version that go.mod asks for.
        needed: String,
    },
    /// The modules could not be fetched, verified or read.
    #[error(
        "the Go modules in {} cannot be loaded (if they cannot be fetched: the network, GOPROXY). Go says:\n{output}", module.display()
    )]
    Download {
        /// The module's folder.
        module: PathBuf,
        /// What Go printed.
        output: String,
    },
    /// Go could not build a program.
    #[error("building {program} failed (all of it in {}):\n{output}", log.display())]
    Build {
        /// The executable's name.
        program: String,
        /// The end of what Go printed.
        output: String,
        /// The file with all that Go printed.
        log: PathBuf,
    },
    /// A piece of upstream's source is not where a change of it expects it.
    #[error(
        "{file} of k8s.io/kubernetes {version} holds this piece {found} times, not once, so it cannot be changed there:\n{piece}"
    )]
    Moved {
        /// The file.
        file: &'static str,
        /// The version of the source.
        version: String,
        /// How often the piece was found.
        found: usize,
        /// The piece.
        piece: &'static str,
    },
    /// No variable names a place for the cache.
    #[error("no cache folder: set QUAYMASTER_CACHE, XDG_CACHE_HOME or HOME")]
    NoCacheFolder,
    /// A file or program could not be used.
    #[error("{action} {} failed", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

fn list(minors: &[Minor]) -> String {
    let mut text = String::new();
    for minor in minors {
        let separator = if text.is_empty() { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(text, "{separator}{minor}");
    }
    text
}
