//! Health, metrics and logs of the running binary.

use std::time::Duration;

use quaymaster_testkit::eventually;

use crate::harness::{Manager, SOON, Test, get, on_each_minor};

on_each_minor!(
    health_is_served_with_its_reasons,
    the_metrics_have_the_names_that_dashboards_know,
    a_second_binary_with_port_zero_listens_nowhere,
    every_log_line_is_an_object,
    it_is_not_ready_before_it_has_read_everything,
);

fn port(t: &Test) -> u16 {
    t.cluster.manager.lock().unwrap().as_ref().unwrap().port
}

/// Credentials of a user that may read nothing, so that a second binary beside the shared one stays out of its way.
fn powerless(t: &Test) -> std::path::PathBuf {
    t.cluster.plane.kubeconfig_for("powerless", None).unwrap()
}

async fn health_is_served_with_its_reasons(t: &Test) {
    for path in ["/healthz", "/livez", "/readyz"] {
        let (status, body) = get(port(t), path).await.unwrap();
        assert_eq!((status, body.as_str()), (200, "ok"), "{path}");
    }
    let (_, body) = get(port(t), "/readyz?verbose").await.unwrap();
    for kind in ["services", "pods", "nodes", "endpointslices"] {
        assert!(body.to_lowercase().contains(kind), "{kind} in {body}");
    }
}

async fn the_metrics_have_the_names_that_dashboards_know(t: &Test) {
    t.service("web").create(&t.client).await.unwrap();
    t.pod("a", "web").create(&t.client).await.unwrap();
    t.expect("web", ["IPv4 http:8080 = a"]).await;
    let known = [
        "endpoint_slice_controller_endpoints_added_per_sync_count",
        "endpoint_slice_controller_endpoints_removed_per_sync_count",
        "endpoint_slice_controller_endpoints_desired",
        "endpoint_slice_controller_num_endpoint_slices",
        "endpoint_slice_controller_desired_endpoint_slices",
        "endpoint_slice_controller_changes{operation=\"create\"}",
        "endpoint_slice_controller_endpointslices_changed_per_sync_count",
        "endpoint_slice_controller_syncs{result=\"success\"}",
        "endpoint_slice_controller_services_count_by_traffic_distribution",
        "workqueue_depth{name=\"endpoint_slice\"}",
        "workqueue_adds_total{name=\"endpoint_slice\"}",
        "process_resident_memory_bytes",
    ];
    // What a sync counts, it counts after its write.
    eventually(SOON, "all of them", async || {
        let (status, text) = get(port(t), "/metrics").await.ok_or("no answer")?;
        assert_eq!(status, 200);
        let is_there = |name: &str| text.lines().any(|line| line.starts_with(name));
        let missing = known.into_iter().find(|name| !is_there(name));
        missing.map_or(Ok(()), |name| Err(format!("{name} is not in\n{text}")))
    })
    .await;
    // Gauges follow within the seconds between two measures.
    eventually(SOON, "totals above zero", async || {
        let (_, text) = get(port(t), "/metrics").await?;
        let above_zero = |name: &str| {
            let value = text
                .lines()
                .find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
            value.is_some_and(|value| value >= 1.0)
        };
        (above_zero("endpoint_slice_controller_num_endpoint_slices ")
            && above_zero("endpoint_slice_controller_endpoints_desired "))
        .then_some(())
    })
    .await;
}

async fn a_second_binary_with_port_zero_listens_nowhere(t: &Test) {
    let mut manager = Manager::launch(&t.cluster.plane, &powerless(t), &["--port=0"]);
    manager.process.wait_for_log("\"starting\"", SOON).await.unwrap();
    assert!(get(manager.port, "/healthz").await.is_none());
    let listening = std::process::Command::new("cat")
        .args([
            format!("/proc/{}/net/tcp", manager.process.pid()),
            format!("/proc/{}/net/tcp6", manager.process.pid()),
        ])
        .output()
        .unwrap();
    let sockets = sockets_of(manager.process.pid());
    let own: Vec<String> = String::from_utf8_lossy(&listening.stdout)
        .lines()
        .filter(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            // The fourth word is the state, 0A for listening; the tenth is the socket's inode.
            words.get(3) == Some(&"0A")
                && words
                    .get(9)
                    .is_some_and(|inode| sockets.contains(&(*inode).to_owned()))
        })
        .map(str::to_owned)
        .collect();
    assert!(own.is_empty(), "{own:?}");
    assert!(
        !sockets.is_empty(),
        "it talks to the apiserver, so it has sockets"
    );
    manager.stop().await;
}

/// Inodes of a process's sockets.
fn sockets_of(pid: u32) -> Vec<String> {
    std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|target| {
            Some(
                target
                    .to_str()?
                    .strip_prefix("socket:[")?
                    .strip_suffix(']')?
                    .to_owned(),
            )
        })
        .collect()
}

async fn every_log_line_is_an_object(t: &Test) {
    // What has no line's end is still being written.
    let whole = |log: &str| -> Vec<String> {
        let lines = log.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        lines.map(str::to_owned).collect()
    };
    let lines = eventually(SOON, "some lines", async || {
        let lines = whole(&t.cluster.manager.lock().unwrap().as_ref().unwrap().log());
        if lines.len() >= 3 {
            Ok(lines)
        } else {
            Err(format!("{lines:?}"))
        }
    })
    .await;
    for line in &lines {
        let value: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(
            value["level"].is_string() && value["message"].is_string() && value["timestamp"].is_string(),
            "{line}"
        );
    }
}

async fn it_is_not_ready_before_it_has_read_everything(t: &Test) {
    let manager = Manager::launch(&t.cluster.plane, &powerless(t), &[]);
    eventually(SOON, "health to be served", async || {
        get(manager.port, "/livez")
            .await
            .is_some_and(|(status, _)| status == 200)
    })
    .await;
    let begun = std::time::Instant::now();
    while begun.elapsed() < Duration::from_secs(1) {
        let (status, _) = get(manager.port, "/readyz").await.unwrap();
        assert_ne!(status, 200);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (_, reasons) = get(manager.port, "/readyz?verbose").await.unwrap();
    assert!(reasons.contains("[-]"), "{reasons}");
    manager.stop().await;
}
