//! Programs of upstream's own tests, built from a changed copy of its source.
//!
//! Go refuses to overlay files of its module cache (1.26: "Files beneath GOMODCACHE must not be replaced"), so the source is
//! copied from there, where it was checked against go.sum, and changed in the copy. The copy lies in a module of its own,
//! with the go.mod and go.sum of the minor and a `replace` for the copy.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use super::build::{self, Go, io};
use super::module::Module;
use super::{AssetsError, Kind, Minor, Places, Recipe, known_minor, prune};

#[cfg(test)]
mod tests;

/// Upstream's module.
const MODULE: &str = "k8s.io/kubernetes";

/// One change of a file of upstream's source.
#[derive(Debug, Clone, Copy)]
pub struct Edit {
    /// The file, from the root of `k8s.io/kubernetes`.
    pub file: &'static str,
    /// What goes. It has to be there exactly once.
    pub from: &'static str,
    /// What comes instead.
    pub to: &'static str,
}

/// How the copy differs from upstream's source.
#[derive(Debug, Clone, Copy)]
pub struct Changes<'a> {
    /// Pieces that are replaced, in this order.
    pub edits: &'a [Edit],
    /// A folder of files that are added, each at the same place in the copy. None of them may be there already.
    pub added: &'a Path,
}

/// Test programs of one minor, in a folder of the cache.
#[derive(Debug, Clone)]
pub struct Suite {
    folder: PathBuf,
    /// The copy. It is called `k8s.io/kubernetes@VERSION` below the folder: `-trimpath` puts that name into the programs.
    source: PathBuf,
}

impl Suite {
    /// The programs of the tests in these packages, given from the root of `k8s.io/kubernetes`, such as
    /// `test/integration/endpoints`; builds those that are missing.
    ///
    /// A first build takes minutes and more than a gigabyte; progress goes to standard error. As with
    /// [`Assets::find`](super::Assets::find), any number of processes may call this at once, and what was not asked for in 30
    /// days is removed.
    ///
    /// # Errors
    /// [`AssetsError::Moved`] where upstream's source is not as an edit expects it; else as for the other programs.
    pub fn build(
        minor: Minor,
        places: &Places,
        changes: Changes<'_>,
        packages: &[&str],
    ) -> Result<Self, AssetsError> {
        known_minor(Some(minor), places)?;
        let pinned = Module::read(&places.modules.join(minor.to_string()))?;
        let added = files(changes.added)?;
        let folder = places
            .cache
            .join("upstream")
            .join(format!("{minor}-{}", pinned.key(parts(&changes, &added)?)));
        let version = pinned.kubernetes.as_deref().unwrap_or_default();
        let suite = Self {
            source: folder.join(format!("{MODULE}@{version}")),
            folder,
        };
        let packages: Vec<(String, String)> = packages
            .iter()
            .map(|package| (program_name(package), format!("{MODULE}/{package}")))
            .collect();
        let recipes: Vec<Recipe<'_>> = packages
            .iter()
            .map(|(name, package)| Recipe {
                name,
                package,
                kind: Kind::Tests,
            })
            .collect();
        // Before the look into it: nobody may remove it from here on.
        prune::used(&suite.folder, SystemTime::now());
        suite.copy(&places.go, &pinned, changes, &added, &recipes)?;
        build::missing(&places.go, &Module::read(&suite.folder)?, &suite.folder, &recipes)?;
        prune::outdated(&suite.folder, minor, SystemTime::now());
        Ok(suite)
    }

    /// The program of a package's tests, to be run in that package's folder, as `go test` does.
    pub fn command(&self, package: &str) -> Command {
        let mut command = Command::new(self.folder.join(program_name(package)));
        command.current_dir(self.source.join(package));
        // A test server reads files beside its own source, whose path in the program is one of this machine only with these
        // two before it (`pkgPath` in `cmd/kube-apiserver/app/testing/testserver.go`).
        command
            .env("TEST_SRCDIR", self.folder.parent().unwrap_or(&self.folder))
            .env("TEST_WORKSPACE", self.folder.file_name().unwrap_or_default());
        command
    }

    /// Makes the module with the copy, if it is not there. The copy appears under its name only when whole.
    fn copy(
        &self,
        go: &Path,
        pinned: &Module,
        changes: Changes<'_>,
        added: &[PathBuf],
        recipes: &[Recipe<'_>],
    ) -> Result<(), AssetsError> {
        if self.source.is_dir() {
            return Ok(());
        }
        fs::create_dir_all(&self.folder).map_err(io("creating", &self.folder))?;
        let _lock = build::lock(&self.folder)?;
        if self.source.is_dir() {
            return Ok(());
        }
        let go = Go {
            program: go,
            module: pinned,
        };
        go.check()?;
        go.download(&self.folder, recipes)?;
        let source = go.source(MODULE)?;
        let unfinished = self.folder.join(".unfinished");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).map_err(io("removing", &unfinished))?;
        }
        copy_folder(&source, &unfinished)?;
        change(&unfinished, changes, added, pinned.kubernetes.as_deref())?;
        self.write_module(pinned)?;
        let parent = self.source.parent().unwrap_or(&self.folder);
        fs::create_dir_all(parent).map_err(io("creating", parent))?;
        fs::rename(&unfinished, &self.source).map_err(io("renaming to", &self.source))
    }

    fn write_module(&self, pinned: &Module) -> Result<(), AssetsError> {
        let from = pinned.folder.join("go.mod");
        let mut text = fs::read_to_string(&from).map_err(io("reading", &from))?;
        let copy = self.source.strip_prefix(&self.folder).unwrap_or(&self.source);
        // Writing to a String cannot fail.
        let _ = write!(text, "\nreplace {MODULE} => ./{}\n", copy.display());
        let to = self.folder.join("go.mod");
        fs::write(&to, text).map_err(io("writing", &to))?;
        let (from, to) = (pinned.folder.join("go.sum"), self.folder.join("go.sum"));
        fs::copy(&from, &to).map(drop).map_err(io("copying", &from))
    }
}

/// `endpoints.test` for `test/integration/endpoints`.
fn program_name(package: &str) -> String {
    let name = Path::new(package).file_name().and_then(OsStr::to_str);
    format!("{}.test", name.unwrap_or(package))
}

/// What tells one change from another.
fn parts(changes: &Changes<'_>, added: &[PathBuf]) -> Result<Vec<Vec<u8>>, AssetsError> {
    let edits = changes.edits.iter();
    let mut parts: Vec<Vec<u8>> = edits
        .flat_map(|edit| [edit.file, edit.from, edit.to])
        .map(|text| text.as_bytes().to_vec())
        .collect();
    for file in added {
        let path = changes.added.join(file);
        parts.push(file.to_string_lossy().into_owned().into_bytes());
        parts.push(fs::read(&path).map_err(io("reading", &path))?);
    }
    Ok(parts)
}

/// Makes the edits and adds the files.
fn change(
    root: &Path,
    changes: Changes<'_>,
    added: &[PathBuf],
    version: Option<&str>,
) -> Result<(), AssetsError> {
    for edit in changes.edits {
        let path = root.join(edit.file);
        let text = fs::read_to_string(&path).map_err(io("reading", &path))?;
        let found = text.matches(edit.from).count();
        if found != 1 {
            return Err(AssetsError::Moved {
                file: edit.file,
                version: version.unwrap_or_default().to_owned(),
                found,
                piece: edit.from,
            });
        }
        // Files of Go's cache may not be written to, nor may their copies.
        fs::remove_file(&path).map_err(io("removing", &path))?;
        fs::write(&path, text.replace(edit.from, edit.to)).map_err(io("writing", &path))?;
    }
    for file in added {
        let (from, to) = (changes.added.join(file), root.join(file));
        if to.exists() {
            return Err(io("adding", &to)(std::io::ErrorKind::AlreadyExists.into()));
        }
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).map_err(io("creating", parent))?;
        }
        fs::copy(&from, &to).map_err(io("copying", &from))?;
    }
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), AssetsError> {
    fs::create_dir_all(to).map_err(io("creating", to))?;
    for entry in fs::read_dir(from).map_err(io("listing", from))? {
        let entry = entry.map_err(io("listing", from))?;
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_folder(&path, &to)?;
        } else {
            fs::copy(&path, &to).map_err(io("copying", &path))?;
        }
    }
    Ok(())
}

/// All files below a folder, by their paths from there, in order.
fn files(folder: &Path) -> Result<Vec<PathBuf>, AssetsError> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).map_err(io("listing", &next))? {
            let path = entry.map_err(io("listing", &next))?.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(below) = path.strip_prefix(folder) {
                found.push(below.to_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}
