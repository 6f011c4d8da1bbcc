//! A quaymaster with errors in it, from a copy of the work tree.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use quaymaster_differential::planted::{Edit, SWITCH, faults};

use crate::workspace;

/// Where the copy and what is built of it are, from the root.
const FOLDER: &str = "target/planted";

/// Copies the work tree, makes the edits, and builds.
pub(crate) fn build() -> Result<PathBuf> {
    let copy = workspace::root().join(FOLDER).join("source");
    let edited = edited()?;
    let files = workspace::files()?;
    for file in &files {
        copy_changed(&workspace::root().join(file), &copy.join(file))
            .with_context(|| format!("copying {}", file.display()))?;
    }
    let files: BTreeSet<PathBuf> = files.into_iter().map(|file| copy.join(file)).collect();
    remove_others(&copy, &files).context("removing what has gone from the copy")?;
    for (file, text) in edited {
        write_changed(&copy.join(file), text.as_bytes())?;
    }
    let mut cargo = workspace::cargo();
    cargo
        .current_dir(&copy)
        .env("CARGO_TARGET_DIR", workspace::root().join(FOLDER).join("target"));
    workspace::build_quaymaster_by(cargo, workspace::BINARY_PROFILE)
}

/// The files that edits change, after all of them.
fn edited() -> Result<BTreeMap<&'static str, String>> {
    let mut edited = BTreeMap::new();
    for edit in edits() {
        let text = edited.remove(edit.file).map_or_else(|| read(edit.file), Ok)?;
        edited.insert(edit.file, applied(&text, edit)?);
    }
    Ok(edited)
}

/// Removes all files under a folder but these, and folders that are empty then: a crate that has gone would be built.
fn remove_others(folder: &Path, kept: &BTreeSet<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
        if kind.is_dir() {
            remove_others(&path, kept)?;
            if fs::read_dir(&path)?.next().is_none() {
                fs::remove_dir(&path)?;
            }
        } else if !kept.contains(&path) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

fn edits() -> impl Iterator<Item = Edit> {
    std::iter::once(SWITCH).chain(faults().flat_map(|fault| fault.edits.iter().copied()))
}

fn read(file: &str) -> Result<String> {
    fs::read_to_string(workspace::root().join(file)).with_context(|| format!("reading {file}"))
}

fn applied(text: &str, edit: Edit) -> Result<String> {
    let found = text.matches(edit.from).count();
    if found != 1 {
        bail!(
            "{} holds this piece {found} times, not once, so no fault can be planted there; see \
             tests/differential/src/planted/faults/:\n{}",
            edit.file,
            edit.from
        );
    }
    Ok(text.replace(edit.from, edit.to))
}

/// A file that is the same keeps its time, so that little is built anew.
fn copy_changed(from: &Path, to: &Path) -> Result<()> {
    let content = fs::read(from)?;
    // What will be edited is written once, then.
    if edits().any(|edit| to.ends_with(edit.file)) && to.exists() {
        return Ok(());
    }
    write_changed(to, &content)
}

fn write_changed(to: &Path, content: &[u8]) -> Result<()> {
    if fs::read(to).is_ok_and(|there| there == content) {
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(to, content)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_still_fits_the_sources_after_those_before_it() {
        edited().unwrap();
    }

    #[test]
    fn what_has_gone_from_the_work_tree_goes_from_the_copy() {
        let folder = tempfile::tempdir().unwrap();
        let (kept, gone) = (
            folder.path().join("a/b/kept.rs"),
            folder.path().join("a/c/gone.rs"),
        );
        for path in [&kept, &gone] {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        remove_others(folder.path(), &[kept.clone()].into()).unwrap();
        assert!(kept.exists() && !folder.path().join("a/c").exists());
    }

    #[test]
    fn a_piece_that_is_not_there_is_told() {
        let error = applied("nothing of it", SWITCH).unwrap_err().to_string();
        assert!(error.contains("0 times"), "{error}");
    }
}
