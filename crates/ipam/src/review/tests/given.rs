//! Values that are given or reserved.

use super::*;

#[test]
fn what_is_reserved_is_for_its_service_alone() {
    let mut cluster = Cluster::new();
    let reservation = Reservation {
        addresses: vec![ip("10.0.0.1"), ip("fd00::77")],
        node_ports: vec![("web".to_owned(), Value::port(30_000))],
        health_check: None,
    };
    cluster.index.set_reservation(&key("mine"), Some(reservation));
    assert_eq!(told(&cluster.create("other", &json!({}))), "10.0.0.2");
    let given = |ip: &str| json!({ "clusterIP": ip });
    assert_eq!(told(&cluster.create("other", &given("10.0.0.1"))), "403 reserved");
    let spec = json!({"type": "NodePort", "ipFamilyPolicy": "RequireDualStack", "ports": [{"name": "web", "port": 80}]});
    assert_eq!(told(&cluster.create("mine", &spec)), "10.0.0.1 fd00::77 0:30000");
    assert_eq!(told(&cluster.create("mine", &given("10.0.0.1"))), "pass");
    cluster.index.set_reservation(&key("mine"), None);
    cluster
        .index
        .addresses
        .set_service(&key("thief"), &[ip("10.0.0.1")], cluster.now);
    cluster.index.set_reservation(
        &key("mine"),
        Some(Reservation {
            addresses: vec![ip("10.0.0.1")],
            ..Reservation::default()
        }),
    );
    assert_eq!(
        told(&cluster.create("mine", &json!({}))),
        "422 reservation_conflict"
    );
}

#[test]
fn a_given_value_must_be_canonical_rested_and_of_no_exclusive_pool_of_others() {
    let mut cluster = Cluster::new();
    let mut exclusive = of_team("theirs", "team-b", "10.0.0.8");
    exclusive.policy.exclusive = true;
    let pools = vec![addresses("blue", "10.0.0.1", "10.0.0.4"), exclusive];
    cluster.index.addresses.set_pools(pools);
    let given = |cluster: &mut Cluster, name: &str, ip: &str| {
        told(&cluster.create(name, &json!({ "clusterIP": ip })))
    };
    assert_eq!(given(&mut cluster, "one", "10.0.0.8"), "403 out_of_bounds");
    assert_eq!(given(&mut cluster, "team-b/one", "10.0.0.8"), "pass");
    assert_eq!(given(&mut cluster, "one", "fd00:0::1"), "422 not_canonical");
    assert_eq!(given(&mut cluster, "one", "fd00::1"), "pass");
    assert_eq!(given(&mut cluster, "one", "nonsense"), "pass");
    cluster.stored("gone", &["10.0.0.2"]);
    cluster.stored("gone", &[]);
    assert_eq!(given(&mut cluster, "one", "10.0.0.2"), "422 quarantined");
    assert_eq!(given(&mut cluster, "gone", "10.0.0.2"), "pass");
    // A Service keeps what it has, canonical or not.
    let old = json!({"spec": {"clusterIP": "fd00:0::1", "clusterIPs": ["fd00:0::1"]}});
    assert_eq!(told(&cluster.ask("one", &old, Some(&old), false)), "pass");
}
