use std::fs;
use std::path::Path;

use super::*;
use crate::client::Connection;

const CLUSTER: &str = "clusters: [{name: k, cluster: {server: 'https://127.0.0.1:1'}}]\n";
const CONTEXT: &str = "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n";

fn file(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, format!("apiVersion: v1\nkind: Config\n{text}")).unwrap();
    path
}

fn named(paths: &[PathBuf]) -> Files {
    let variable = env::join_paths(paths).unwrap();
    Files::of(&Source::Environment, Some(&variable), None)
}

#[test]
fn of_several_files_those_that_do_not_exist_are_passed_over_and_the_rest_merged() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = file(folder.path(), "cluster", CLUSTER);
    let context = file(folder.path(), "context", CONTEXT);
    let absent = folder.path().join("absent");
    let (kubeconfig, origin) = named(&[absent, cluster.clone(), context.clone()]).read().unwrap();
    assert_eq!(kubeconfig.clusters.len(), 1);
    assert_eq!(kubeconfig.current_context.as_deref(), Some("c"));
    assert_eq!(
        origin.to_string(),
        format!("{}:{}, context c, user u", cluster.display(), context.display())
    );
}

#[test]
fn several_files_of_which_none_exists_are_an_error_that_names_them() {
    let error = named(&["/nonexistent/a".into(), "/nonexistent/b".into()])
        .read()
        .unwrap_err();
    let line = error.line();
    assert!(line.contains("/nonexistent/a:/nonexistent/b"), "{line}");
}

#[test]
fn one_file_that_does_not_exist_is_an_error() {
    let error = named(&["/nonexistent/a".into()]).read().unwrap_err();
    assert!(
        matches!(error, ConnectError::KubeconfigUnreadable { .. }),
        "{error:?}"
    );
}

#[test]
fn a_home_without_a_kubeconfig_is_no_configuration() {
    let home = tempfile::tempdir().unwrap();
    for home in [Some(home.path().to_owned()), None] {
        let error = Files::of(&Source::Environment, None, home).read().unwrap_err();
        assert!(matches!(error, ConnectError::NoConfiguration), "{error:?}");
    }
}

#[test]
fn which_of_several_files_cannot_be_read_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let good = file(folder.path(), "good", CLUSTER);
    let bad = file(folder.path(), "bad", "clusters: {{{\n");
    let line = named(&[good.clone(), bad.clone()]).read().unwrap_err().line();
    assert!(line.contains(&*bad.to_string_lossy()), "{line}");
    assert!(!line.contains(&*good.to_string_lossy()), "{line}");
}

#[tokio::test]
async fn a_certificate_file_that_is_missing_is_named_with_kubeconfig_context_and_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "{CONTEXT}users: [{{name: u, user: {{}}}}]\nclusters: [{{name: k, cluster: {{server: 'https://127.0.0.1:1', certificate-authority: /nonexistent/ca.crt}}}}]\n"
    );
    let path = file(folder.path(), "kubeconfig", &text);
    let line = Connection::load(&Source::Kubeconfig(path.clone()))
        .unwrap_err()
        .line();
    for part in [
        &*path.to_string_lossy(),
        "context c, cluster k",
        "read file /nonexistent/ca.crt: No such file",
        &format!("kubectl --kubeconfig {} config view", path.display()),
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(!line.contains("user u"), "the user has no part in it: {line}");
}

#[tokio::test]
async fn an_exec_command_that_fails_is_named_with_what_it_printed_and_its_output_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ("/nonexistent/login", "No such file or directory"),
        ("false", "exit status: 1"),
    ];
    for (command, cause) in cases {
        let user = format!(
            "users: [{{name: u, user: {{exec: {{apiVersion: client.authentication.k8s.io/v1, command: {command}, interactiveMode: Never}}}}}}]\n"
        );
        let path = file(folder.path(), "kubeconfig", &format!("{CONTEXT}{CLUSTER}{user}"));
        let connection = Connection::load(&Source::Kubeconfig(path.clone())).unwrap();
        let error = connection.client(&crate::client::tests::agent()).err().unwrap();
        let line = error.line();
        for part in [
            &*path.to_string_lossy(),
            "context c",
            "user u",
            &format!("exec command {command}"),
            cause,
        ] {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
}

#[tokio::test]
async fn what_kube_would_panic_over_is_named_with_file_context_and_field() {
    let folder = tempfile::tempdir().unwrap();
    let user = |text: &str| format!("users: [{{name: u, user: {text}}}]\n");
    let server = |address: &str| format!("clusters: [{{name: k, cluster: {{server: '{address}'}}}}]\n");
    for (text, part) in [
        (
            CLUSTER.to_owned() + &user("{token: \"abc\\n\"}"),
            "token of user u",
        ),
        (server("127.0.0.1:6443") + &user("{}"), "server of cluster k"),
        (
            server("ftp://127.0.0.1:6443") + &user("{}"),
            "server of cluster k",
        ),
        (CLUSTER.to_owned(), "context c names user u, which the file lacks"),
        (user("{}"), "context c names cluster k, which the file lacks"),
    ] {
        let path = file(folder.path(), "kubeconfig", &format!("{CONTEXT}{text}"));
        let error = Connection::load(&Source::Kubeconfig(path.clone())).unwrap_err();
        assert!(
            matches!(error, ConnectError::KubeconfigInvalid { .. }) && !error.may_heal(),
            "{error:?}"
        );
        let line = error.line();
        for part in [&*path.to_string_lossy(), "context c", part] {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
}
