//! Another certificate while requests come.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use quaymaster_webhook::{Certificates, Settings};
use rustls::HandshakeKind;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::time::sleep;

use crate::harness::{Client, authority, identity, leaf, start};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_exchanged_under_load_without_a_failed_request() {
    let running = start(Settings::default()).await;
    let next = authority();
    // As an apiserver has it while authorities overlap.
    let client = Client::new(running.address, &[&running.authority, &next]);
    let (stop, answered, handshakes) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
    );
    let mut tasks = Vec::new();
    for keeps in [true, true, false, false] {
        let (client, stop) = (client.clone(), Arc::clone(&stop));
        let (answered, handshakes) = (Arc::clone(&answered), Arc::clone(&handshakes));
        tasks.push(tokio::spawn(async move {
            let mut connection = client.connect().await.unwrap();
            let first = connection.leaf.clone();
            while !stop.load(Ordering::Relaxed) {
                connection.review("patched").await.unwrap();
                answered.fetch_add(1, Ordering::Relaxed);
                if !keeps {
                    connection = client.connect().await.unwrap();
                    handshakes.fetch_add(1, Ordering::Relaxed);
                }
            }
            // Those that were kept went on as they began.
            assert!(!keeps || (connection.is_open() && connection.leaf == first));
        }));
    }
    let mut seen = vec![client.connect().await.unwrap().leaf];
    for round in 0..20 {
        let signer = if round < 10 { &running.authority } else { &next };
        let leaf = leaf(signer);
        assert!(running.certificates.set(&identity(&leaf)).unwrap());
        let presented = client.connect().await.unwrap().leaf;
        let expected = CertificateDer::from_pem_slice(leaf.certificate.pem.as_bytes()).unwrap();
        assert_eq!(presented, expected, "a new handshake has the new one");
        seen.push(presented);
        let before = answered.load(Ordering::Relaxed);
        while answered.load(Ordering::Relaxed) < before + 8 {
            sleep(Duration::from_millis(1)).await;
            assert!(tasks.iter().all(|task| !task.is_finished()));
        }
    }
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    seen.dedup();
    assert_eq!(seen.len(), 21);
    assert!(handshakes.load(Ordering::Relaxed) > 20);
    assert_eq!(running.metric("quaymaster_webhook_handshake_failures_total"), 0);
}

#[tokio::test]
async fn a_session_is_resumed_only_under_the_certificate_that_it_began_under() {
    let running = start(Settings::default()).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let client = Client::with_versions(running.address, &[&running.authority], &[version]);
        let connect = async || {
            let mut connection = client.connect().await.unwrap();
            // Tickets of TLS 1.3 come after the handshake.
            connection.review("plain").await.unwrap();
            (connection.kind, connection.leaf.clone())
        };
        let (kind, first) = connect().await;
        assert_eq!(kind, HandshakeKind::Full);
        assert_eq!(connect().await, (HandshakeKind::Resumed, first.clone()));
        running
            .certificates
            .set(&identity(&leaf(&running.authority)))
            .unwrap();
        let (kind, second) = connect().await;
        assert_eq!(kind, HandshakeKind::Full, "{version:?}");
        assert_ne!(first, second);
    }
}

#[tokio::test]
async fn the_same_certificate_again_changes_nothing() {
    let certificates = Certificates::new();
    assert_eq!(certificates.not_after(), None);
    let leaf = leaf(&authority());
    assert!(certificates.set(&identity(&leaf)).unwrap());
    assert!(!certificates.set(&identity(&leaf)).unwrap());
    assert_eq!(
        certificates.not_after(),
        Some(leaf.certificate.validity.not_after)
    );
}

#[tokio::test]
async fn a_client_that_does_not_trust_the_authority_is_not_served() {
    let running = start(Settings::default()).await;
    let stranger = Client::new(running.address, &[&authority()]);
    assert!(stranger.connect().await.is_err());
    running
        .client()
        .connect()
        .await
        .unwrap()
        .review("plain")
        .await
        .unwrap();
}
