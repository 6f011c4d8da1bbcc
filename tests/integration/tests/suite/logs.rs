//! Logs that nobody reads: a stalled container runtime, a terminal that was halted.

use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;
use kube::api::ListParams;
use quaymaster_testkit::{eventually, pod, service};

use crate::harness::{
    Cluster, Minor, SOON, binary, describe_all, free_port, fresh_ip, get, run_alone, runtime,
};

/// The binary with both outputs in one pipe, which is full.
struct Stuck {
    child: Child,
    log: PipeReader,
    port: u16,
}

impl Stuck {
    fn start(args: &[&str]) -> Self {
        let (log, output) = full_pipe();
        let port = free_port();
        let child = Command::new(binary())
            .args(args)
            .arg(format!("--port={port}"))
            .arg("--log-format=json")
            .env_remove("KUBECONFIG")
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        Self { child, log, port }
    }

    /// Waits until this path answers 200.
    async fn answers(&self, path: &str) {
        eventually(SOON, path, async || {
            get(self.port, path)
                .await
                .is_some_and(|(status, _)| status == 200)
        })
        .await;
    }

    fn terminate(&self) {
        let pid = self.child.id().to_string();
        let killed = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(killed.success());
    }

    /// How it ends by itself, though nobody reads what it says at the end.
    fn ended(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < SOON, "it still runs");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        // It has ended, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A pipe that is kept full of empty lines until it is read.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = io::pipe().unwrap();
    let mut plug = writer.try_clone().unwrap();
    let written = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&written);
    thread::spawn(move || {
        // A few more than any pipe takes by default; with the reader gone it ends sooner.
        for _ in 0..64 {
            if plug.write_all(&[b'\n'; 4096]).is_err() {
                return;
            }
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    let mut before = 0;
    loop {
        thread::sleep(Duration::from_millis(100));
        let now = written.load(Ordering::Relaxed);
        if now == before && now > 0 {
            assert!(now < 64, "a pipe takes more than that");
            return (reader, writer);
        }
        before = now;
    }
}

/// A kubeconfig whose apiserver nobody can reach: the binary goes on trying.
fn unreachable_apiserver(folder: &tempfile::TempDir) -> String {
    let path = folder.path().join("kubeconfig");
    let text = "apiVersion: v1\nkind: Config\ncurrent-context: x\n\
                clusters: [{name: x, cluster: {server: \"http://127.0.0.1:1\"}}]\n\
                contexts: [{name: x, context: {cluster: x, user: x}}]\nusers: [{name: x, user: {}}]\n";
    std::fs::write(&path, text).unwrap();
    format!("--kubeconfig={}", path.display())
}

#[test]
fn slices_are_kept_and_a_signal_ends_it_while_nobody_reads_the_log() {
    run_alone(Minor::V1_37, async |minor| {
        let cluster = Cluster::start(minor, |builder| builder).await;
        let client = cluster.client().await;
        let kubeconfig = format!("--kubeconfig={}", cluster.kubeconfig.display());
        let mut stuck = Stuck::start(&[&kubeconfig, "--log-level=debug"]);
        stuck.answers("/readyz").await;
        let namespace = cluster.plane.namespace("unread").await.unwrap();
        let web = service("web")
            .namespace(&namespace)
            .selector([("app", "web")])
            .port("http", 80, 8080);
        web.create(&client).await.unwrap();
        let a = pod("a").namespace(&namespace).labels([("app", "web")]);
        a.node("node-a")
            .ip(fresh_ip())
            .ready()
            .create(&client)
            .await
            .unwrap();
        let slices = Api::<EndpointSlice>::namespaced(client, &namespace);
        eventually(SOON, "the slice of a", async || {
            let found = slices.list(&ListParams::default()).await;
            let lines = describe_all(&found.map_err(|error| error.to_string())?.items);
            if lines == ["IPv4 http:8080 = a"] {
                Ok(())
            } else {
                Err(format!("{lines:?}"))
            }
        })
        .await;
        let (_, metrics) = get(stuck.port, "/metrics").await.unwrap();
        assert!(
            metrics.contains("\nquaymaster_log_lines_dropped_total "),
            "{metrics}"
        );
        stuck.answers("/livez").await;
        stuck.terminate();
        assert_eq!(stuck.ended().code(), Some(0));
    });
}

#[test]
fn a_start_that_fails_ends_though_nobody_reads_why() {
    let mut stuck = Stuck::start(&["--kubeconfig=/nonexistent"]);
    assert_eq!(stuck.ended().code(), Some(crate::inputs::FAILURE));
}

#[test]
fn once_somebody_reads_the_log_again_it_comes_in_order_to_the_last_line() {
    let folder = tempfile::tempdir().unwrap();
    let mut stuck = Stuck::start(&[&unreachable_apiserver(&folder)]);
    runtime().block_on(stuck.answers("/livez"));
    let mut log = stuck.log.try_clone().unwrap();
    let reading = thread::spawn(move || {
        let mut text = String::new();
        log.read_to_string(&mut text).map(|_| text)
    });
    stuck.terminate();
    assert_eq!(stuck.ended().code(), Some(0));
    let text = reading.join().unwrap().unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    let first = lines.first().expect("it logs");
    assert!(first.contains("serving health and metrics"), "{lines:#?}");
    let last = lines.last().expect("it logs");
    assert!(last.contains("stopping"), "{lines:#?}");
}
