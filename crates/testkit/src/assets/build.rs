//! Building programs with Go, by one process at a time.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::module::Module;
use super::progress::{self, Step};
use super::{AssetsError, Recipe};
use crate::server::tail;

/// Flags of `go build` beside those for the linker; part of the cache key.
pub(super) const FLAGS: [&str; 2] = ["-trimpath", "-mod=readonly"];

/// Set for each run of Go; part of the cache key. No C compiler is needed, and no surrounding workspace or flags of
/// the user change what comes out.
pub(super) const ENVIRONMENT: [(&str, &str); 3] = [("CGO_ENABLED", "0"), ("GOWORK", "off"), ("GOFLAGS", "")];

/// Removed for each run of Go: the programs run here.
const NOT_FOR_GO: [&str; 2] = ["GOOS", "GOARCH"];

/// The first Go that can fetch the Go a module asks for.
const FIRST_WITH_TOOLCHAINS: [u32; 3] = [1, 21, 0];

/// Lines of Go's output that an error shows.
const SHOWN_LINES: usize = 30;

/// Builds those `recipes` that `folder` lacks.
///
/// The check is repeated under the folder's lock, since another process may have built meanwhile. Each program
/// appears under its name only when whole.
pub(super) fn missing(module: &Module, folder: &Path, recipes: &[Recipe]) -> Result<(), AssetsError> {
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
    check_go(module)?;
    download(module, folder, &lacking)?;
    for (number, recipe) in (1..).zip(&lacking) {
        let version = module.kubernetes.as_deref().unwrap_or_default();
        let label = format!("[{number}/{}] {} {version}:", lacking.len(), recipe.name);
        build(module, folder, recipe, &label)?;
    }
    Ok(())
}

/// Takes the folder's lock, which the kernel drops with the process.
fn lock(folder: &Path) -> Result<File, AssetsError> {
    let path = folder.join(".lock");
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

fn go(module: &Module) -> Command {
    let mut command = Command::new("go");
    command.current_dir(&module.folder).envs(ENVIRONMENT);
    for variable in NOT_FOR_GO {
        command.env_remove(variable);
    }
    command
}

/// Refuses early, and in words, where Go is missing or too old.
fn check_go(module: &Module) -> Result<(), AssetsError> {
    let needed = module.go.clone();
    // Elsewhere than in the module and without switching, or an old Go would fail on the module or fetch a new one.
    let version = match go(module)
        .current_dir("/")
        .env("GOTOOLCHAIN", "local")
        .args(["env", "GOVERSION"])
        .output()
    {
        Ok(output) => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => {
            return Err(AssetsError::GoMissing { needed });
        }
        Err(source) => {
            return Err(AssetsError::Io {
                action: "running",
                path: PathBuf::from("go"),
                source,
            });
        }
    };
    let setting = go(module).current_dir("/").args(["env", "GOTOOLCHAIN"]).output();
    let setting = setting
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default();
    if go_suffices(&version, &needed, &setting) {
        return Ok(());
    }
    Err(AssetsError::GoTooOld {
        found: version.trim_start_matches("go").to_owned(),
        needed,
    })
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

/// Fetches the modules as a step of its own: a failing network is then told from failing code.
fn download(module: &Module, folder: &Path, recipes: &[&Recipe]) -> Result<(), AssetsError> {
    let log = folder.join("modules.log");
    let mut command = go(module);
    command.args([
        "list",
        "-mod=readonly",
        "-deps",
        "-f",
        "{{with .Error}}{{.}}{{end}}",
    ]);
    command.args(recipes.iter().map(|recipe| recipe.package));
    let step = Step {
        label: "Go modules:",
        log: &log,
    };
    if step.run(command).map_err(io("running", Path::new("go")))? {
        return Ok(());
    }
    Err(AssetsError::Download {
        module: module.folder.clone(),
        output: tail(&log, SHOWN_LINES),
    })
}

fn build(module: &Module, folder: &Path, recipe: &Recipe, label: &str) -> Result<(), AssetsError> {
    let log = folder.join(format!("{}.log", recipe.name));
    // Under the lock nobody else uses this name; what a killed run left is overwritten.
    let unfinished = folder.join(format!(".{}.unfinished", recipe.name));
    let mut command = go(module);
    command
        .arg("build")
        .args(FLAGS)
        .arg("-ldflags")
        .arg(module.linker_flags());
    command.arg("-o").arg(&unfinished).arg(recipe.package);
    if !(Step { label, log: &log })
        .run(command)
        .map_err(io("running", Path::new("go")))?
    {
        return Err(AssetsError::Build {
            program: recipe.name,
            output: tail(&log, SHOWN_LINES),
            log,
        });
    }
    let finished = folder.join(recipe.name);
    fs::rename(&unfinished, &finished).map_err(io("renaming to", &finished))
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> AssetsError {
    let path = path.to_owned();
    move |source| AssetsError::Io { action, path, source }
}
