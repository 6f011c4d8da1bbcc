//! Programs of pins that nothing uses any more: some 300 MB for each change of a `go.mod`.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::Minor;
use super::build::LOCK;

/// A folder that was not asked for in this time is of no branch that somebody works on. If it is, it is built again.
const UNUSED: Duration = Duration::from_hours(30 * 24);

/// Notes that the folder is used now. A cache that cannot be written to is kept by somebody else.
pub(super) fn used(folder: &Path, now: SystemTime) {
    if let Ok(lock) = File::options().append(true).open(folder.join(LOCK)) {
        let _ = lock.set_modified(now);
    }
}

/// Removes the folders beside `current` that hold the same minor and were not used for [`UNUSED`].
///
/// What cannot be removed stays: it is in nobody's way.
pub(super) fn outdated(current: &Path, minor: Minor, now: SystemTime) {
    let prefix = format!("{minor}-");
    let Some(parent) = current.parent() else { return };
    let folders = fs::read_dir(parent).into_iter().flatten().flatten();
    for folder in folders
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .map(|entry| entry.path())
        .filter(|folder| folder != current)
    {
        // Without a lock file it is none of ours, or another process has just begun with it.
        let Ok(lock) = File::open(folder.join(LOCK)) else {
            continue;
        };
        let last = lock.metadata().and_then(|metadata| metadata.modified());
        let unused = last.is_ok_and(|last| now.duration_since(last).is_ok_and(|since| since > UNUSED));
        if unused && lock.try_lock().is_ok() {
            let _ = fs::remove_dir_all(&folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn folder(cache: &Path, name: &str, last_used: SystemTime) -> PathBuf {
        let folder = cache.join(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("etcd"), "").unwrap();
        File::create(folder.join(LOCK)).unwrap();
        used(&folder, last_used);
        folder
    }

    #[test]
    fn of_one_minor_only_what_was_not_used_for_long_is_removed() {
        let cache = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let long_ago = now - UNUSED - Duration::from_mins(1);
        let lately = now - UNUSED + Duration::from_mins(1);
        let current = folder(cache.path(), "1.3-new", long_ago);
        let abandoned = folder(cache.path(), "1.3-abandoned", long_ago);
        let in_use = folder(cache.path(), "1.3-branch", lately);
        let other_minor = folder(cache.path(), "1.33-old", long_ago);
        let being_built = folder(cache.path(), "1.3-building", long_ago);
        let lock = File::open(being_built.join(LOCK)).unwrap();
        lock.lock().unwrap();
        let foreign = cache.path().join("1.3-notes");
        fs::create_dir(&foreign).unwrap();
        outdated(&current, "1.3".parse().unwrap(), now);
        assert!(!abandoned.exists());
        for kept in [current, in_use, other_minor, being_built, foreign] {
            assert!(kept.exists(), "{}", kept.display());
        }
    }

    #[test]
    fn a_folder_that_is_used_is_young_again() {
        let cache = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let old = folder(cache.path(), "1.3-old", now - UNUSED * 2);
        used(&old, now);
        outdated(&cache.path().join("1.3-new"), "1.3".parse().unwrap(), now);
        assert!(old.exists());
    }
}
