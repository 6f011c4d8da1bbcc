use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::*;
use crate::metrics::BuildInfo;

struct Running {
    address: SocketAddr,
    health: Health,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), AdminError>>,
}

async fn start() -> Running {
    let health = Health::default();
    let metrics = Registry::new();
    BuildInfo::register(&metrics, "1.2.3", "abc");
    let server = AdminServer::bind(([127, 0, 0, 1], 0).into(), health.clone(), metrics)
        .await
        .unwrap();
    let address = server.address().unwrap();
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(server.serve(shutdown.clone()));
    Running {
        address,
        health,
        shutdown,
        task,
    }
}

/// Status line's code, head and body.
async fn ask(address: SocketAddr, method: &str, path: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let code = head.split(' ').nth(1).unwrap().parse().unwrap();
    (code, head.to_ascii_lowercase(), body.to_owned())
}

#[tokio::test]
async fn probes_follow_the_checks() {
    let running = start().await;
    let pods = running.health.condition("watch-pods");
    let _core = running.health.heartbeat("core", Duration::from_mins(1));
    let get = |path: &'static str| ask(running.address, "GET", path);
    for path in ["/livez", "/healthz"] {
        assert_eq!(get(path).await.0, 200);
        assert_eq!(get(path).await.2, "ok");
    }
    assert_eq!(get("/livez?verbose").await.2, "[+]core ok\nlivez check passed\n");
    let (code, _, body) = get("/readyz").await;
    assert_eq!(code, 503);
    assert_eq!(
        body,
        "[-]watch-pods failed: not yet\n[+]core ok\nreadyz check failed\n"
    );
    pods.hold();
    assert_eq!(get("/readyz").await.0, 200);
    let verbose = "[+]watch-pods ok\n[+]core ok\nreadyz check passed\n";
    assert_eq!(get("/readyz?verbose").await.2, verbose);
    assert_eq!(get("/readyz?verbose=true").await.2, verbose);
    assert_eq!(get("/readyz?other").await.2, "ok");
}

#[tokio::test]
async fn metrics_are_served_as_prometheus_text() {
    let running = start().await;
    let (code, head, body) = ask(running.address, "GET", "/metrics").await;
    assert_eq!(code, 200);
    assert!(
        head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"),
        "{head}"
    );
    assert!(
        body.contains(r#"quaymaster_build_info{version="1.2.3",revision="abc"} 1"#),
        "{body}"
    );
}

#[tokio::test]
async fn nothing_else_is_served() {
    let running = start().await;
    assert_eq!(ask(running.address, "GET", "/").await.0, 404);
    assert_eq!(ask(running.address, "POST", "/metrics").await.0, 405);
}

#[tokio::test]
async fn an_occupied_port_is_named_in_one_clear_line() {
    let running = start().await;
    let error = AdminServer::bind(running.address, Health::default(), Registry::new())
        .await
        .unwrap_err();
    assert!(matches!(error, AdminError::AddressInUse { .. }));
    let expected = format!("the address {} is in use by another process", running.address);
    assert!(error.to_string().starts_with(&expected), "{error}");
}

#[tokio::test]
async fn an_address_of_another_machine_is_another_error() {
    // 192.0.2.0/24 is reserved for documentation.
    let error = AdminServer::bind(([192, 0, 2, 1], 8080).into(), Health::default(), Registry::new()).await;
    assert!(matches!(error, Err(AdminError::Listen { .. })));
}

#[tokio::test]
async fn shutdown_frees_the_port_even_with_a_client_that_never_finishes_its_request() {
    let running = start().await;
    let mut slow = TcpStream::connect(running.address).await.unwrap();
    slow.write_all(b"GET /metrics HTTP/1.1\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    running.shutdown.cancel();
    tokio::time::timeout(DRAIN * 30, running.task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(TcpStream::connect(running.address).await.is_err());
}
