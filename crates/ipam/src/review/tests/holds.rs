//! Holds that have to go before an answer.

use super::*;

#[test]
fn holds_of_what_is_given_to_whom_it_is_held_for_are_named_and_no_others() {
    let mut cluster = Cluster::new();
    let held = |cluster: &mut Cluster, name: &str, spec: Json, dry_run| match cluster.ask(
        name,
        &json!({ "spec": spec }),
        None,
        dry_run,
    ) {
        Decision::Fill(filled) => filled.holds,
        _ => Vec::new(),
    };
    let reservation = Reservation {
        addresses: vec![ip("10.0.0.4")],
        ..Reservation::default()
    };
    cluster.index.set_reservation(&key("mine"), Some(reservation));
    cluster.stored("web", &["10.0.0.3"]);
    cluster.stored("web", &[]);
    for address in ["10.0.0.2", "10.0.0.3", "10.0.0.4"] {
        let object = Some(AddressObject::Hold);
        cluster.index.addresses.set_object(ip(address), object);
    }
    let given = |ip: &str| json!({ "clusterIP": ip });
    assert_eq!(held(&mut cluster, "mine", given("10.0.0.4"), true), []);
    assert_eq!(
        held(&mut cluster, "mine", given("10.0.0.4"), false),
        [ip("10.0.0.4")]
    );
    assert_eq!(
        held(&mut cluster, "web", given("10.0.0.3"), false),
        [ip("10.0.0.3")]
    );
    // Nobody knows whom this one is held for.
    assert_eq!(held(&mut cluster, "web", given("10.0.0.2"), false), []);
    assert_eq!(held(&mut cluster, "mine", json!({}), true), []);
    assert_eq!(held(&mut cluster, "mine", json!({}), false), [ip("10.0.0.4")]);
    assert_eq!(held(&mut cluster, "other", json!({}), false), []);
}
