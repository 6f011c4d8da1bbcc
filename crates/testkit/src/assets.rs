//! The programs of a control plane: found where the user put them, else built from Go modules into a cache.
//!
//! Order of search: the folder in `KUBEBUILDER_ASSETS` where that is set (the convention of controller-runtime's
//! envtest and its `setup-envtest`); else `controlplane/<minor>-<key>/` in the cache folder, where whatever is missing
//! is built with Go. The key follows the content of go.mod and go.sum and the way of building, so a changed pin never
//! meets an old program; programs of a key that was not asked for in 30 days are removed. Which minors exist is
//! decided by the folders under `tests/controlplane/` alone.

mod build;
mod error;
mod module;
mod progress;
mod prune;
mod suite;
#[cfg(test)]
mod tests;

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

pub use error::AssetsError;
pub use module::Minor;
pub use suite::{Changes, Edit, Suite};

use module::Module;

/// A program of the control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The store behind the apiserver.
    Etcd,
    /// The apiserver.
    KubeApiserver,
    /// KCM; not part of what `setup-envtest` installs.
    KubeControllerManager,
    /// The command line client.
    Kubectl,
}

impl Program {
    /// All programs, in the order in which they are built.
    pub const ALL: [Self; 4] = [
        Self::Etcd,
        Self::KubeApiserver,
        Self::KubeControllerManager,
        Self::Kubectl,
    ];

    /// The name of the executable.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::Kubectl => "kubectl",
        }
    }

    const fn recipe(self) -> Recipe<'static> {
        let package = match self {
            Self::Etcd => "go.etcd.io/etcd/server/v3",
            Self::KubeApiserver => "k8s.io/kubernetes/cmd/kube-apiserver",
            Self::KubeControllerManager => "k8s.io/kubernetes/cmd/kube-controller-manager",
            Self::Kubectl => "k8s.io/kubernetes/cmd/kubectl",
        };
        Recipe {
            name: self.name(),
            package,
            kind: Kind::Program,
        }
    }
}

/// What is built, and from which Go package.
#[derive(Debug, Clone, Copy)]
struct Recipe<'a> {
    /// The name of the executable.
    name: &'a str,
    package: &'a str,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The package's `main`.
    Program,
    /// The package's tests.
    Tests,
}

/// Where the answer comes from: what the environment says, as values.
#[derive(Debug, Clone)]
pub struct Places {
    /// `KUBEBUILDER_ASSETS`, if set and not empty.
    pub kubebuilder_assets: Option<PathBuf>,
    /// The cache folder of this project; see [`cache_folder`].
    pub cache: PathBuf,
    /// The folder with one Go module for each minor.
    pub modules: PathBuf,
    /// The Go command; a bare name is looked for in `PATH`.
    pub go: PathBuf,
}

impl Places {
    /// The places this process's environment names.
    pub fn from_env() -> Result<Self, AssetsError> {
        Ok(Self {
            kubebuilder_assets: set_path("KUBEBUILDER_ASSETS"),
            cache: cache_folder().ok_or(AssetsError::NoCacheFolder)?,
            modules: modules_folder(),
            go: PathBuf::from("go"),
        })
    }
}

/// A folder with the programs of one control plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assets {
    folder: PathBuf,
    from_user: bool,
}

impl Assets {
    /// Finds the programs of `minor`, building what is missing; `None` asks for the user's folder where there is
    /// one, else for the newest minor.
    ///
    /// A first build takes minutes; progress goes to standard error. Any number of processes and threads may call
    /// this at once: one builds, the others wait. Blocks; async callers use `spawn_blocking`.
    ///
    /// # Errors
    /// [`AssetsError`] says what is missing and what to do about it.
    pub fn find(minor: Option<Minor>, places: &Places) -> Result<Self, AssetsError> {
        if let Some(folder) = &places.kubebuilder_assets {
            return Self::of_user(folder, minor);
        }
        let minor = known_minor(minor, places)?;
        let module = Module::read(&places.modules.join(minor.to_string()))?;
        let recipes = Program::ALL.map(Program::recipe);
        let folder = places.cache.join("controlplane").join(format!(
            "{minor}-{}",
            module.key(recipes.map(|recipe| recipe.package))
        ));
        // Before the look into it: nobody may remove it from here on.
        prune::used(&folder, SystemTime::now());
        build::missing(&places.go, &module, &folder, &recipes)?;
        prune::outdated(&folder, minor, SystemTime::now());
        Ok(Self {
            folder,
            from_user: false,
        })
    }

    /// The folder of the programs.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of a program.
    ///
    /// # Errors
    /// [`AssetsError::MissingProgram`] where the user's folder lacks it; what this project built is complete.
    pub fn program(&self, program: Program) -> Result<PathBuf, AssetsError> {
        let path = self.folder.join(program.name());
        if path.is_file() {
            return Ok(path);
        }
        Err(AssetsError::MissingProgram {
            program: program.name(),
            folder: self.folder.clone(),
        })
    }

    /// The minor that the kube-apiserver here says it is.
    ///
    /// # Errors
    /// [`AssetsError`] where it is missing, does not run, or says something that is no version of Kubernetes 1.
    pub fn minor(&self) -> Result<Minor, AssetsError> {
        let version = self.version()?;
        Minor::of_version(&version).ok_or_else(|| AssetsError::NoVersion {
            said: version,
            folder: self.folder.clone(),
        })
    }

    /// The version that the kube-apiserver here says it is, such as `v1.37.1`.
    ///
    /// # Errors
    /// [`AssetsError`] where it is missing or does not run.
    pub fn version(&self) -> Result<String, AssetsError> {
        version_of(&self.program(Program::KubeApiserver)?)
    }

    fn of_user(folder: &Path, minor: Option<Minor>) -> Result<Self, AssetsError> {
        let assets = Self {
            folder: folder.to_owned(),
            from_user: true,
        };
        assets.program(Program::Etcd)?;
        let apiserver = assets.program(Program::KubeApiserver)?;
        // A test of one version must not pass by running on another.
        if let Some(asked) = minor {
            let found = version_of(&apiserver)?;
            if Minor::of_version(&found) != Some(asked) {
                return Err(AssetsError::OtherMinor {
                    asked,
                    found,
                    folder: folder.to_owned(),
                });
            }
        }
        Ok(assets)
    }

    /// Whether the folder is the user's (`KUBEBUILDER_ASSETS`), so that only etcd and kube-apiserver are sure.
    pub fn from_user(&self) -> bool {
        self.from_user
    }
}

/// This minor, if there is a Go module for it; `None` asks for the newest.
fn known_minor(minor: Option<Minor>, places: &Places) -> Result<Minor, AssetsError> {
    let known = Minor::known(&places.modules)?;
    match minor {
        Some(minor) if known.contains(&minor) => Ok(minor),
        Some(minor) => Err(AssetsError::UnknownMinor {
            asked: minor.to_string(),
            known,
        }),
        None => known.last().copied().ok_or_else(|| AssetsError::NoModules {
            folder: places.modules.clone(),
        }),
    }
}

/// This project's folder for what can be made again: `QUAYMASTER_CACHE`, else `quaymaster` in `XDG_CACHE_HOME`,
/// else `~/.cache/quaymaster`. `None` when none of them nor `HOME` is set.
pub fn cache_folder() -> Option<PathBuf> {
    set_path("QUAYMASTER_CACHE")
        .or_else(|| set_path("XDG_CACHE_HOME").map(|folder| folder.join("quaymaster")))
        .or_else(|| set_path("HOME").map(|folder| folder.join(".cache").join("quaymaster")))
}

/// The folder with one Go module for each minor, in this work tree.
pub fn modules_folder() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = manifest.ancestors().nth(2).unwrap_or(manifest);
    root.join("tests").join("controlplane")
}

fn set_path(variable: &str) -> Option<PathBuf> {
    env::var_os(variable)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// What `kube-apiserver --version` says, such as `v1.37.1`.
fn version_of(apiserver: &Path) -> Result<String, AssetsError> {
    let output = Command::new(apiserver)
        .arg("--version")
        .output()
        .map_err(|source| AssetsError::Io {
            action: "running",
            path: apiserver.to_owned(),
            source,
        })?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.trim().trim_start_matches("Kubernetes ").to_owned())
}
