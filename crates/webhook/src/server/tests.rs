use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use jiff::{SignedDuration, Timestamp};
use quaymaster_runtime::metrics::Registry;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf};
use tokio_rustls::TlsConnector;

use super::*;
use crate::admission::Outcome;
use crate::authority::{Names, Pair, Validity};
use crate::response::{Patch, Response};
use crate::review::Request;
use crate::tls::Identity;

/// Gives each port of a Service its number.
struct Ports(u16);

impl Admission for Ports {
    fn paths(&self) -> &'static [&'static str] {
        &["/"]
    }

    fn review(&self, _: &'static str, _: &Request<'_>) -> Outcome {
        let patch = (0..self.0).fold(Patch::default(), |patch, port| {
            patch.add(format!("/spec/ports/{port}/nodePort"), 30_000 + port)
        });
        Response::patch(patch).into()
    }
}

/// A stream that counts what is written to it, each time that it would be a system call.
struct Counted {
    stream: DuplexStream,
    writes: Arc<AtomicUsize>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // As a socket does.
        let all: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
        self.poll_write(cx, &all)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn a_response_is_written_at_once() {
    // Written in two parts, the second waits for the acknowledgement of the first, some 40 ms.
    for ports in [0, 1, 10, 400] {
        let day = SignedDuration::from_hours(24);
        let validity = Validity::from(Timestamp::now(), day, day);
        let authority = Pair::authority(validity).unwrap();
        let leaf = authority.sign(&Names::new().dns("name"), validity).unwrap();
        let certificates = Certificates::new();
        let identity = Identity::from_pem(leaf.certificate.pem.as_bytes(), leaf.key_pem().as_bytes());
        certificates.set(&identity.unwrap()).unwrap();
        let shared = Arc::new(Shared {
            admission: Arc::new(Ports(ports)),
            metrics: WebhookMetrics::register(&Registry::new(), &certificates),
            certificates,
            settings: Settings::default(),
            held: AtomicUsize::new(0),
            shutdown: CancellationToken::new(),
        });
        let (client, stream) = tokio::io::duplex(1 << 20);
        let writes = Arc::new(AtomicUsize::new(0));
        let counted = Counted {
            stream,
            writes: Arc::clone(&writes),
        };
        let server = tokio::spawn(async move { connection::serve_stream(counted, &shared).await });

        let mut roots = RootCertStore::empty();
        let der = CertificateDer::from_pem_slice(authority.certificate.pem.as_bytes()).unwrap();
        roots.add(der).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut client = TlsConnector::from(Arc::new(config))
            .connect(ServerName::try_from("name").unwrap(), client)
            .await
            .unwrap();
        let body = r#"{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request":
            {"uid": "x", "kind": {}, "operation": "CREATE", "userInfo": {}}}"#;
        let head = format!(
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut lengths = Vec::new();
        for round in 1..=3 {
            client
                .write_all([head.as_str(), body].concat().as_bytes())
                .await
                .unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"}}") {
                assert_ne!(client.read_buf(&mut answer).await.unwrap(), 0);
            }
            let so_far = writes.swap(0, std::sync::atomic::Ordering::Relaxed);
            // Before the first come those of the handshake.
            assert!(round == 1 || so_far == 1, "{so_far} writes for {ports} ports");
            lengths.push(answer.len());
        }
        assert!(lengths[0] > usize::from(ports) * 60, "{lengths:?}");
        drop(client);
        server.await.unwrap();
    }
}
