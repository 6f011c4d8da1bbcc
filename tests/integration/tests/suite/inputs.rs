//! What the binary says to wrong flags, files and servers: one clear line, and the right exit code.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use quaymaster_testkit::process::{Launch, Quaymaster};
use serde_json::json;

use crate::harness::{SOON, binary, free_port, runtime, serve};

/// Exit code for flags and settings that make no sense.
const USAGE: i32 = 2;
/// Exit code for not being able to start or go on.
pub(crate) const FAILURE: i32 = 1;

/// Runs the binary to its end, which must come by itself.
fn run(args: &[&str]) -> Output {
    run_with(args, &[])
}

/// As [`run`], with these variables in its environment.
fn run_with(args: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(binary());
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    let mut child = command
        .args(args)
        .envs(variables.iter().copied())
        .env_remove("KUBECONFIG")
        .env_remove("KUBERNETES_SERVICE_HOST")
        .env("HOME", "/nonexistent")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > SOON {
            child.kill().unwrap();
            panic!("{args:?} did not end: {:?}", child.wait_with_output().unwrap());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().unwrap()
}

/// Runs the binary, which must end with this code; gives the lines meant for the user, without log lines.
fn fails(code: i32, args: &[&str]) -> Vec<String> {
    let output = run(args);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
    assert!(
        !text.contains("panicked") && !text.contains("RUST_BACKTRACE"),
        "{text}"
    );
    assert!(!text.contains('\x1b'), "colours, and no terminal: {text:?}");
    let is_log = |line: &&str| {
        [" INFO ", " WARN ", " ERROR "]
            .iter()
            .any(|level| line.contains(level))
    };
    text.lines()
        .filter(|line| !is_log(line) && !line.trim().is_empty())
        .map(str::to_owned)
        .collect()
}

/// As [`fails`], with exactly one line.
pub(crate) fn fails_with_one_line(code: i32, args: &[&str]) -> String {
    let mut lines = fails(code, args);
    assert_eq!(lines.len(), 1, "{args:?}: {lines:#?}");
    let line = lines.remove(0);
    assert!(line.starts_with("quaymaster: "), "{line}");
    line
}

fn kubeconfig(folder: &Path, server: &str) -> String {
    let file = folder.join("kubeconfig");
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "clusters": [{"name": "it", "cluster": {"server": server}}],
        "users": [{"name": "it", "user": {"token": "not-a-token"}}],
    });
    std::fs::write(&file, config.to_string()).unwrap();
    format!("--kubeconfig={}", file.display())
}

fn launch(folder: &Path, args: &[&str]) -> Quaymaster {
    Launch::new(binary(), folder.join("log"))
        .args(args.iter().copied())
        .start()
        .unwrap()
}

#[test]
fn a_flag_out_of_range_is_refused_with_the_range() {
    for (flag, range) in [
        ("--max-endpoints-per-slice=0", "1..=1000"),
        ("--max-endpoints-per-slice=1001", "1..=1000"),
        ("--concurrent-service-endpoint-syncs=51", "1..=50"),
        ("--port=65536", "0..=65535"),
    ] {
        let text = fails(USAGE, &[flag]).join("\n");
        assert!(
            text.contains(range) && text.contains(flag.split('=').next().unwrap()),
            "{text}"
        );
    }
    let text = fails(USAGE, &["--endpointslice-updates-batch-period=5"]).join("\n");
    assert!(text.contains("500ms"), "an example of the form: {text}");
}

#[test]
fn a_misspelled_controller_is_refused_with_a_suggestion() {
    let line = fails_with_one_line(USAGE, &["--controllers=endpointslise-controller"]);
    assert!(
        line.contains("did you mean \"endpointslice-controller\"?"),
        "{line}"
    );
}

#[test]
fn nothing_to_run_is_refused() {
    let without = "--controllers=*,-endpoints-controller,-endpointslice-controller,\
                   -endpointslice-mirroring-controller,-service-cidr-controller";
    let line = fails_with_one_line(USAGE, &[without]);
    let expected = "nothing is left to run: this value belongs to kube-controller-manager's flag";
    assert!(line.contains(expected), "{line}");
}

#[test]
fn a_flag_that_only_kube_controller_manager_has_is_refused_with_what_to_do_instead() {
    let text = fails(USAGE, &["--leader-elect-resource-lock=leases"]).join("\n");
    assert!(
        text.contains("'--leader-elect-resource-lock'") && text.contains("it is a Lease"),
        "{text}"
    );
}

#[test]
fn an_unknown_flag_is_refused_with_a_hint() {
    let text = fails(USAGE, &["--kubeconfg=x"]).join("\n");
    assert!(text.contains("--kubeconfig"), "{text}");
}

#[test]
fn a_wrong_log_level_is_refused_with_the_accepted_form() {
    for level in ["inof", "a=b=c", "info,quaymaster"] {
        let text = fails(USAGE, &[&format!("--log-level={level}")]).join("\n");
        for part in ["--log-level", level, "info,quaymaster=debug"] {
            assert!(text.contains(part), "{text}");
        }
    }
}

#[test]
fn the_version_and_the_help_are_printed_and_the_help_has_sections() {
    let version = run(&["--version"]);
    let text = String::from_utf8_lossy(&version.stdout).into_owned();
    assert!(
        version.status.success() && text.starts_with("quaymaster 0"),
        "{text}"
    );
    let help = run(&["--help"]);
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    assert!(help.status.success());
    for part in [
        "Cluster:",
        "Controllers:",
        "EndpointSlice controller:",
        "Health and metrics:",
        "Logs:",
        "Exit codes:",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn a_kubeconfig_that_is_not_there_is_named() {
    let line = fails_with_one_line(FAILURE, &["--port=0", "--kubeconfig=/nonexistent/config"]);
    assert!(
        line.contains("/nonexistent/config") && line.contains("No such file"),
        "{line}"
    );
}

#[test]
fn a_kubeconfig_that_is_none_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    for text in [
        "{ not: [yaml",
        "just words",
        "apiVersion: v1\nkind: Config\ncurrent-context: gone\n",
    ] {
        std::fs::write(&file, text).unwrap();
        let line = fails_with_one_line(
            FAILURE,
            &["--port=0", &format!("--kubeconfig={}", file.display())],
        );
        assert!(line.contains(file.to_str().unwrap()), "{line}");
    }
}

#[test]
fn what_does_not_fit_in_a_kubeconfig_is_named_with_context_and_field() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    let server = "https://127.0.0.1:1";
    for (server, name, token, part) in [
        (server, "it", "abc\n", "token of user it"),
        ("127.0.0.1:6443", "it", "abc", "server of cluster it"),
        ("ftp://127.0.0.1:6443", "it", "abc", "server of cluster it"),
        (server, "other", "abc", "context it names user it"),
    ] {
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "it",
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
            "clusters": [{"name": "it", "cluster": {"server": server}}],
            "users": [{"name": name, "user": {"token": token}}],
        });
        std::fs::write(&file, config.to_string()).unwrap();
        let line = fails_with_one_line(
            FAILURE,
            &["--port=0", &format!("--kubeconfig={}", file.display())],
        );
        for part in [file.to_str().unwrap(), "context it", part] {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
}

#[test]
fn a_proxy_is_used_for_other_machines_but_not_for_this_one() {
    let folder = tempfile::tempdir().unwrap();
    let proxy = format!("http://127.0.0.1:{}", free_port());
    let variables = [("HTTPS_PROXY", &*proxy), ("NO_PROXY", "127.0.0.1,localhost")];
    let last_line = |server: &str| {
        let config = kubeconfig(folder.path(), server);
        let output = run_with(&["--port=0", "--start-timeout=1s", &config], &variables);
        assert_eq!(output.status.code(), Some(FAILURE));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        text.lines().last().unwrap_or_default().to_owned()
    };
    // An address for documentation: nothing is there, and no name has to be looked up.
    let line = last_line("https://192.0.2.1:6443");
    assert!(line.contains(&format!("through the proxy {proxy}")), "{line}");
    let near = format!("https://127.0.0.1:{}", free_port());
    let line = last_line(&near);
    assert!(
        line.contains(&format!(
            "cannot reach the apiserver at {near}, by the kubeconfig "
        )),
        "{line}"
    );
}

#[test]
fn proxy_variables_that_do_not_concern_the_apiserver_do_not_matter_whatever_is_in_them() {
    let folder = tempfile::tempdir().unwrap();
    let far = "https://192.0.2.1:6443";
    let near = format!("https://127.0.0.1:{}", free_port());
    let proxy = format!("http://127.0.0.1:{}", free_port());
    for (server, variables, through) in [
        (far, [("HTTPS_PROXY", &*proxy), ("NO_PROXY", "localhost,")], true),
        (far, [("HTTPS_PROXY", "::"), ("NO_PROXY", "192.0.2.0/24,")], false),
        (&near, [("HTTPS_PROXY", "::"), ("NO_PROXY", "")], false),
        (&near, [("HTTPS_PROXY", "::"), ("NO_PROXY", "127.0.0.1")], false),
    ] {
        let config = kubeconfig(folder.path(), server);
        let output = run_with(&["--port=0", "--start-timeout=1s", &config], &variables);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let line = text.lines().last().unwrap_or_default();
        assert!(line.contains("gave up") && line.contains(server), "{line}");
        assert_eq!(line.contains("through the proxy"), through, "{line}");
        assert!(!line.contains("_PROXY of the environment"), "{line}");
    }
}

#[test]
fn without_any_kubeconfig_it_says_how_to_give_one() {
    let line = fails_with_one_line(FAILURE, &["--port=0"]);
    assert!(line.contains("--kubeconfig"), "{line}");
}

#[test]
fn an_occupied_port_is_named_with_the_flags_that_choose_another() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = tempfile::tempdir().unwrap();
    let config = kubeconfig(folder.path(), "http://127.0.0.1:1");
    let line = fails_with_one_line(FAILURE, &[&format!("--port={port}"), &config]);
    assert!(
        line.contains(&port) && line.contains("--port") && line.to_lowercase().contains("in use"),
        "{line}"
    );
}

#[test]
fn what_ends_it_is_logged_in_the_chosen_form_whatever_is_logged_else() {
    for (code, args) in [
        (USAGE, ["--port=0", "--controllers=-*", "--log-level=info"]),
        (
            FAILURE,
            ["--port=0", "--kubeconfig=/nonexistent", "--log-level=error"],
        ),
    ] {
        let args = [&args[..], &["--log-format=json"]].concat();
        let output = run(&args);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{text}");
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect();
        let error = lines.last().unwrap();
        assert_eq!(error["level"], "ERROR", "{text}");
        let message = error["message"].as_str().unwrap();
        assert!(
            message.contains("--controllers") || message.contains("/nonexistent"),
            "{message}"
        );
    }
    for format in ["text", "json"] {
        let silent = [
            "--port=0",
            "--kubeconfig=/nonexistent",
            "--log-level=off",
            "--log-format",
            format,
        ];
        let line = fails_with_one_line(FAILURE, &silent);
        assert!(line.contains("/nonexistent"), "{line}");
    }
}

#[test]
fn an_unreachable_apiserver_is_tried_again_with_one_line_each() {
    let folder = tempfile::tempdir().unwrap();
    let server = format!("http://127.0.0.1:{}", free_port());
    let config = kubeconfig(folder.path(), &server);
    runtime().block_on(async {
        let mut process = launch(folder.path(), &["--port=0", "--log-format=json", &config]);
        let retries = async |process: &mut Quaymaster, count: usize| {
            let log = process.log().to_owned();
            quaymaster_testkit::eventually(SOON, "retries", async || {
                let text = std::fs::read_to_string(&log).unwrap_or_default();
                let lines = text
                    .lines()
                    .filter(|line| line.contains("cannot reach the apiserver"))
                    .count();
                if lines >= count { Ok(()) } else { Err(text) }
            })
            .await;
        };
        retries(&mut process, 3).await;
        let text = std::fs::read_to_string(process.log()).unwrap();
        // What has no line's end is still being written.
        let mut whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        assert!(
            whole.all(|line| line.contains(&server) || line.contains("\"level\":\"INFO\"")),
            "{text}"
        );
        assert!(process.server().exited().is_none());
        // A signal ends the waiting at once.
        let status = process.server().terminate(SOON).await.unwrap();
        assert!(status.success(), "{status}");
    });
}

#[test]
fn an_apiserver_that_stays_unreachable_past_the_start_timeout_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = format!("http://127.0.0.1:{}", free_port());
    let config = kubeconfig(folder.path(), &server);
    let begun = Instant::now();
    let line = fails_with_one_line(FAILURE, &["--port=0", "--start-timeout=1s", &config]);
    assert!(
        begun.elapsed() >= Duration::from_millis(900),
        "{:?}",
        begun.elapsed()
    );
    assert!(line.contains("gave up") && line.contains(&server), "{line}");
}

#[test]
fn an_apiserver_that_is_too_old_is_refused_with_the_oldest_that_is_not() {
    runtime().block_on(async {
        let version = r#"{"major":"1","minor":"28","gitVersion":"v1.28.3"}"#;
        let port = serve("200 OK", version).await;
        let line = refused_by(port).await;
        assert!(line.contains("v1.28.3") || line.contains("1.28"), "{line}");
        assert!(line.contains("older than 1.33"), "{line}");
    });
}

#[test]
fn credentials_that_are_not_accepted_are_named() {
    runtime().block_on(async {
        let status = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#;
        let port = serve("401 Unauthorized", status).await;
        let line = refused_by(port).await;
        assert!(line.to_lowercase().contains("credentials") || line.contains("401"), "{line}");
    });
}

#[test]
fn a_server_that_is_no_apiserver_is_told_from_one() {
    runtime().block_on(async {
        let port = serve("200 OK", "<html>hello</html>").await;
        let folder = tempfile::tempdir().unwrap();
        let config = kubeconfig(folder.path(), &format!("http://127.0.0.1:{port}"));
        let task = tokio::task::spawn_blocking(move || {
            fails_with_one_line(FAILURE, &["--port=0", "--start-timeout=1s", &config])
        });
        let line = task.await.unwrap();
        assert!(line.contains(&format!("127.0.0.1:{port}")), "{line}");
    });
}

/// The line with which it ends, at once, because of what the server answers.
async fn refused_by(port: u16) -> String {
    let folder = tempfile::tempdir().unwrap();
    let config = kubeconfig(folder.path(), &format!("http://127.0.0.1:{port}"));
    let task = tokio::task::spawn_blocking(move || fails_with_one_line(FAILURE, &["--port=0", &config]));
    task.await.unwrap()
}
