//! Kubeconfigs that lead to the apiserver and do not fit it.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::{Test, on_each_minor};
use crate::inputs::{FAILURE, fails_with_one_line};

on_each_minor!(a_setting_of_the_cluster_that_does_not_fit_the_apiserver_is_named_with_what_to_do,);

/// A copy of a kubeconfig of the administrator, with other settings of its cluster; it goes with the folder.
fn changed(folder: &tempfile::TempDir, original: &Path, settings: &Value) -> PathBuf {
    let text = std::fs::read_to_string(original).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    let cluster = config["clusters"][0]["cluster"].as_object_mut().unwrap();
    for (name, value) in settings.as_object().unwrap() {
        cluster.insert(name.clone(), value.clone());
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
