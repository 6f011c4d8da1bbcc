use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

use super::build::{go_suffices, missing};
use super::*;

const GO: &str = "go";
const HELLO: Recipe<'static> = Recipe {
    name: "hello",
    package: "example.com/tiny",
    kind: Kind::Program,
};

fn tiny_module(source: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("go.mod"),
        "module example.com/tiny\n\ngo 1.21\n",
    )
    .unwrap();
    fs::write(folder.path().join("go.sum"), "").unwrap();
    fs::write(folder.path().join("main.go"), source).unwrap();
    folder
}

fn program(folder: &Path, name: &str, script: &str) {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn places(user: Option<&Path>, cache: &Path, modules: &Path) -> Places {
    Places {
        kubebuilder_assets: user.map(Path::to_owned),
        cache: cache.to_owned(),
        modules: modules.to_owned(),
        go: GO.into(),
    }
}

#[test]
fn two_builds_at_once_give_one_whole_program_each_built_once() {
    let module_folder = tiny_module("package main\n\nfunc main() { println(\"hello\") }\n");
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("programs");
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    missing(
                        GO.as_ref(),
                        &Module::read(module_folder.path()).unwrap(),
                        &folder,
                        &[HELLO],
                    )
                })
            })
            .collect();
        for run in runs {
            run.join().unwrap().unwrap();
        }
    });
    let output = Command::new(folder.join("hello")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr).trim(), "hello");
    assert!(!folder.join(".hello.unfinished").exists());

    let built = fs::metadata(folder.join("hello")).unwrap().modified().unwrap();
    missing(
        GO.as_ref(),
        &Module::read(module_folder.path()).unwrap(),
        &folder,
        &[HELLO],
    )
    .unwrap();
    assert_eq!(
        fs::metadata(folder.join("hello")).unwrap().modified().unwrap(),
        built,
        "built a second time"
    );
}

#[test]
fn a_failing_build_shows_what_go_printed_and_leaves_no_program() {
    let module_folder = tiny_module("package main\n\nfunc main() { undefinedThing() }\n");
    let out = tempfile::tempdir().unwrap();
    let module = Module::read(module_folder.path()).unwrap();
    let error = missing(GO.as_ref(), &module, out.path(), &[HELLO]).unwrap_err();
    assert!(
        matches!(&error, AssetsError::Build { program, .. } if program == "hello"),
        "{error:?}"
    );
    assert!(error.to_string().contains("undefinedThing"), "{error}");
    assert!(!out.path().join("hello").exists());
}

#[test]
fn a_module_that_cannot_be_fetched_is_a_download_error() {
    let module_folder =
        tiny_module("package main\n\nimport _ \"example.invalid/absent\"\n\nfunc main() {}\n");
    let module = Module::read(module_folder.path()).unwrap();
    let out = tempfile::tempdir().unwrap();
    let error = missing(GO.as_ref(), &module, out.path(), &[HELLO]).unwrap_err();
    assert!(matches!(error, AssetsError::Download { .. }), "{error:?}");
    assert!(error.to_string().contains("example.invalid/absent"), "{error}");
}

#[test]
fn the_cache_key_follows_go_mod_go_sum_and_the_programs() {
    let folder = tiny_module("");
    let key = || Module::read(folder.path()).unwrap().key(["example.com/tiny"]);
    let first = key();
    assert_eq!(first, key());
    fs::write(folder.path().join("go.sum"), "example.com/x v1.0.0 h1:x\n").unwrap();
    let second = key();
    assert_ne!(first, second);
    fs::write(
        folder.path().join("go.mod"),
        "module example.com/tiny\n\ngo 1.22\n",
    )
    .unwrap();
    assert_ne!(second, key());
    assert_ne!(
        key(),
        Module::read(folder.path()).unwrap().key(["example.com/other"])
    );
}

#[test]
fn an_unknown_minor_is_refused_with_those_that_exist() {
    let modules = tempfile::tempdir().unwrap();
    for name in ["1.9", "1.10", "notes", "1.11-old"] {
        fs::create_dir(modules.path().join(name)).unwrap();
        fs::write(modules.path().join(name).join("go.mod"), "").unwrap();
    }
    let error = Assets::find("1.99".parse().ok(), &places(None, modules.path(), modules.path())).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no Kubernetes 1.99 here; known: 1.9, 1.10"
    );
}

#[test]
fn the_minors_of_this_work_tree_pin_a_kubernetes_of_that_minor() {
    let known = Minor::known(&modules_folder()).unwrap();
    assert!(known.len() >= 5, "{known:?}");
    for minor in known {
        let module = Module::read(&modules_folder().join(minor.to_string())).unwrap();
        let version = module.kubernetes.clone().unwrap();
        assert_eq!(Minor::of_version(&version), Some(minor), "{version}");
        assert!(
            module
                .linker_flags()
                .contains(&format!("version.gitVersion={version}"))
        );
        assert!(module.go.starts_with("1."), "{:?}", module.go);
    }
}

#[test]
fn the_folder_of_the_user_wins_and_a_missing_program_is_named_with_what_to_do() {
    let user = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let places = places(Some(user.path()), elsewhere.path(), elsewhere.path());
    program(user.path(), "etcd", "exit 0");
    let error = Assets::find(None, &places).unwrap_err();
    assert!(
        error.to_string().starts_with("kube-apiserver is not in"),
        "{error}"
    );

    program(user.path(), "kube-apiserver", "echo Kubernetes v1.35.2");
    let assets = Assets::find(None, &places).unwrap();
    assert_eq!(assets.folder(), user.path());
    let error = assets.program(Program::KubeControllerManager).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("kube-controller-manager is not in") && text.contains("unset KUBEBUILDER_ASSETS"),
        "{text}"
    );
}

#[test]
fn a_minor_asked_for_by_name_is_not_replaced_by_the_one_of_the_user() {
    let user = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    program(user.path(), "etcd", "exit 0");
    program(user.path(), "kube-apiserver", "echo Kubernetes v1.35.2");
    let places = places(Some(user.path()), elsewhere.path(), elsewhere.path());
    assert!(Assets::find("1.35".parse().ok(), &places).is_ok());
    let error = Assets::find("1.33".parse().ok(), &places).unwrap_err();
    assert!(
        matches!(&error, AssetsError::OtherMinor { found, .. } if found == "v1.35.2"),
        "{error:?}"
    );
}

#[test]
fn minors_are_read_as_users_write_them() {
    assert_eq!("v1.37".parse::<Minor>(), "1.37".parse::<Minor>());
    for wrong in ["", "1", "1.", "2.1", "1.037", "1.+3", "1.37.1", "latest"] {
        assert!(wrong.parse::<Minor>().is_err(), "{wrong:?}");
    }
    assert!("1.9".parse::<Minor>().unwrap() < "1.10".parse::<Minor>().unwrap());
}

#[test]
fn without_go_the_error_names_the_version_needed_and_the_other_way() {
    let module_folder = tiny_module("");
    let module = Module::read(module_folder.path()).unwrap();
    let out = tempfile::tempdir().unwrap();
    let error = missing("/nonexistent/go".as_ref(), &module, out.path(), &[HELLO]).unwrap_err();
    assert!(
        matches!(&error, AssetsError::GoMissing { needed } if needed == "1.21"),
        "{error:?}"
    );
    assert!(error.to_string().contains("KUBEBUILDER_ASSETS"), "{error}");
}

#[test]
fn a_go_that_is_too_old_and_may_not_fetch_a_newer_one_is_refused_before_it_runs() {
    let tools = tempfile::tempdir().unwrap();
    program(
        tools.path(),
        "go",
        "case $2 in GOVERSION) echo go1.20.3;; GOTOOLCHAIN) echo;; *) exit 9;; esac",
    );
    let module_folder = tiny_module("");
    let module = Module::read(module_folder.path()).unwrap();
    let out = tempfile::tempdir().unwrap();
    let error = missing(&tools.path().join("go"), &module, out.path(), &[HELLO]).unwrap_err();
    assert_eq!(error.to_string().split(':').next(), Some("Go 1.20.3 is too old"));
}

#[test]
fn an_old_go_will_do_only_when_it_may_fetch_a_newer_one() {
    for (version, needed, toolchain, suffices) in [
        ("go1.26.8", "1.26.0", "local", true),
        ("go1.26.0", "1.26.0", "local", true),
        ("go1.25.9", "1.26.0", "local", false),
        ("go1.25.9", "1.26.0", "auto", true),
        ("go1.21.0", "1.26.0", "auto", true),
        ("go1.20.14", "1.24.0", "auto", false),
        ("go1.20.14", "1.24.0", "", false),
        ("go1.27rc1", "1.26.0", "local", true),
        ("go1.26rc1", "1.26.0", "local", true),
        ("go1.9", "1.10", "local", false),
    ] {
        assert_eq!(
            go_suffices(version, needed, toolchain),
            suffices,
            "{version} {needed} {toolchain}"
        );
    }
}
