//! Kubeconfigs that lead to the apiserver and do not fit it.

use std::path::{Path, PathBuf};

use quaymaster_testkit::eventually;
use serde_json::{Value, json};

use crate::harness::{Manager, SOON, Test, on_each_minor};
use crate::inputs::{FAILURE, fails_with_one_line};

on_each_minor!(
    a_setting_of_the_cluster_that_does_not_fit_the_apiserver_is_named_with_what_to_do,
    that_the_certificate_is_not_checked_is_said_once_and_not_for_each_connection,
);

/// A copy of a kubeconfig of the administrator, with other settings of its cluster; it goes with the folder.
fn changed(folder: &tempfile::TempDir, original: &Path, settings: &Value) -> PathBuf {
    let text = std::fs::read_to_string(original).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    let cluster = config["clusters"][0]["cluster"].as_object_mut().unwrap();
    for (name, value) in settings.as_object().unwrap() {
        match value {
            Value::Null => drop(cluster.remove(name)),
            value => drop(cluster.insert(name.clone(), value.clone())),
        }
    }
    let path = folder.path().join("kubeconfig");
    std::fs::write(&path, config.to_string()).unwrap();
    path
}

async fn a_setting_of_the_cluster_that_does_not_fit_the_apiserver_is_named_with_what_to_do(t: &Test) {
    let plane = &t.cluster.plane;
    let folder = tempfile::tempdir().unwrap();
    let https = plane.server_url();
    let http = https.replace("https://", "http://");
    // A certificate, but none that signed the apiserver's.
    let other = plane.folder().join("apiserver.crt");
    for (settings, server, parts) in [
        (
            json!({"server": http}),
            &http,
            ["as a port for TLS does", "write https://"],
        ),
        (
            json!({"tls-server-name": "other.example"}),
            &https,
            [
                "not valid for name \"other.example\"",
                "tls-server-name of that cluster",
            ],
        ),
        (
            json!({"certificate-authority": other}),
            &https,
            [
                "UnknownIssuer",
                "certificate-authority, or certificate-authority-data,",
            ],
        ),
    ] {
        let file = changed(&folder, plane.kubeconfig(), &settings);
        let line = fails_with_one_line(
            FAILURE,
            &["--port=0", &format!("--kubeconfig={}", file.display())],
        );
        let origin = format!("the kubeconfig {}, context test, cluster test", file.display());
        for part in parts.into_iter().chain([server.as_str(), &origin]) {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
}

async fn that_the_certificate_is_not_checked_is_said_once_and_not_for_each_connection(t: &Test) {
    let plane = &t.cluster.plane;
    let folder = tempfile::tempdir().unwrap();
    // May nothing, so that it writes nothing beside the binary that all tests share; each watch connects all the same.
    let nobody = plane.kubeconfig_for("nobody", None).unwrap();
    let settings = json!({"insecure-skip-tls-verify": true, "certificate-authority": null});
    let manager = Manager::launch(plane, &changed(&folder, &nobody, &settings), &[]);
    for resource in ["pods", "services", "nodes", "endpointslices"] {
        eventually(SOON, &format!("{resource} to be refused"), async || {
            let log = manager.log();
            let refused = |line: &str| line.contains("watch failed") && line.contains(resource);
            if log.lines().any(refused) {
                Ok(())
            } else {
                Err(log)
            }
        })
        .await;
    }
    let about = |line: &&String| line.contains("not checked") || line.contains("kube_client");
    let lines: Vec<String> = manager
        .lines("WARN")
        .into_iter()
        .filter(|line| about(&line))
        .collect();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(
        lines[0].contains("insecure-skip-tls-verify") && lines[0].contains("cluster test"),
        "{lines:#?}"
    );
    manager.stop().await;
}
