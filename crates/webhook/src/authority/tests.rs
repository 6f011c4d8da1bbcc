use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::ring;
use rustls::pki_types::{ServerName, UnixTime};

use super::*;

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

fn days(count: i32) -> Timestamp {
    now() + DAY * count
}

fn validity(life: i32) -> Validity {
    Validity::from(now(), DAY * life, SignedDuration::from_hours(1))
}

/// Whether a client that trusts `authorities` and knows the server by `name` accepts the certificate at that time.
fn accepted(authorities: &[&Pair], leaf: &Pair, name: &str, at: Timestamp) -> Result<(), rustls::Error> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        let pem = authority.certificate.pem.as_bytes();
        roots.add(CertificateDer::from_pem_slice(pem).unwrap()).unwrap();
    }
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .unwrap();
    let der = CertificateDer::from_pem_slice(leaf.certificate.pem.as_bytes()).unwrap();
    let name = ServerName::try_from(name).unwrap();
    let at = UnixTime::since_unix_epoch(Duration::from_secs(at.as_second().try_into().unwrap()));
    rustls::client::danger::ServerCertVerifier::verify_server_cert(&*verifier, &der, &[], &name, &[], at)
        .map(|_| ())
}

#[test]
fn a_client_that_trusts_the_authority_accepts_what_it_signed_for_each_of_its_names() {
    let authority = Pair::authority(validity(365)).unwrap();
    let names = Names::service("system", "webhook")
        .dns("other")
        .address("10.0.0.1".parse().unwrap())
        .address("fd00::1".parse().unwrap());
    let leaf = authority.sign(&names, validity(90)).unwrap();
    for name in ["webhook.system.svc", "other", "10.0.0.1", "fd00::1"] {
        accepted(&[&authority], &leaf, name, now()).unwrap();
    }
    for name in ["webhook.other.svc", "10.0.0.2"] {
        assert!(accepted(&[&authority], &leaf, name, now()).is_err(), "{name}");
    }
    assert_eq!(leaf.certificate.names, names);
}

#[test]
fn of_two_authorities_in_a_bundle_the_right_one_counts() {
    let [first, second, third] = [(); 3].map(|()| Pair::authority(validity(365)).unwrap());
    let leaf = second.sign(&Names::new().dns("name"), validity(90)).unwrap();
    accepted(&[&first, &second], &leaf, "name", now()).unwrap();
    assert!(accepted(&[&first, &third], &leaf, "name", now()).is_err());
    assert!(leaf.certificate.is_signed_by(&second.certificate));
    assert!(!leaf.certificate.is_signed_by(&first.certificate));
}

#[test]
fn a_certificate_holds_from_an_hour_before_to_the_end_of_its_life() {
    let authority = Pair::authority(validity(365)).unwrap();
    let leaf = authority.sign(&Names::new().dns("name"), validity(90)).unwrap();
    let hours = SignedDuration::from_hours(1);
    for (at, holds) in [
        (now() - hours * 2, false),
        (now() - hours, true),
        (days(90), true),
        (days(90) + hours, false),
    ] {
        assert_eq!(accepted(&[&authority], &leaf, "name", at).is_ok(), holds, "{at}");
        let validity = leaf.certificate.validity;
        assert_eq!(!validity.early(at) && !validity.expired(at), holds, "{at}");
    }
}

#[test]
fn nothing_holds_longer_than_the_authority_that_signed_it() {
    let authority = Pair::authority(validity(30)).unwrap();
    let leaf = authority.sign(&Names::new().dns("name"), validity(90)).unwrap();
    assert_eq!(
        leaf.certificate.validity.not_after,
        authority.certificate.validity.not_after
    );
}

#[test]
fn what_an_authority_signed_cannot_sign_in_turn() {
    let authority = Pair::authority(validity(365)).unwrap();
    let leaf = authority.sign(&Names::new().dns("name"), validity(90)).unwrap();
    let forged = leaf.sign(&Names::new().dns("other"), validity(30)).unwrap();
    assert!(accepted(&[&authority], &forged, "other", now()).is_err());
}

#[test]
fn two_thirds_of_a_life_count_from_its_begin() {
    let validity = Validity {
        not_before: days(0),
        not_after: days(90),
    };
    assert_eq!(validity.due(), days(60));
}

#[test]
fn what_is_stored_is_read_again_and_keeps_its_key_to_itself() {
    let authority = Pair::authority(validity(365)).unwrap();
    let read = Pair::parse(&authority.certificate.pem, authority.key_pem()).unwrap();
    assert_eq!(read.certificate, authority.certificate);
    let shown = format!("{read:?}");
    assert!(!shown.contains("PRIVATE") && !shown.contains("key:"), "{shown}");
    // What has been read signs as before.
    let leaf = read.sign(&Names::new().dns("name"), validity(90)).unwrap();
    accepted(&[&authority], &leaf, "name", now()).unwrap();
}

#[test]
fn what_is_no_pair_is_refused_with_what_is_wrong() {
    let [one, other] = [(); 2].map(|()| Pair::authority(validity(365)).unwrap());
    let both = one.certificate.pem.clone() + &other.certificate.pem;
    let certificate = one.certificate.pem.as_str();
    let broken = certificate.replace("MII", "AAA");
    for (certificate, key, expected) in [
        ("", one.key_pem(), "there is no certificate"),
        (both.as_str(), one.key_pem(), "there is more than one certificate"),
        (broken.as_str(), one.key_pem(), ""),
        (&certificate[..200], one.key_pem(), ""),
        (certificate, "", ""),
        (
            certificate,
            other.key_pem(),
            "it is not the key of the certificate beside it",
        ),
    ] {
        let error = Pair::parse(certificate, key).unwrap_err().to_string();
        assert!(!error.is_empty() && error.contains(expected), "{error}");
    }
}

#[test]
fn a_name_that_is_none_is_an_error() {
    let authority = Pair::authority(validity(365)).unwrap();
    assert!(authority.sign(&Names::new().dns("näme"), validity(90)).is_err());
}
