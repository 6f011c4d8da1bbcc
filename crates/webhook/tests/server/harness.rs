//! A server with an admission for tests, and clients of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use jiff::{SignedDuration, Timestamp};
use quaymaster_runtime::metrics::Registry;
use quaymaster_webhook::authority::{Names, Pair, Validity};
use quaymaster_webhook::metrics::WebhookMetrics;
use quaymaster_webhook::{
    Admission, Certificates, Denial, Identity, Outcome, Patch, Reason, Server, Settings, review,
};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

/// What a test waits for at most.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

const NAME: &str = "webhook.system.svc";

/// Answers by the name of the object.
#[derive(Debug)]
pub(crate) struct Scripted {
    /// Reviews of `later` end when there is a permit.
    pub(crate) permits: Arc<Semaphore>,
    /// Reviews of `later` that began, were dropped in between, and ended.
    pub(crate) later: tokio::sync::watch::Sender<[usize; 3]>,
}

impl Admission for Scripted {
    fn paths(&self) -> &'static [&'static str] {
        &["/services", "/other"]
    }

    fn review(&self, path: &'static str, request: &review::Request<'_>) -> Outcome {
        let annotated = |response: quaymaster_webhook::Response| {
            let timeout = request.timeout.map_or(0, |timeout| timeout.as_secs());
            response
                .annotate("path", path)
                .annotate("timeout", timeout.to_string())
        };
        match &*request.name {
            "patched" => annotated(quaymaster_webhook::Response::patch(
                Patch::default().add("/spec/clusterIP", "10.0.0.1"),
            ))
            .into(),
            "denied" => {
                let denial = Denial::new(Reason::Conflict, "taken", "it is taken");
                annotated(quaymaster_webhook::Response::deny(denial)).into()
            }
            "panic" => panic!("as the test wants it"),
            "later" => {
                let (permits, later) = (Arc::clone(&self.permits), self.later.clone());
                Outcome::later(async move {
                    later.send_modify(|[began, ..]| *began += 1);
                    let mut dropped = Dropped(Some(later.clone()));
                    permits.acquire_owned().await.unwrap().forget();
                    dropped.0 = None;
                    later.send_modify(|[_, _, ended]| *ended += 1);
                    quaymaster_webhook::Response::allow()
                })
            }
            _ => annotated(quaymaster_webhook::Response::allow()).into(),
        }
    }
}

struct Dropped(Option<tokio::sync::watch::Sender<[usize; 3]>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        if let Some(later) = &self.0 {
            later.send_modify(|[_, dropped, _]| *dropped += 1);
        }
    }
}

/// A server that runs.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) authority: Pair,
    pub(crate) certificates: Certificates,
    pub(crate) registry: Registry,
    pub(crate) admission: Arc<Scripted>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) task: JoinHandle<()>,
}

/// A new authority, as of now.
pub(crate) fn authority() -> Pair {
    Pair::authority(validity()).unwrap()
}

fn validity() -> Validity {
    Validity::from(
        Timestamp::now(),
        SignedDuration::from_hours(24),
        SignedDuration::from_hours(1),
    )
}

/// A new certificate for the server.
pub(crate) fn leaf(authority: &Pair) -> Pair {
    authority
        .sign(&Names::service("system", "webhook"), validity())
        .unwrap()
}

pub(crate) fn identity(leaf: &Pair) -> Identity {
    Identity::from_pem(leaf.certificate.pem.as_bytes(), leaf.key_pem().as_bytes()).unwrap()
}

pub(crate) async fn start(settings: Settings) -> Running {
    let authority = authority();
    let certificates = Certificates::new();
    certificates.set(&identity(&leaf(&authority))).unwrap();
    let registry = Registry::new();
    let metrics = WebhookMetrics::register(&registry, &certificates);
    let server = Server::bind(
        (Ipv4Addr::LOCALHOST, 0).into(),
        certificates.clone(),
        metrics,
        settings,
    )
    .await
    .unwrap();
    let admission = Arc::new(Scripted {
        permits: Arc::new(Semaphore::new(0)),
        later: tokio::sync::watch::Sender::default(),
    });
    let shutdown = CancellationToken::new();
    Running {
        address: server.address().unwrap(),
        authority,
        certificates,
        registry,
        task: tokio::spawn(server.serve(Arc::clone(&admission), shutdown.clone())),
        admission,
        shutdown,
    }
}

impl Running {
    pub(crate) fn client(&self) -> Client {
        Client::new(self.address, &[&self.authority])
    }

    /// The value of a metric with these labels; 0 where there is none.
    pub(crate) fn metric(&self, line: &str) -> i64 {
        self.text(line).map_or(0, |text| text.parse().unwrap())
    }

    pub(crate) fn text(&self, line: &str) -> Option<String> {
        self.registry
            .encode()
            .lines()
            .find_map(|text| text.strip_prefix(line)?.strip_prefix(' ').map(str::to_owned))
    }

    /// Waits for so many reviews of `later` to have begun, to have been dropped and to have ended.
    pub(crate) async fn later(&self, counts: [usize; 3]) {
        let mut later = self.admission.later.subscribe();
        let seen = timeout(PATIENCE, later.wait_for(|later| *later == counts)).await;
        assert!(seen.is_ok(), "{:?}", self.admission.later.borrow());
    }
}

/// Connects, as often as asked.
#[derive(Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    config: Arc<ClientConfig>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr, authorities: &[&Pair]) -> Self {
        Self::with_versions(address, authorities, rustls::ALL_VERSIONS)
    }

    pub(crate) fn with_versions(
        address: SocketAddr,
        authorities: &[&Pair],
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Self {
        let mut roots = RootCertStore::empty();
        for authority in authorities {
            let pem = authority.certificate.pem.as_bytes();
            roots.add(CertificateDer::from_pem_slice(pem).unwrap()).unwrap();
        }
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        // As the apiserver does.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self {
            address,
            config: Arc::new(config),
        }
    }

    /// Over TLS, without HTTP.
    pub(crate) async fn raw(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        connector
            .connect(ServerName::try_from(NAME).unwrap(), stream)
            .await
    }

    pub(crate) async fn connect(&self) -> std::io::Result<Connection> {
        let stream = self.raw().await?;
        let tls = stream.get_ref().1;
        let leaf = tls.peer_certificates().and_then(<[_]>::first).cloned();
        let kind = tls.handshake_kind().unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        Ok(Connection {
            sender,
            leaf: leaf.unwrap(),
            kind,
            task: tokio::spawn(connection),
        })
    }
}

/// A connection that is kept.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// What the server presented.
    pub(crate) leaf: CertificateDer<'static>,
    pub(crate) kind: rustls::HandshakeKind,
    task: JoinHandle<Result<(), hyper::Error>>,
}

impl Connection {
    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, hyper::Error> {
        self.sender.ready().await?;
        let (parts, body) = self.sender.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Response::from_parts(parts, body))
    }

    pub(crate) async fn post(&mut self, path: &str, body: impl Into<Bytes>) -> Result<Answer, hyper::Error> {
        self.send(post(path, body)).await
    }

    /// Has an object of that name reviewed, and returns what is in `response`.
    pub(crate) async fn review(&mut self, name: &str) -> Result<Value, hyper::Error> {
        let answer = self.post("/services?timeout=10s", review(name)).await?;
        assert_eq!(answer.status(), StatusCode::OK, "{answer:?}");
        let body: Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!(body["apiVersion"], "admission.k8s.io/v1");
        assert_eq!(body["response"]["uid"], format!("uid-of-{name}"));
        Ok(body["response"].clone())
    }

    /// Waits for the server to close it.
    pub(crate) async fn closed(self) {
        let ended = timeout(PATIENCE, self.task).await.expect("it is closed");
        drop(ended);
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.task.is_finished()
    }

    /// Closes it, whatever is under way.
    pub(crate) fn abort(self) {
        self.task.abort();
    }
}

pub(crate) type Answer = Response<Bytes>;

pub(crate) fn post(path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post(path)
        .header(HOST, NAME)
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(body.into()))
        .unwrap()
}

pub(crate) fn text(answer: &Answer) -> &str {
    std::str::from_utf8(answer.body()).unwrap()
}

/// The body of a review of an object with that name.
pub(crate) fn review(name: &str) -> Vec<u8> {
    let object = json!({"metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}});
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": format!("uid-of-{name}"), "kind": {"group": "", "version": "v1", "kind": "Service"},
            "namespace": "team-a", "name": name, "operation": "CREATE",
            "userInfo": {"username": "jane"}, "object": object,
        },
    });
    serde_json::to_vec(&review).unwrap()
}
