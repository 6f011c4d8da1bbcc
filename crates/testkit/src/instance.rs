//! The folder of one control plane, which goes when its owner goes.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Seek as _, SeekFrom};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::assets::cache_folder;
use crate::server::tail;

/// Memory is used for data when this many bytes are free there: etcd allocates 64 MiB at a time for its log, and a
/// test with tens of thousands of objects needs a few hundred MiB.
const ROOM_IN_MEMORY: u64 = 2 << 30;
/// The audit log among the logs. Its name tells it from the servers' own output, of which the end is shown.
const AUDIT_LOG: &str = "audit.jsonl";
/// The file whose lock says that the owner of an instance lives.
const LOCK: &str = ".lock";
/// Folders of logs kept from failures; older ones are removed.
const KEPT_LOGS: usize = 20;
/// Bytes kept of each log, from its end. An audit log with bodies grows by some 10 KiB with each write.
const KEPT_BYTES: u64 = 16 << 20;
/// Lines of each log shown when a test fails.
const SHOWN_LINES: usize = 15;

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A folder for data, certificates and logs, private to this user.
///
/// It is removed by whichever comes first: the drop of this value, a small shell that waits for the end of this
/// process on a pipe (which SIGKILL closes too), or the next instance's sweep.
#[derive(Debug)]
pub(crate) struct InstanceFolder {
    path: PathBuf,
    /// Locked while this process lives; the kernel lets go of it with the process.
    _lock: File,
    /// Removes the folder when its standard input ends.
    janitor: Option<Child>,
}

impl InstanceFolder {
    pub(crate) fn create() -> io::Result<Self> {
        let base = base_folder();
        let private = |path: &Path| DirBuilder::new().recursive(true).mode(0o700).create(path);
        private(&base)?;
        // Held while instances come and are swept: else one could be swept between its creation and its lock.
        let gate = File::create(base.join(LOCK))?;
        gate.lock()?;
        sweep(&base);
        let path = base.join(format!(
            "{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        ));
        private(&path)?;
        let lock = File::create(path.join(LOCK))?;
        lock.lock()?;
        private(&path.join("logs"))?;
        let janitor = janitor(&path);
        Ok(Self {
            path,
            _lock: lock,
            janitor,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    pub(crate) fn audit_log(&self) -> PathBuf {
        self.logs().join(AUDIT_LOG)
    }

    /// Copies the logs to where they stay, and gives the place.
    pub(crate) fn copy_logs(&self) -> io::Result<PathBuf> {
        let base = cache_folder().unwrap_or_else(env::temp_dir).join("logs");
        keep(&self.logs(), &base)
    }

    /// Copies the logs to where they stay, and tells where and how each ends, on standard error. The audit log's end,
    /// long lines of JSON, is not shown.
    pub(crate) fn keep_logs(&self) {
        let kept = match self.copy_logs() {
            Ok(kept) => kept,
            Err(error) => {
                eprintln!("the logs of the control plane could not be kept: {error}");
                return;
            }
        };
        eprintln!("logs of the control plane are kept in {}", kept.display());
        for log in files(&kept)
            .iter()
            .filter(|log| log.extension() == Some(OsStr::new("log")))
        {
            eprintln!("--- {} ends with\n{}", log.display(), tail(log, SHOWN_LINES));
        }
    }
}

impl Drop for InstanceFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
        if let Some(mut janitor) = self.janitor.take() {
            drop(janitor.stdin.take());
            let _ = janitor.wait();
        }
    }
}

/// In memory where there is room: etcd writes much and nothing of it is needed later.
fn base_folder() -> PathBuf {
    let name = format!("quaymaster-testkit-{}", rustix::process::getuid().as_raw());
    let memory = Path::new("/dev/shm");
    let roomy = rustix::fs::statvfs(memory).is_ok_and(|room| room.f_bavail * room.f_frsize >= ROOM_IN_MEMORY);
    if roomy {
        memory.join(name)
    } else {
        env::temp_dir().join(name)
    }
}

/// Removes the folders of processes that have ended.
fn sweep(base: &Path) {
    for folder in files(base).into_iter().filter(|path| path.is_dir()) {
        // No lock file: the owner was killed between the two steps of creation, under the gate that is ours now.
        let abandoned = match File::open(folder.join(LOCK)) {
            Ok(lock) => lock.try_lock().is_ok(),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        if abandoned {
            let _ = fs::remove_dir_all(&folder);
        }
    }
}

/// Starts the shell that removes `folder` when this process is gone, however it ended.
///
/// Without a shell the next sweep does it. The pause lets the servers, which the kernel kills at the same moment, be
/// gone before their files are.
fn janitor(folder: &Path) -> Option<Child> {
    let script = r#"cat >/dev/null; [ -d "$1" ] || exit 0; sleep 0.3; rm -rf -- "$1""#;
    Command::new("/bin/sh")
        .args(["-c", script, "janitor"])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .ok()
}

fn keep(logs: &Path, base: &Path) -> io::Result<PathBuf> {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let kept = base.join(format!(
        "{seconds}-{}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    ));
    fs::create_dir_all(&kept)?;
    for log in files(logs).iter().filter(|path| path.is_file()) {
        copy_end(log, &kept.join(log.file_name().unwrap_or_default()))?;
    }
    // Names begin with the time, in seconds of ten digits until the year 2286.
    let all: Vec<PathBuf> = files(base).into_iter().filter(|path| path.is_dir()).collect();
    for old in &all[..all.len().saturating_sub(KEPT_LOGS)] {
        let _ = fs::remove_dir_all(old);
    }
    Ok(kept)
}

/// Copies the last [`KEPT_BYTES`] of a file.
fn copy_end(from: &Path, to: &Path) -> io::Result<()> {
    let mut from = File::open(from)?;
    let begin = from.metadata()?.len().saturating_sub(KEPT_BYTES);
    from.seek(SeekFrom::Start(begin))?;
    io::copy(&mut from, &mut File::create(to)?)?;
    Ok(())
}

/// What a folder holds, sorted by name; empty when it cannot be read.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_ended_processes_are_swept_and_those_in_use_stay() {
        let in_use = InstanceFolder::create().unwrap();
        let abandoned = base_folder().join(format!("abandoned-by-a-test-{}", std::process::id()));
        fs::create_dir_all(&abandoned).unwrap();
        File::create(abandoned.join(LOCK)).unwrap();
        let later = InstanceFolder::create().unwrap();
        assert!(!abandoned.exists());
        assert!(in_use.path().is_dir() && later.path().is_dir());
    }

    #[test]
    fn logs_are_kept_with_the_audit_log_and_long_ones_by_their_end() {
        let (logs, base) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(logs.path().join("etcd.log"), "started").unwrap();
        let audit = logs.path().join(AUDIT_LOG);
        fs::write(&audit, "first\n").unwrap();
        let file = File::options().append(true).open(&audit).unwrap();
        file.set_len(KEPT_BYTES).unwrap();
        io::Write::write_all(&mut &file, b"last\n").unwrap();
        let kept = keep(logs.path(), base.path()).unwrap();
        assert!(kept.starts_with(base.path()));
        assert_eq!(fs::read_to_string(kept.join("etcd.log")).unwrap(), "started");
        let audit = fs::read(kept.join(AUDIT_LOG)).unwrap();
        assert_eq!(audit.len() as u64, KEPT_BYTES);
        assert!(!audit.starts_with(b"first") && audit.ends_with(b"last\n"));
    }

    #[test]
    fn only_the_newest_folders_of_logs_stay() {
        let (logs, base) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let kept: Vec<PathBuf> = (0..KEPT_LOGS + 2)
            .map(|number| base.path().join(format!("{number:010}-1-1")))
            .collect();
        for old in &kept {
            fs::create_dir(old).unwrap();
        }
        let newest = keep(logs.path(), base.path()).unwrap();
        let left = files(base.path());
        assert_eq!(left.len(), KEPT_LOGS);
        assert_eq!(left.first(), kept.get(3));
        assert_eq!(left.last(), Some(&newest));
    }

    #[test]
    fn the_janitor_removes_the_folder_when_its_pipe_closes() {
        let mut folder = InstanceFolder::create().unwrap();
        let mut janitor = folder.janitor.take().unwrap();
        assert!(folder.path().is_dir());
        // What the kernel does at the end of the process.
        drop(janitor.stdin.take());
        assert!(janitor.wait().unwrap().success());
        assert!(!folder.path().exists());
    }
}
