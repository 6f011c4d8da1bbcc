use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use super::*;

const EDIT: Edit = Edit {
    file: "pkg/a.go",
    from: "func Run(",
    to: "func runInProcess(",
};

fn write(folder: &Path, file: &str, text: &str) {
    let path = folder.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Upstream's source as Go's cache has it: nothing in it can be written to.
fn source(text: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), EDIT.file, text);
    let file = folder.path().join(EDIT.file);
    fs::set_permissions(file, fs::Permissions::from_mode(0o444)).unwrap();
    folder
}

/// Copies the source, changes the copy, and gives it.
fn changed(source: &TempDir, edits: &[Edit], ours: &TempDir) -> Result<TempDir, AssetsError> {
    let copy = tempfile::tempdir().unwrap();
    copy_folder(source.path(), copy.path())?;
    let changes = Changes {
        edits,
        added: ours.path(),
    };
    change(copy.path(), changes, &files(ours.path())?, Some("v1.99.0"))?;
    Ok(copy)
}

#[test]
fn edits_are_made_and_files_added_in_the_copy_and_the_source_stays() {
    let source = source("func Run() {}\n");
    let ours = tempfile::tempdir().unwrap();
    write(ours.path(), "pkg/ours.go", "ours");
    write(ours.path(), "new/folder/ours.go", "ours");
    let copy = changed(&source, &[EDIT], &ours).unwrap();
    let read = |folder: &Path, file: &str| fs::read_to_string(folder.join(file)).unwrap();
    assert_eq!(read(copy.path(), EDIT.file), "func runInProcess() {}\n");
    assert_eq!(read(copy.path(), "pkg/ours.go"), "ours");
    assert_eq!(read(copy.path(), "new/folder/ours.go"), "ours");
    assert_eq!(read(source.path(), EDIT.file), "func Run() {}\n");
}

#[test]
fn a_piece_that_is_not_there_exactly_once_is_told_with_file_version_and_text() {
    let ours = tempfile::tempdir().unwrap();
    for (text, found) in [
        ("func Walk() {}", "0 times"),
        ("func Run() {}\nfunc Run() {}", "2 times"),
    ] {
        let error = changed(&source(text), &[EDIT], &ours).unwrap_err().to_string();
        for part in [EDIT.file, "v1.99.0", found, EDIT.from] {
            assert!(error.contains(part), "{error}");
        }
    }
}

#[test]
fn a_file_of_upstreams_is_never_replaced_by_one_of_ours() {
    let ours = tempfile::tempdir().unwrap();
    write(ours.path(), EDIT.file, "ours");
    let error = changed(&source("theirs"), &[], &ours).unwrap_err();
    assert!(
        matches!(&error, AssetsError::Io { action: "adding", path, .. } if path.ends_with(EDIT.file)),
        "{error:?}"
    );
}

#[test]
fn each_change_gives_another_key() {
    let ours = tempfile::tempdir().unwrap();
    write(ours.path(), "a.go", "one");
    let parts = |edits: &[Edit]| {
        let changes = Changes {
            edits,
            added: ours.path(),
        };
        parts(&changes, &files(ours.path()).unwrap()).unwrap()
    };
    let first = parts(&[EDIT]);
    assert_eq!(first, parts(&[EDIT]));
    assert_ne!(first, parts(&[]));
    assert_ne!(
        first,
        parts(&[Edit {
            to: "func other(",
            ..EDIT
        }])
    );
    write(ours.path(), "a.go", "two");
    let second = parts(&[EDIT]);
    assert_ne!(first, second);
    fs::rename(ours.path().join("a.go"), ours.path().join("b.go")).unwrap();
    assert_ne!(second, parts(&[EDIT]));
}

#[test]
fn a_program_is_named_after_its_package() {
    assert_eq!(program_name("test/integration/endpoints"), "endpoints.test");
}
