//! The work tree: where it is, cargo in it, its files.

use std::collections::BTreeMap;
use std::env;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use quaymaster_testkit::assets::{Assets, Minor, Places, Program};
use quaymaster_testkit::process;
use serde_json::Value;

/// The profile of the binary in tests, demo and generated docs: optimised, and still built quickly.
pub(crate) const BINARY_PROFILE: &str = "fast";

/// The folder of the workspace's `Cargo.toml`.
pub(crate) fn root() -> PathBuf {
    // Cargo sets the variable for `cargo run`; a binary in a target folder that several clones share may have been
    // compiled in another one.
    let manifest = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest
        .ancestors()
        .nth(2)
        .map_or_else(|| manifest.clone(), Path::to_path_buf)
}

/// Cargo, to be run in the work tree.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    // What cargo tells this process about its own package is not for the next cargo: build scripts would run again.
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR" {
            command.env_remove(name);
        }
    }
    command
}

/// What cargo tells of the workspace's own packages, without those they depend on.
///
/// # Errors
/// Where cargo does not answer, or not in JSON.
pub(crate) fn metadata() -> Result<Value> {
    let mut command = cargo();
    command.args(["metadata", "--format-version", "1", "--no-deps"]);
    let output = process::output(command, Stdio::piped()).context("running cargo metadata")?;
    if !output.status.success() {
        bail!(
            "cargo metadata failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    serde_json::from_slice(&output.stdout).context("reading cargo metadata")
}

/// Runs a command with this process's output. It does not outlive this process.
pub(crate) fn run(command: Command) -> Result<()> {
    let shown = show(&command);
    let status = process::tied(command)
        .and_then(|mut child| child.wait())
        .with_context(|| format!("running {shown}"))?;
    if !status.success() {
        bail!("{shown} failed: {status}");
    }
    Ok(())
}

/// The command as it would be typed.
pub(crate) fn show(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut text = program
        .file_name()
        .unwrap_or(command.get_program())
        .to_string_lossy()
        .into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

/// Programs of the work tree, built with [`BINARY_PROFILE`].
pub(crate) struct Built {
    pub(crate) quaymaster: PathBuf,
    /// What `cargo xtask differential` runs.
    pub(crate) differential: PathBuf,
}

/// Builds what is not up to date. Cargo shows progress.
///
/// Both at once: alone, each has other features of the crates that they share, which would all be compiled twice.
pub(crate) fn build() -> Result<Built> {
    let both = ["quaymaster-manager", "quaymaster-differential"];
    let programs = build_by(cargo(), BINARY_PROFILE, &both)?;
    Ok(Built {
        quaymaster: program(&programs, "quaymaster")?,
        differential: program(&programs, "quaymaster-differential")?,
    })
}

/// Builds `quaymaster` alone, by this cargo, which may run elsewhere, and gives its path.
pub(crate) fn build_quaymaster_by(cargo: Command, profile: &str) -> Result<PathBuf> {
    program(&build_by(cargo, profile, &["quaymaster-manager"])?, "quaymaster")
}

/// Builds packages, and gives the paths of their programs by name.
fn build_by(cargo: Command, profile: &str, packages: &[&str]) -> Result<BTreeMap<String, PathBuf>> {
    let mut command = cargo;
    command.args(["build", "--profile", profile]);
    for package in packages {
        command.args(["--package", package]);
    }
    command.args(["--message-format", "json-render-diagnostics"]);
    let output = process::output(command, Stdio::inherit()).context("running cargo build")?;
    if !output.status.success() {
        bail!("building {} failed", packages.join(" and "));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let program = |message: Value| {
        let name = message["target"]["name"].as_str()?.to_owned();
        Some((name, PathBuf::from(message["executable"].as_str()?)))
    };
    Ok(messages.filter_map(program).collect())
}

fn program(programs: &BTreeMap<String, PathBuf>, name: &str) -> Result<PathBuf> {
    let path = programs.get(name).cloned();
    path.with_context(|| format!("cargo did not say where it put {name}"))
}

/// A program that is there. Its path is made absolute: what uses it may run elsewhere.
pub(crate) fn program_file(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text).canonicalize();
    let path = path.map_err(|error| error.to_string())?;
    let metadata = path.metadata().map_err(|error| error.to_string())?;
    match (metadata.is_file(), metadata.permissions().mode() & 0o111) {
        (false, _) => Err("this is no file".to_owned()),
        (true, 0) => Err("this file may not be executed".to_owned()),
        (true, _) => Ok(path),
    }
}

/// Reads a Kubernetes minor that there are programs for, so that a wrong one is refused before anything is built.
pub(crate) fn known_minor(text: &str) -> Result<Minor> {
    known_minor_of(text, &Places::from_env()?)
}

fn known_minor_of(text: &str, places: &Places) -> Result<Minor> {
    let known = Minor::known(&places.modules)?;
    let minor: Option<Minor> = text.parse().ok();
    match minor {
        Some(minor) if known.contains(&minor) => Ok(minor),
        // The user's own programs may be of any minor; which one they are is looked at later.
        Some(minor) if places.kubebuilder_assets.is_some() => Ok(minor),
        _ => {
            let known: Vec<String> = known.iter().map(ToString::to_string).collect();
            bail!(
                "there is no such Kubernetes minor here; known: {}",
                known.join(", ")
            )
        }
    }
}

/// The minor of the programs in `KUBEBUILDER_ASSETS`, where that is set: what is not told a minor runs on them, and has to
/// go by their rules.
pub(crate) fn minor_of_given_programs(places: &Places) -> Result<Option<Minor>> {
    if places.kubebuilder_assets.is_none() {
        return Ok(None);
    }
    let minor = Assets::find(None, places).and_then(|assets| assets.minor());
    minor.map(Some).context("KUBEBUILDER_ASSETS")
}

/// The programs of a control plane, all of them: to be asked for before anything else is built, which takes minutes.
/// Builds those that are missing, but not in the folder of `KUBEBUILDER_ASSETS`.
pub(crate) fn control_plane(minor: Option<Minor>, places: &Places) -> Result<Assets> {
    let assets = Assets::find(minor, places)?;
    for program in Program::ALL {
        assets.program(program)?;
    }
    Ok(assets)
}

/// The files of the work tree, relative to [`root`]: those that git tracks and new ones that it does not ignore.
pub(crate) fn files() -> Result<Vec<PathBuf>> {
    let mut command = Command::new("git");
    command
        .current_dir(root())
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let output = process::output(command, Stdio::piped()).context("running git ls-files")?;
    if !output.status.success() {
        bail!(
            "git ls-files failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let mut files: Vec<PathBuf> = String::from_utf8_lossy(&output.stdout)
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(PathBuf::from)
        // Deleted, and not yet told to git.
        .filter(|path| root().join(path).is_file())
        .collect();
    files.sort();
    files.dedup();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_that_is_no_program_is_refused() {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        assert!(program_file(manifest).is_err_and(|error| error.contains("executed")));
        assert!(program_file("/proc/self/exe").is_ok());
    }

    #[test]
    fn an_unknown_minor_is_refused_with_the_known_ones_unless_the_programs_are_the_users() {
        let mut places = Places {
            kubebuilder_assets: None,
            ..Places::from_env().unwrap()
        };
        assert_eq!(known_minor_of("1.37", &places).unwrap().to_string(), "1.37");
        for unknown in ["1.99", "37", "newest"] {
            let error = known_minor_of(unknown, &places).unwrap_err().to_string();
            assert!(error.contains("1.33") && error.contains("1.37"), "{error}");
        }
        places.kubebuilder_assets = Some(PathBuf::from("/anywhere"));
        assert_eq!(known_minor_of("1.99", &places).unwrap().to_string(), "1.99");
    }

    #[test]
    fn the_minor_of_the_users_programs_is_what_their_apiserver_says() {
        let folder = tempfile::tempdir().unwrap();
        let mut places = Places {
            kubebuilder_assets: None,
            ..Places::from_env().unwrap()
        };
        assert_eq!(minor_of_given_programs(&places).unwrap(), None);
        places.kubebuilder_assets = Some(folder.path().to_owned());
        let error = format!("{:#}", minor_of_given_programs(&places).unwrap_err());
        assert!(error.starts_with("KUBEBUILDER_ASSETS: "), "{error}");
        for name in ["etcd", "kube-apiserver"] {
            let path = folder.path().join(name);
            fs::write(&path, "#!/bin/sh\necho Kubernetes v1.34.7\n").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let minor = minor_of_given_programs(&places).unwrap().unwrap();
        assert_eq!(minor.to_string(), "1.34");
    }

    #[test]
    fn a_folder_of_setup_envtest_is_refused_for_the_program_that_it_lacks() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places {
            kubebuilder_assets: Some(folder.path().to_owned()),
            ..Places::from_env().unwrap()
        };
        for name in ["etcd", "kube-apiserver", "kubectl"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let error = control_plane(None, &places).unwrap_err().to_string();
        assert!(
            error.starts_with("kube-controller-manager is not in ") && error.contains("KUBEBUILDER_ASSETS"),
            "{error}"
        );
        fs::write(folder.path().join("kube-controller-manager"), "").unwrap();
        let assets = control_plane(None, &places).unwrap();
        assert_eq!(assets.folder(), folder.path());
    }
}
