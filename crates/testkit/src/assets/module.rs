//! The Go module of one Kubernetes minor.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use md5::{Digest, Md5};

use super::AssetsError;
use super::build::{ENVIRONMENT, FLAGS};

/// A minor version of Kubernetes 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minor(u32);

impl Minor {
    /// 37 of 1.37.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }

    /// The minors that have a Go module under `modules`, oldest first. A folder that is not named `1.N` is passed over.
    pub fn known(modules: &Path) -> Result<Vec<Self>, AssetsError> {
        let failed = |source| AssetsError::Io {
            action: "listing",
            path: modules.to_owned(),
            source,
        };
        let mut minors = Vec::new();
        for entry in fs::read_dir(modules).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.path().join("go.mod").is_file() {
                minors.extend(
                    entry
                        .file_name()
                        .to_str()
                        .and_then(|name| name.parse::<Self>().ok()),
                );
            }
        }
        minors.sort_unstable();
        Ok(minors)
    }

    /// The minor of a version such as `v1.37.1`.
    pub(super) fn of_version(version: &str) -> Option<Self> {
        let rest = version.strip_prefix("v1.")?;
        rest.split('.').next()?.parse().ok().map(Self)
    }
}

impl fmt::Display for Minor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.0)
    }
}

impl FromStr for Minor {
    type Err = ParseMinorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text
            .strip_prefix('v')
            .unwrap_or(text)
            .strip_prefix("1.")
            .ok_or(ParseMinorError)?;
        // "1.037" or "1.+37" would name a folder that does not exist.
        let minor: u32 = number.parse().map_err(|_| ParseMinorError)?;
        if minor.to_string() == number {
            Ok(Self(minor))
        } else {
            Err(ParseMinorError)
        }
    }
}

/// The text is not a minor version such as `1.37`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a Kubernetes minor version such as 1.37")]
pub struct ParseMinorError;

/// What is read from go.mod and go.sum.
#[derive(Debug)]
pub(super) struct Module {
    pub(super) folder: PathBuf,
    /// The Go version that the `go` line asks for.
    pub(super) go: String,
    /// The version of `k8s.io/kubernetes`, such as `v1.37.1`; `None` in a module without it.
    pub(super) kubernetes: Option<String>,
    digest: Md5,
}

impl Module {
    pub(super) fn read(folder: &Path) -> Result<Self, AssetsError> {
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read_to_string(&path).map_err(|source| AssetsError::Io {
                action: "reading",
                path,
                source,
            })
        };
        let (go_mod, go_sum) = (read("go.mod")?, read("go.sum")?);
        let mut digest = Md5::new();
        digest.update(&go_mod);
        digest.update(&go_sum);
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let lines: Vec<Vec<String>> = go_mod.lines().map(words).collect();
        let go = lines
            .iter()
            .find(|line| line.len() == 2 && line[0] == "go")
            .map(|line| line[1].clone());
        let kubernetes = lines.iter().find_map(|line| {
            let at = line.iter().position(|word| word == "k8s.io/kubernetes")?;
            line.get(at + 1)
                .filter(|version| version.starts_with('v'))
                .cloned()
        });
        Ok(Self {
            folder: folder.to_owned(),
            go: go.unwrap_or_default(),
            kubernetes,
            digest,
        })
    }

    /// A short name for this state of the module, this way of building, and what else tells results apart.
    ///
    /// It tells states apart, nothing more: four bytes of MD5 do.
    pub(super) fn key(&self, parts: impl IntoIterator<Item = impl AsRef<[u8]>>) -> String {
        let mut digest = self.digest.clone();
        for flag in FLAGS {
            digest.update(flag);
        }
        for (name, value) in ENVIRONMENT {
            digest.update(name);
            digest.update(value);
        }
        digest.update(self.linker_flags());
        for part in parts {
            digest.update(part);
        }
        let digest = digest.finalize();
        format!(
            "{:08x}",
            u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
        )
    }

    /// Flags for the linker: no symbols, and the version, without which Kubernetes reports `v0.0.0-master`.
    pub(super) fn linker_flags(&self) -> String {
        let mut flags = "-s -w".to_owned();
        if let Some(version) = &self.kubernetes {
            let minor = Minor::of_version(version)
                .map(|minor| minor.0.to_string())
                .unwrap_or_default();
            for (name, value) in [
                ("gitVersion", version.as_str()),
                ("gitMajor", "1"),
                ("gitMinor", &minor),
                ("gitTreeState", "clean"),
            ] {
                flags.push_str(" -X k8s.io/component-base/version.");
                flags.push_str(name);
                flags.push('=');
                flags.push_str(value);
            }
        }
        flags
    }
}
