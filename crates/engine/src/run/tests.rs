//! The engine whole, against a server on loopback.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Arc, Mutex};

use quaymaster_runtime::client::Source;
use quaymaster_runtime::health::Scope;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::controller::Planned;
use crate::fixtures::{
    Fake, create, namespace_json, node_json, node_port_pool_json, planned, pod_json, service_ip_pool_json,
    service_json, service_reservation_json, slice_json,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// What is wrong with a server.
#[derive(Clone, Copy)]
enum Flaw {
    None,
    /// It serves nothing at this path.
    Missing(&'static str),
    /// It serves nothing at this path when it is first asked for it, and then does.
    Late(&'static str),
    /// Its lists at this path have no version.
    Unversioned(&'static str),
}

/// One object of each kind but slices, and a place for one slice, whose creation the watches are told.
struct Server {
    uri: String,
    /// Method, path and query of each request.
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start() -> Self {
        Self::with(Flaw::None).await
    }

    async fn with(flaw: Flaw) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            let (created, _) = watch::channel(false);
            while let Ok((socket, _)) = listener.accept().await {
                let (log, created) = (Arc::clone(&log), created.clone());
                // An error means that the client has left.
                tokio::spawn(async move { serve(socket, flaw, &log, &created).await.is_ok() });
            }
        });
        Self { uri, seen }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(
    mut socket: TcpStream,
    flaw: Flaw,
    log: &Mutex<Vec<String>>,
    created: &watch::Sender<bool>,
) -> std::io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            if socket.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        let length = head
            .to_ascii_lowercase()
            .lines()
            .find_map(|line| {
                line.strip_prefix("content-length:")
                    .map(|value| value.trim().to_owned())
            })
            .map_or(0, |value| value.parse::<usize>().unwrap());
        while buffer.len() < end + length {
            socket.read_buf(&mut buffer).await?;
        }
        buffer.drain(..end + length);
        let mut words = head.split_whitespace();
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let path = target.split('?').next().unwrap();
        let is_first = {
            let mut log = log.lock().unwrap();
            log.push(format!("{method} {target}"));
            let start = format!("GET {path}?");
            log.iter().filter(|line| line.starts_with(&start)).count() == 1
        };
        let is_missing = match flaw {
            Flaw::Missing(missing) => missing == path,
            Flaw::Late(late) => late == path && is_first,
            Flaw::None | Flaw::Unversioned(_) => false,
        };
        if !is_missing && target.contains("watch=true") {
            return hold(socket, path, created).await;
        }
        let (code, body) = match (method, path) {
            // As the apiserver says it of a kind that nobody has defined.
            _ if is_missing => (404, "404 page not found\n".to_owned()),
            ("POST", "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices") => {
                created.send_replace(true);
                (201, slice_json("web", "u-9", 20))
            }
            ("GET", path) if matches!(flaw, Flaw::Unversioned(flawed) if flawed == path) => {
                (200, r#"{"kind":"List","metadata":{},"items":[]}"#.to_owned())
            }
            ("GET", "/api/v1/pods") => (200, list(&pod_json("web-0", "u-1", 3))),
            ("GET", "/api/v1/services") => (200, list(&service_json("web", "u-2", 4))),
            ("GET", "/api/v1/nodes") => (200, list(&node_json("n1", 5))),
            ("GET", "/apis/quaymaster.io/v1alpha1/serviceippools") => {
                (200, list(&service_ip_pool_json("pool", 7)))
            }
            ("GET", "/apis/quaymaster.io/v1alpha1/nodeportpools") => {
                (200, list(&node_port_pool_json("ports", 7)))
            }
            ("GET", "/apis/quaymaster.io/v1alpha1/servicereservations") => {
                (200, list(&service_reservation_json("kept", "u-7", 7)))
            }
            ("GET", "/api/v1/namespaces") => (200, list(&namespace_json("shop", 6))),
            (
                "GET",
                "/apis/discovery.k8s.io/v1/endpointslices"
                | "/api/v1/endpoints"
                | "/apis/networking.k8s.io/v1/servicecidrs"
                | "/apis/networking.k8s.io/v1/ipaddresses"
                | "/apis/quaymaster.io/v1alpha1/allocationclaims",
            ) => (200, list("")),
            _ => (
                404,
                r#"{"kind":"Status","code":404,"reason":"NotFound"}"#.to_owned(),
            ),
        };
        let mut response = format!("HTTP/1.1 {code} X\r\ncontent-type: application/json\r\n");
        write!(response, "content-length: {}\r\n\r\n{body}", body.len()).unwrap();
        socket.write_all(response.as_bytes()).await?;
    }
}

fn list(items: &str) -> String {
    format!(r#"{{"kind":"List","metadata":{{"resourceVersion":"10"}},"items":[{items}]}}"#)
}

/// A watch that tells the creation of the slice, if it is one of slices, and stays open.
async fn hold(mut socket: TcpStream, path: &str, created: &watch::Sender<bool>) -> std::io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    socket.write_all(head.as_bytes()).await?;
    if path.ends_with("endpointslices") {
        created.subscribe().wait_for(|created| *created).await.unwrap();
        let event = format!(
            "{{\"type\":\"ADDED\",\"object\":{}}}\n",
            slice_json("web", "u-9", 20)
        );
        let chunk = format!("{:x}\r\n{event}\r\n", event.len());
        socket.write_all(chunk.as_bytes()).await?;
    }
    let mut byte = [0];
    while socket.read(&mut byte).await? > 0 {}
    Ok(())
}

fn connection(server: &Server) -> Connection {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let uri = &server.uri;
    write!(
        file,
        r#"{{"apiVersion":"v1","kind":"Config","current-context":"c","users":[{{"name":"u","user":{{}}}}],
        "clusters":[{{"name":"c","cluster":{{"server":"{uri}"}}}}],
        "contexts":[{{"name":"c","context":{{"cluster":"c","user":"u"}}}}]}}"#
    )
    .unwrap();
    Connection::load(&Source::Kubeconfig(file.path().to_owned())).unwrap()
}

/// The engine is told to end, does so promptly, and nothing in it failed.
async fn end(cancel: &CancellationToken, task: JoinHandle<Result<(), EngineError>>) {
    cancel.cancel();
    timeout(PATIENCE, task)
        .await
        .expect("it must end promptly")
        .unwrap()
        .unwrap();
}

fn engine(server: &Server, fake: Fake, registry: Registry, health: Health) -> Engine {
    Engine::new(Options {
        connection: connection(server),
        version: "0".to_owned(),
        holder: "test".to_owned(),
        permits: Permits::permanent(),
        registry,
        health,
        watch: quaymaster_watch::Config {
            prefer_streaming: false,
            ..Default::default()
        },
    })
    .with(Box::new(fake), REGISTRATION)
}

const REGISTRATION: Registration = Registration {
    queue: "fake",
    reporter: "fake-controller",
    most_keys: None,
};

/// Wants one slice for each Service, named as it is.
fn one_slice_each() -> Fake {
    Fake::new(|world, service, _| {
        if world.slice(service).is_some() {
            Planned::default()
        } else {
            planned([create(&service.name)])
        }
    })
}

fn has(log: &Mutex<Vec<String>>, wanted: &str) -> bool {
    log.lock().unwrap().iter().any(|line| line == wanted)
}

#[tokio::test]
async fn from_what_is_read_to_what_is_written_and_back() {
    let server = Server::start().await;
    let (registry, health) = (Registry::new(), Health::default());
    let mut fake = one_slice_each();
    fake.reads = &Kind::ALL;
    let log = Arc::clone(&fake.log);
    let engine = engine(&server, fake, registry.clone(), health.clone());
    assert!(format!("{engine:?}").contains("fake"));
    let cancel = CancellationToken::new();
    let task = tokio::spawn(engine.run(cancel.clone()));

    let waited = timeout(PATIENCE, async {
        // The slice comes back by its watch as well; that is one event more than the lists have.
        while !has(&log, "create web: stored at 20")
            || !registry
                .encode()
                .contains(r#"watch_events_total{kind="endpointslices"} 1"#)
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(
        waited.await.is_ok(),
        "{:?} {:?}",
        log.lock().unwrap(),
        server.seen()
    );
    assert_eq!(
        *log.lock().unwrap(),
        [
            "start",
            "plan web within 16",
            "slice web added by own write",
            "create web: stored at 20"
        ],
        "the echo of an own write is no news"
    );
    let seen = server.seen();
    let first = |start: &str| seen.iter().position(|line| line.starts_with(start)).unwrap();
    let write = first("POST ");
    assert_eq!(seen.iter().filter(|line| line.starts_with("POST ")).count(), 1);
    for path in [
        "/api/v1/pods?",
        "/api/v1/services?",
        "/api/v1/nodes?",
        "/apis/discovery.k8s.io/v1/endpointslices?",
        "/api/v1/endpoints?",
        "/apis/networking.k8s.io/v1/servicecidrs?",
        "/apis/networking.k8s.io/v1/ipaddresses?",
        "/api/v1/namespaces?",
        "/apis/quaymaster.io/v1alpha1/serviceippools?",
        "/apis/quaymaster.io/v1alpha1/nodeportpools?",
        "/apis/quaymaster.io/v1alpha1/servicereservations?",
        "/apis/quaymaster.io/v1alpha1/allocationclaims?",
    ] {
        assert!(
            first(&format!("GET {path}")) < write,
            "{path} is read before anything is written: {seen:?}"
        );
    }
    assert!(
        seen[first("GET /api/v1/pods?")]
            .contains("fieldSelector=status.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed"),
        "{seen:?}"
    );
    assert!(
        health.report(Scope::Ready).passed(),
        "{}",
        health.report(Scope::Ready).verbose("readyz")
    );
    let metrics = registry.encode();
    for line in [
        r#"quaymaster_watch_events_total{kind="pods"} 1"#,
        r#"quaymaster_watch_synced{kind="services"} 1"#,
        r#"quaymaster_watch_streaming_list{kind="nodes"} 0"#,
        r#"quaymaster_watch_lists_total{kind="endpointslices"} 1"#,
        r#"quaymaster_watch_healthy{kind="pods"} 1"#,
    ] {
        assert!(
            metrics.lines().any(|known| known.starts_with(line)),
            "{line}\n{metrics}"
        );
    }

    end(&cancel, task).await;
}

#[tokio::test]
async fn a_kind_that_is_not_served_holds_up_the_controllers_that_read_it_and_no_other() {
    let server = Server::with(Flaw::Missing("/api/v1/nodes")).await;
    let health = Health::default();
    let fake = one_slice_each();
    let log = Arc::clone(&fake.log);
    let held_up = Fake {
        reads: &[Kind::Service, Kind::Node],
        ..one_slice_each()
    };
    let silence = Arc::clone(&held_up.log);
    let engine = engine(&server, fake, Registry::new(), health.clone());
    let cancel = CancellationToken::new();
    let task = tokio::spawn(engine.with(Box::new(held_up), REGISTRATION).run(cancel.clone()));

    let readiness = || health.report(Scope::Ready).verbose("readyz");
    let waited = timeout(PATIENCE, async {
        while !has(&log, "create web: stored at 20")
            || !readiness().contains("[-]nodes read failed: not yet; last")
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "{:?} {}", log.lock().unwrap(), readiness());
    assert_eq!(*silence.lock().unwrap(), [""; 0], "it has not all that it reads");
    let readiness = readiness();
    for line in [
        "[+]services read ok",
        "[+]endpointslices read ok",
        "cannot list nodes: the server answered with an error: 404",
    ] {
        assert!(readiness.contains(line), "{readiness}");
    }
    assert!(
        !health.report(Scope::Ready).passed(),
        "it does not all of its work"
    );
    assert!(health.report(Scope::Live).passed(), "a restart would not help");
    end(&cancel, task).await;
}

const POOLS: &str = "/apis/quaymaster.io/v1alpha1/serviceippools";

#[tokio::test]
async fn a_kind_whose_definition_is_not_installed_holds_up_nothing_and_is_told_of_as_absent() {
    let server = Server::with(Flaw::Missing(POOLS)).await;
    let (registry, health) = (Registry::new(), Health::default());
    let fake = Fake {
        reads: &[Kind::Service, Kind::Slice, Kind::ServiceIpPool],
        ..one_slice_each()
    };
    let log = Arc::clone(&fake.log);
    let engine = engine(&server, fake, registry.clone(), health.clone());
    let cancel = CancellationToken::new();
    let task = tokio::spawn(engine.run(cancel.clone()));

    let waited = timeout(PATIENCE, async {
        while !has(&log, "create web: stored at 20") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "{:?}", log.lock().unwrap());
    let report = health.report(Scope::Ready);
    assert!(report.passed(), "{}", report.verbose("readyz"));
    let readiness = report.verbose("readyz");
    assert!(
        readiness
            .contains("[+]serviceippools read ok; absent, its CustomResourceDefinition is not installed\n"),
        "{readiness}"
    );
    let metrics = registry.encode();
    for line in [
        r#"quaymaster_watch_absent{kind="serviceippools"} 1"#,
        r#"quaymaster_watch_healthy{kind="serviceippools"} 1"#,
        r#"quaymaster_watch_absent{kind="services"} 0"#,
    ] {
        assert!(
            metrics.lines().any(|known| known.starts_with(line)),
            "{line}\n{metrics}"
        );
    }
    end(&cancel, task).await;
}

#[tokio::test]
async fn objects_of_a_definition_that_is_installed_later_are_told() {
    let server = Server::with(Flaw::Late(POOLS)).await;
    let (registry, health) = (Registry::new(), Health::default());
    let fake = Fake {
        reads: &[Kind::Service, Kind::Slice, Kind::ServiceIpPool],
        ..one_slice_each()
    };
    let log = Arc::clone(&fake.log);
    let engine = engine(&server, fake, registry.clone(), health.clone());
    let cancel = CancellationToken::new();
    let task = tokio::spawn(engine.run(cancel.clone()));

    let waited = timeout(PATIENCE, async {
        while !has(&log, "pool pool added") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "{:?}", log.lock().unwrap());
    assert_eq!(
        log.lock().unwrap()[..1],
        ["start"],
        "it began without, and was told of the pool as of a change"
    );
    let readiness = health.report(Scope::Ready).verbose("readyz");
    assert!(readiness.contains("[+]serviceippools read ok\n"), "{readiness}");
    let line = r#"quaymaster_watch_absent{kind="serviceippools"} 0"#;
    let metrics = registry.encode();
    assert!(metrics.lines().any(|known| known.starts_with(line)), "{metrics}");
    end(&cancel, task).await;
}

#[tokio::test]
async fn a_list_without_a_version_is_a_failure_and_no_watch_begins_from_it() {
    let server = Server::with(Flaw::Unversioned("/api/v1/services")).await;
    let health = Health::default();
    let engine = engine(&server, one_slice_each(), Registry::new(), health.clone());
    let cancel = CancellationToken::new();
    let task = tokio::spawn(engine.run(cancel.clone()));

    let readiness = || health.report(Scope::Ready).verbose("readyz");
    let waited = timeout(PATIENCE, async {
        while !readiness().contains("cannot list services: the list has no resource version") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "{} {:?}", readiness(), server.seen());
    let watches = |line: &String| line.starts_with("GET /api/v1/services?") && line.contains("watch=true");
    assert!(!server.seen().iter().any(watches), "{:?}", server.seen());
    end(&cancel, task).await;
}

#[test]
fn replicas_and_controllers_back_off_differently() {
    assert_ne!(seed("a_1", 0), seed("a_2", 0));
    assert_ne!(seed("a_1", 0), seed("a_1", 1));
}
