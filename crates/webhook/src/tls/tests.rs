use super::*;
use jiff::SignedDuration;

use crate::authority::{Names, Pair, Validity};

fn pair() -> Pair {
    let day = SignedDuration::from_hours(24);
    let validity = Validity::from("2026-06-01T12:00:00Z".parse().unwrap(), day, day);
    let authority = Pair::authority(validity).unwrap();
    authority.sign(&Names::new().dns("name"), validity).unwrap()
}

#[test]
fn a_certificate_with_its_key_is_read_and_the_key_not_shown() {
    let pair = pair();
    let identity = Identity::from_pem(pair.certificate.pem.as_bytes(), pair.key_pem().as_bytes()).unwrap();
    assert_eq!(identity.not_after(), pair.certificate.validity.not_after);
    let shown = format!("{identity:?}");
    assert!(
        shown.contains("2026-06-02T12:00:00Z") && !shown.contains("key"),
        "{shown}"
    );
}

#[test]
fn what_cannot_be_served_is_refused_and_what_was_served_stays() {
    let [one, other] = [(); 2].map(|()| pair());
    let (certificate, key) = (one.certificate.pem.as_bytes(), one.key_pem().as_bytes());
    for (certificate, key, expected) in [
        (
            &b""[..],
            key,
            "the serving certificate cannot be read: there is none",
        ),
        (
            &certificate[..100],
            key,
            "the serving certificate cannot be read: ",
        ),
        (
            certificate,
            b"",
            "the key of the serving certificate cannot be read: ",
        ),
    ] {
        let error = Identity::from_pem(certificate, key).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let certificates = Certificates::new();
    assert!(certificates.config().is_none());
    certificates
        .set(&Identity::from_pem(certificate, key).unwrap())
        .unwrap();
    let mixed = Identity::from_pem(other.certificate.pem.as_bytes(), key).unwrap();
    let error = certificates.set(&mixed).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the serving certificate cannot be used with its key"
    );
    assert_eq!(certificates.not_after(), Some(one.certificate.validity.not_after));
    let served = Identity::from_pem(certificate, key).unwrap().chain;
    assert_eq!(certificates.read().unwrap().leaf, served[0]);
}
