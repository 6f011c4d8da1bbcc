//! Control planes of their own: how they start, stop, fail and end.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests, which the exception for test functions misses"
)]

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::Api;
use kube::api::{ListParams, PostParams};
use quaymaster_testkit::assets::{Assets, Places};
use quaymaster_testkit::{ControlPlane, ControlPlaneError, eventually, procfs};

/// Set for the copy of this test binary that is to be killed.
const CHILD: &str = "QUAYMASTER_TESTKIT_CHILD";
const MINUTE: Duration = Duration::from_mins(1);

async fn write_config_map(plane: &ControlPlane, name: &str) {
    let mut map = ConfigMap::default();
    map.metadata.name = Some(name.to_owned());
    let api: Api<ConfigMap> = Api::namespaced(plane.client().await.unwrap(), "default");
    api.create(&PostParams::default(), &map).await.unwrap();
}

async fn config_maps(plane: &ControlPlane) -> Vec<String> {
    let api: Api<ConfigMap> = Api::namespaced(plane.client().await.unwrap(), "default");
    let list = api.list(&ListParams::default()).await.unwrap();
    list.items
        .into_iter()
        .filter_map(|map| map.metadata.name)
        .collect()
}

/// Not a test by itself: the process that the next test kills.
#[tokio::test]
#[ignore = "run by another test, in a process of its own"]
async fn child_that_is_to_be_killed() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let plane = ControlPlane::builder().start().await.unwrap();
    let second = plane.start_kcm(&["endpointslice-controller"]).await.unwrap();
    let mut pids = plane.pids().await;
    pids.push(second.pid());
    let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
    println!("\nstarted {} {}", plane.folder().display(), pids.join(" "));
    std::thread::sleep(5 * MINUTE);
}

#[tokio::test]
async fn nothing_survives_a_sigkill_of_the_test_process() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "child_that_is_to_be_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let started = lines
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("started ").map(str::to_owned));
    let started = started.expect("the child ended before it started its servers");
    let mut words = started.split(' ');
    let folder = PathBuf::from(words.next().unwrap());
    let pids: Vec<u32> = words.map(|pid| pid.parse().unwrap()).collect();
    assert_eq!(pids.len(), 4, "{pids:?}");
    assert!(pids.iter().all(|&pid| procfs::is_running(pid)));
    assert!(folder.is_dir());

    child.kill().unwrap();
    child.wait().unwrap();
    let begun = Instant::now();
    eventually(MINUTE, "the end of all servers", async || {
        let left: Vec<u32> = pids
            .iter()
            .copied()
            .filter(|&pid| procfs::is_running(pid))
            .collect();
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("{left:?} run"))
        }
    })
    .await;
    println!(
        "all servers gone {:.2} s after the SIGKILL",
        begun.elapsed().as_secs_f64()
    );
    eventually(MINUTE, "the removal of the data folder", async || {
        !folder.exists()
    })
    .await;
}

#[tokio::test]
async fn two_control_planes_at_once_are_apart() {
    let start = || ControlPlane::builder().no_kcm().start();
    let (one, two) = tokio::join!(start(), start());
    let (one, two) = (one.unwrap(), two.unwrap());
    write_config_map(&one, "only-here").await;
    assert_eq!(config_maps(&one).await, ["only-here"]);
    assert!(config_maps(&two).await.is_empty());
    let pids: HashSet<u32> = one.pids().await.into_iter().chain(two.pids().await).collect();
    assert_eq!(pids.len(), 4);
    drop(one);
    assert!(config_maps(&two).await.is_empty(), "the other must live on");
}

#[tokio::test]
async fn the_apiserver_comes_back_on_its_port_with_its_data_and_with_other_arguments() {
    let plane = ControlPlane::builder().no_kcm().start().await.unwrap();
    write_config_map(&plane, "kept").await;
    let (url, before) = (plane.server_url(), plane.pids().await);
    plane.restart_apiserver().await.unwrap();
    assert_eq!(plane.server_url(), url);
    assert_ne!(plane.pids().await, before);
    assert_eq!(config_maps(&plane).await, ["kept"]);

    plane.kill_apiserver().await.unwrap();
    let api: Api<Namespace> = Api::all(plane.client().await.unwrap());
    assert!(
        api.list(&ListParams::default()).await.is_err(),
        "a dead apiserver answered"
    );
    plane.start_apiserver().await.unwrap();
    assert_eq!(config_maps(&plane).await, ["kept"]);

    plane.restart_apiserver_with(["--profiling=false"]).await.unwrap();
    let profile = http::Request::get("/debug/pprof/").body(Vec::new()).unwrap();
    let error = plane
        .client()
        .await
        .unwrap()
        .request_text(profile)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, kube::Error::Api(status) if status.code == 404),
        "{error:?}"
    );
    plane
        .restart_apiserver_with(["--no-such-flag"])
        .await
        .map_or_else(
            |error| assert!(error.to_string().contains("no-such-flag"), "{error}"),
            |()| panic!("an unknown flag was taken"),
        );
}

#[tokio::test]
async fn a_frozen_apiserver_answers_nothing_until_it_goes_on() {
    let plane = ControlPlane::builder().no_kcm().start().await.unwrap();
    let client = plane.client().await.unwrap();
    plane.pause_apiserver().await.unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(1), client.apiserver_version()).await;
    assert!(answer.is_err(), "a frozen apiserver answered: {answer:?}");
    plane.resume_apiserver().await.unwrap();
    eventually(MINUTE, "an answer", async || {
        client.apiserver_version().await.map(|info| info.git_version)
    })
    .await;
}

#[tokio::test]
async fn a_server_that_refuses_its_arguments_is_an_error_with_the_end_of_its_log() {
    let error = ControlPlane::builder()
        .no_kcm()
        .extra_apiserver_args(["--no-such-flag"])
        .start()
        .await
        .unwrap_err();
    assert!(
        matches!(&error, ControlPlaneError::Exited { server, .. } if server == "kube-apiserver"),
        "{error:?}"
    );
    assert!(error.to_string().contains("no-such-flag"), "{error}");

    let plane = ControlPlane::builder().no_kcm().start().await.unwrap();
    let error = plane.start_kcm(&["no-such-controller"]).await.unwrap_err();
    assert!(error.to_string().contains("no-such-controller"), "{error}");

    let error = plane.kubeconfig_for("reader", None).unwrap_err();
    assert!(
        error.to_string().contains("Builder::rbac"),
        "credentials without RBAC would grant everything: {error}"
    );
}

#[tokio::test]
async fn an_unknown_minor_is_refused_with_those_that_exist() {
    let error = ControlPlane::builder().minor("latest").start().await.unwrap_err();
    assert!(
        matches!(&error, ControlPlaneError::Minor(text) if text == "latest"),
        "{error:?}"
    );
    if std::env::var_os("KUBEBUILDER_ASSETS").is_none() {
        let error = ControlPlane::builder().minor("1.2").start().await.unwrap_err();
        assert!(error.to_string().contains("known: 1.33, 1.34"), "{error}");
    }
}

/// Runs a failing test in a copy of this binary and looks at what it leaves behind.
#[tokio::test]
async fn a_failing_test_keeps_the_logs_and_names_their_folder() {
    let cache = tempfile::tempdir().unwrap();
    let real = Assets::find(None, &Places::from_env().unwrap()).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_fails", "--ignored", "--nocapture"])
        .env(CHILD, "1")
        .env("QUAYMASTER_CACHE", cache.path())
        .env("KUBEBUILDER_ASSETS", real.folder())
        .env_remove("QUAYMASTER_TEST_MINOR")
        .output()
        .unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    let named = text
        .lines()
        .find_map(|line| line.strip_prefix("logs of the control plane are kept in "));
    let folder = Path::new(named.unwrap_or_else(|| panic!("no folder is named in:\n{text}")));
    assert!(folder.starts_with(cache.path()), "{}", folder.display());
    let apiserver = std::fs::read_to_string(folder.join("kube-apiserver.log")).unwrap();
    assert!(apiserver.contains("Serving securely"), "{apiserver}");
    assert!(text.contains("etcd.log ends with"), "{text}");
}

/// Not a test by itself: see the test above.
#[tokio::test]
#[ignore = "run by another test, in a process of its own"]
async fn child_that_fails() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let _plane = ControlPlane::builder().no_kcm().start().await.unwrap();
    panic!("this failure is wanted");
}

#[tokio::test]
async fn a_version_from_before_a_compaction_cannot_be_watched_from_without_the_apiservers_cache() {
    let plane = ControlPlane::builder()
        .no_kcm()
        .extra_apiserver_args(["--watch-cache=false"])
        .start()
        .await
        .unwrap();
    let client = plane.client().await.unwrap();
    let path = "/api/v1/namespaces/default/configmaps";
    let before = client.request_text(get(path.to_owned())).await.unwrap();
    let before: serde_json::Value = serde_json::from_str(&before).unwrap();
    let version = before["metadata"]["resourceVersion"].as_str().unwrap();
    for name in ["one", "two"] {
        write_config_map(&plane, name).await;
    }
    let watch = || {
        get(format!(
            "{path}?watch=1&timeoutSeconds=1&resourceVersion={version}"
        ))
    };
    let events = client.request_text(watch()).await.unwrap();
    assert_eq!(events.matches("\"ADDED\"").count(), 2, "{events}");
    assert!(plane.compact_etcd().await.unwrap() > version.parse().unwrap());
    let refused = match client.request_text(watch()).await {
        Ok(events) => events,
        Err(error) => format!("{error:?}"),
    };
    assert!(
        refused.contains("410") && !refused.contains("\"ADDED\""),
        "{refused}"
    );
    assert_eq!(config_maps(&plane).await, ["one", "two"]);
}

fn get(path: String) -> http::Request<Vec<u8>> {
    http::Request::get(path).body(Vec::new()).unwrap()
}
