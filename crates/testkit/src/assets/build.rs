//! Building programs with Go, by one process at a time.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::process::Signal;

use super::module::Module;
use super::progress::{self, Step};
use super::{AssetsError, Kind, Recipe};
use crate::server::tail;
use crate::spawn;

/// Flags of `go build` beside those for the linker; part of the cache key.
pub(super) const FLAGS: [&str; 1] = ["-trimpath"];

/// Set for each run of Go; part of the cache key. No C compiler is needed, and neither a workspace around nor flags
/// of the user change what comes out (empty GOFLAGS would let those of `go env -w` through).
pub(super) const ENVIRONMENT: [(&str, &str); 3] = [
    ("CGO_ENABLED", "0"),
    ("GOWORK", "off"),
    ("GOFLAGS", "-mod=readonly"),
];

/// Removed for each run of Go: the programs run here.
const NOT_FOR_GO: [&str; 2] = ["GOOS", "GOARCH"];

/// The first Go that can fetch the Go a module asks for.
const FIRST_WITH_TOOLCHAINS: [u32; 3] = [1, 21, 0];

/// The file in a folder of programs that one process at a time locks. Its time is that of the last use.
pub(super) const LOCK: &str = ".lock";

/// Lines of Go's output that an error shows.
const SHOWN_LINES: usize = 30;

/// Builds those `recipes` that `folder` lacks.
///
/// The check is repeated under the folder's lock, since another process may have built meanwhile. Each program
/// appears under its name only when whole.
pub(super) fn missing(
    go: &Path,
    module: &Module,
    folder: &Path,
    recipes: &[Recipe],
) -> Result<(), AssetsError> {
    let lacking = || {
        recipes
            .iter()
            .filter(|recipe| !folder.join(recipe.name).is_file())
            .collect::<Vec<_>>()
    };
    if lacking().is_empty() {
        return Ok(());
    }
    fs::create_dir_all(folder).map_err(io("creating", folder))?;
    let _lock = lock(folder)?;
    let lacking = lacking();
    if lacking.is_empty() {
        return Ok(());
    }
    let go = Go { program: go, module };
    go.check()?;
    go.download(folder, lacking.iter().copied())?;
    for (number, recipe) in (1..).zip(&lacking) {
        let version = module
            .kubernetes
            .as_ref()
            .map(|version| format!(" {version}"))
            .unwrap_or_default();
        let label = format!("[{number}/{}] {}{version}:", lacking.len(), recipe.name);
        go.build(folder, recipe, &label)?;
    }
    Ok(())
}

/// Takes the folder's lock, which the kernel drops with the process.
pub(super) fn lock(folder: &Path) -> Result<File, AssetsError> {
    let path = folder.join(LOCK);
    let file = File::create(&path).map_err(io("creating", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            progress::say(&format!(
                "another run is building in {}; waiting for it",
                folder.display()
            ));
            file.lock().map_err(io("locking", &path))?;
        }
        Err(TryLockError::Error(source)) => {
            return Err(AssetsError::Io {
                action: "locking",
                path,
                source,
            });
        }
    }
    Ok(file)
}

/// The Go command, run in one module.
pub(super) struct Go<'a> {
    pub(super) program: &'a Path,
    pub(super) module: &'a Module,
}

impl Go<'_> {
    fn command(&self) -> Command {
        let mut command = Command::new(self.program);
        command.current_dir(&self.module.folder).envs(ENVIRONMENT);
        for variable in NOT_FOR_GO {
            command.env_remove(variable);
        }
        command
    }

    /// One setting of Go, asked outside of the module: there an old Go would fail, or fetch a new one, at once.
    fn setting(&self, name: &str) -> Result<String, AssetsError> {
        let mut command = self.command();
        command.current_dir("/").args(["env", name]);
        if name == "GOVERSION" {
            command.env("GOTOOLCHAIN", "local");
        }
        match output(command) {
            Ok(output) => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => Err(AssetsError::GoMissing {
                needed: self.module.go.clone(),
            }),
            Err(source) => Err(io("running", self.program)(source)),
        }
    }

    /// Refuses early, and in words, where Go is missing or too old.
    pub(super) fn check(&self) -> Result<(), AssetsError> {
        let (version, toolchain) = (self.setting("GOVERSION")?, self.setting("GOTOOLCHAIN")?);
        if go_suffices(&version, &self.module.go, &toolchain) {
            return Ok(());
        }
        let found = version.trim_start_matches("go").to_owned();
        Err(AssetsError::GoTooOld {
            found,
            needed: self.module.go.clone(),
        })
    }

    /// Loads the modules as a step of its own: a failing network is then told from failing code.
    pub(super) fn download<'a>(
        &self,
        folder: &Path,
        recipes: impl IntoIterator<Item = &'a Recipe<'a>> + Clone,
    ) -> Result<(), AssetsError> {
        let log = folder.join("modules.log");
        let mut command = self.command();
        command.args(["list", "-deps", "-f", "{{with .Error}}{{.}}{{end}}"]);
        if recipes
            .clone()
            .into_iter()
            .any(|recipe| recipe.kind == Kind::Tests)
        {
            command.arg("-test");
        }
        command.args(recipes.into_iter().map(|recipe| recipe.package));
        if self.run("Go modules:", &log, command)? {
            return Ok(());
        }
        Err(AssetsError::Download {
            module: self.module.folder.clone(),
            output: tail(&log, SHOWN_LINES),
        })
    }

    /// The folder of a module that was downloaded, as it is in Go's cache: checked against go.sum, and never written to.
    pub(super) fn source(&self, module: &str) -> Result<PathBuf, AssetsError> {
        let mut command = self.command();
        command.args(["list", "-m", "-f", "{{.Dir}}", module]);
        let output = output(command).map_err(io("running", self.program))?;
        let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if output.status.success() && !folder.is_empty() {
            return Ok(PathBuf::from(folder));
        }
        Err(AssetsError::Download {
            module: self.module.folder.clone(),
            output: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    fn build(&self, folder: &Path, recipe: &Recipe, label: &str) -> Result<(), AssetsError> {
        let log = folder.join(format!("{}.log", recipe.name));
        // Under the lock nobody else uses this name; what a killed run left is overwritten.
        let unfinished = folder.join(format!(".{}.unfinished", recipe.name));
        let mut command = self.command();
        match recipe.kind {
            Kind::Program => command.arg("build"),
            Kind::Tests => command.args(["test", "-c"]),
        };
        command
            .args(FLAGS)
            .arg("-ldflags")
            .arg(self.module.linker_flags());
        command.arg("-o").arg(&unfinished).arg(recipe.package);
        if !self.run(label, &log, command)? {
            return Err(AssetsError::Build {
                program: recipe.name.to_owned(),
                output: tail(&log, SHOWN_LINES),
                log,
            });
        }
        let finished = folder.join(recipe.name);
        fs::rename(&unfinished, &finished).map_err(io("renaming to", &finished))
    }

    fn run(&self, label: &str, log: &Path, command: Command) -> Result<bool, AssetsError> {
        Step { label, log }
            .run(command)
            .map_err(io("running", self.program))
    }
}

/// What Go answers. Like a build, it is interrupted when this process ends.
fn output(command: Command) -> std::io::Result<Output> {
    spawn::output(command, Stdio::piped(), Signal::INT)
}

/// Whether Go of `version` (`go1.26.8`) can build a module that asks for `needed`, given what GOTOOLCHAIN is set to.
pub(super) fn go_suffices(version: &str, needed: &str, toolchain: &str) -> bool {
    let version = version_numbers(version.trim_start_matches("go"));
    let may_fetch = toolchain != "local" && toolchain != "path" && version >= FIRST_WITH_TOOLCHAINS;
    version >= version_numbers(needed) || may_fetch
}

/// `1.26.8` as numbers; a pre-release such as `1.26rc1` counts as its release.
fn version_numbers(version: &str) -> [u32; 3] {
    let mut numbers = [0; 3];
    for (number, part) in numbers.iter_mut().zip(version.split('.')) {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        *number = digits.parse().unwrap_or(0);
    }
    numbers
}

pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> AssetsError {
    let path = path.to_owned();
    move |source| AssetsError::Io { action, path, source }
}
