mod holds;

use std::time::Duration;

use quaymaster_allocator::Intervals;
use quaymaster_api::{LabelSelector, OnExhausted, Operator, Policy, Requirement, State, Strategy};
use quaymaster_model::Interned;
use serde_json::{Value as Json, json};

use super::*;
use crate::Pool;
use crate::{AddressObject, Reservation};

mod given;

const SECOND: Duration = Duration::from_secs(1);

fn ip(text: &str) -> Value {
    Value::from(text.parse::<std::net::IpAddr>().unwrap())
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(Text::new("team-a"), Text::new(name))
}

fn span(first: &str, last: &str) -> Intervals {
    Intervals::new([ip(first).number..=ip(last).number])
}

fn pool(name: &str, serves: [Intervals; 3]) -> Pool {
    Pool {
        name: name.to_owned(),
        policy: Policy {
            strategy: Strategy::Sequential,
            ..Policy::default()
        },
        uses: vec![PortUse::NodePort, PortUse::LoadBalancer, PortUse::HealthCheck],
        quarantine: 300 * SECOND,
        serves,
    }
}

fn addresses(name: &str, first: &str, last: &str) -> Pool {
    let six = span(
        &first.replace("10.0.0.", "fd00::"),
        &last.replace("10.0.0.", "fd00::"),
    );
    pool(name, [span(first, last), six, Intervals::default()])
}

/// A cluster of both families, with a pool of four addresses of each and one of four ports, and the namespaces team-a and team-b.
struct Cluster {
    index: Index,
    now: Instant,
    requests: u32,
}

impl Cluster {
    fn new() -> Self {
        let mut index = Index::default();
        index.families = Some(Families {
            default: IpFamily::V4,
            both: true,
            single_cidr: true,
        });
        index.addresses_fed = Fed::Whole;
        index.ports_fed = Fed::Whole;
        index
            .addresses
            .set_pools(vec![addresses("blue", "10.0.0.1", "10.0.0.4")]);
        let ports = [
            Intervals::default(),
            Intervals::default(),
            Intervals::new([30_000..=30_003]),
        ];
        index.ports.set_pools(vec![pool("ports", ports)]);
        for team in ["team-a", "team-b"] {
            let labels = LabelSet::new([(Text::new("team"), Text::new(team))]);
            index.set_namespace(&Text::new(team), Some(Interned::from_value(labels)));
        }
        Self {
            index,
            now: Instant::now(),
            requests: 0,
        }
    }

    fn ask(&mut self, name: &str, object: &Json, old: Option<&Json>, dry_run: bool) -> Decision {
        let read = |json: &Json| Service::read(json.to_string().as_bytes()).unwrap();
        let (object, old) = (read(object), old.map(read));
        self.requests += 1;
        let uid = self.requests.to_string();
        let (namespace, name) = name.split_once('/').unwrap_or(("team-a", name));
        let ask = Ask {
            uid: &uid,
            operation: if old.is_some() {
                Operation::Update
            } else {
                Operation::Create
            },
            dry_run,
            namespace,
            name,
            object: &object,
            old: old.as_ref(),
        };
        review(&mut self.index, &ask, self.now, &mut || 0)
    }

    fn create(&mut self, name: &str, spec: &Json) -> Decision {
        self.ask(name, &json!({ "spec": spec }), None, false)
    }

    /// The Service is stored with what was filled in.
    fn stored(&mut self, name: &str, ips: &[&str]) {
        let values: Vec<Value> = ips.iter().map(|text| ip(text)).collect();
        self.index.addresses.set_service(&key(name), &values, self.now);
    }
}

fn told(decision: &Decision) -> String {
    match decision {
        Decision::Pass => "pass".to_owned(),
        Decision::Refuse(refusal) => format!("{} {}", refusal.status().0, refusal.label()),
        Decision::Fill(filled) => {
            let ips = filled.cluster_ips.iter().flatten().cloned();
            let ports = filled
                .node_ports
                .iter()
                .map(|(place, port)| format!("{place}:{port}"));
            let health = filled.health_check.map(|port| format!("health:{port}"));
            let all: Vec<String> = ips.chain(ports).chain(health).collect();
            all.join(" ")
        }
    }
}

#[test]
fn values_that_are_lacking_come_from_the_pools_and_none_comes_twice() {
    let mut cluster = Cluster::new();
    let balancer = json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local", "ipFamilyPolicy": "PreferDualStack",
        "ports": [{"name": "a", "port": 53}, {"name": "b", "port": 53, "protocol": "UDP"}, {"name": "c", "port": 80}]});
    assert_eq!(
        told(&cluster.create("one", &balancer)),
        "10.0.0.1 fd00::1 0:30000 1:30000 2:30001 health:30002"
    );
    assert_eq!(told(&cluster.create("two", &json!({}))), "10.0.0.2");
    assert_eq!(told(&cluster.create("", &json!({}))), "10.0.0.3");
    assert_eq!(
        told(&cluster.create("", &json!({"ipFamilies": ["IPv6"]}))),
        "fd00::2"
    );
    assert_eq!(
        told(&cluster.create("three", &json!({"clusterIP": "None"}))),
        "pass"
    );
}

#[test]
fn a_create_that_is_tried_again_gets_the_same_values_also_when_the_pool_is_full() {
    let mut cluster = Cluster::new();
    let spec = json!({"type": "NodePort", "ports": [{"port": 80}]});
    let first = told(&cluster.create("one", &spec));
    for name in ["two", "three", "four"] {
        assert_ne!(told(&cluster.create(name, &spec)), first);
    }
    cluster.now += 74 * SECOND;
    for _ in 0..3 {
        assert_eq!(told(&cluster.create("one", &spec)), first);
    }
    assert_eq!(told(&cluster.create("five", &spec)), "422 exhausted");
    // What was never stored is free again after a while; what is asked for again and again is kept.
    cluster.now += SECOND;
    assert_eq!(told(&cluster.create("five", &json!({}))), "10.0.0.2");
}

#[test]
fn an_address_that_the_apiserver_holds_for_the_service_already_is_not_given_again() {
    let mut cluster = Cluster::new();
    assert_eq!(told(&cluster.create("one", &json!({}))), "10.0.0.1");
    let object = AddressObject::Allocators(Some(key("one")));
    cluster.index.addresses.set_object(ip("10.0.0.1"), Some(object));
    assert_eq!(told(&cluster.create("one", &json!({}))), "10.0.0.2");
}

#[test]
fn a_full_pool_is_named_with_a_way_out() {
    let mut cluster = Cluster::new();
    for n in 0..4 {
        assert!(matches!(
            cluster.create(&format!("s{n}"), &json!({})),
            Decision::Fill(_)
        ));
    }
    let Decision::Refuse(refusal) = cluster.create("late", &json!({})) else {
        panic!("given")
    };
    assert_eq!(
        refusal.to_string(),
        "no IPv4 address is free for Service team-a/late: ServiceIPPool blue has none of 4 left; give the pool more, delete \
         Services that use it, or name another pool with the annotation quaymaster.io/pool"
    );
    // Nothing is taken by a request that is refused: of both families neither.
    assert_eq!(
        told(&cluster.create(
            "late",
            &json!({"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv6"]})
        )),
        "422 exhausted"
    );
    assert_eq!(
        told(&cluster.create("six", &json!({"ipFamilies": ["IPv6"]}))),
        "fd00::1"
    );
}

#[test]
fn what_is_exhausted_leads_where_the_pool_says() {
    for (on_exhausted, expected) in [
        (OnExhausted::NextPool, "10.0.0.9"),
        (OnExhausted::Reject, "422 exhausted"),
        (OnExhausted::BuiltIn, "pass"),
    ] {
        let mut cluster = Cluster::new();
        let mut first = addresses("first", "10.0.0.8", "10.0.0.8");
        first.policy.on_exhausted = on_exhausted;
        first.policy.priority = 1;
        cluster
            .index
            .addresses
            .set_pools(vec![addresses("second", "10.0.0.9", "10.0.0.9"), first]);
        assert_eq!(told(&cluster.create("one", &json!({}))), "10.0.0.8");
        assert_eq!(told(&cluster.create("two", &json!({}))), expected);
    }
}

/// A pool of one address for Services of one namespace.
fn of_team(name: &str, team: &str, ip: &str) -> Pool {
    let mut pool = addresses(name, ip, ip);
    pool.policy.namespace_selector = Some(LabelSelector {
        match_expressions: vec![Requirement {
            key: "team".to_owned(),
            operator: Operator::In,
            values: vec![team.to_owned()],
        }],
        ..LabelSelector::default()
    });
    pool
}

#[test]
fn each_namespace_draws_from_the_pools_that_select_it() {
    let mut cluster = Cluster::new();
    cluster.index.addresses.set_pools(vec![
        of_team("a", "team-a", "10.0.0.1"),
        of_team("b", "team-b", "10.0.0.2"),
    ]);
    assert_eq!(told(&cluster.create("team-b/web", &json!({}))), "10.0.0.2");
    assert_eq!(told(&cluster.create("team-a/web", &json!({}))), "10.0.0.1");
    assert_eq!(
        told(&cluster.create("unseen/web", &json!({}))),
        "503 namespace_unknown"
    );
    cluster.index.set_namespace(
        &Text::new("unseen"),
        Some(Interned::from_value(LabelSet::empty())),
    );
    assert_eq!(told(&cluster.create("unseen/web", &json!({}))), "pass");
}

#[test]
fn whom_an_exclusive_pool_serves_draws_from_it_alone() {
    let mut cluster = Cluster::new();
    let mut exclusive = of_team("theirs", "team-b", "10.0.0.8");
    exclusive.policy.exclusive = true;
    exclusive.policy.priority = 200;
    let pools = vec![addresses("all", "10.0.0.1", "10.0.0.4"), exclusive];
    cluster.index.addresses.set_pools(pools);
    assert_eq!(told(&cluster.create("team-b/one", &json!({}))), "10.0.0.8");
    assert_eq!(told(&cluster.create("team-b/two", &json!({}))), "422 exhausted");
    assert_eq!(told(&cluster.create("one", &json!({}))), "10.0.0.1");
}

#[test]
fn a_pool_that_is_named_serves_if_it_may() {
    let mut cluster = Cluster::new();
    let of = |name: &str, state, ip: &str| {
        let mut pool = of_team(name, "team-a", ip);
        pool.policy.state = state;
        pool
    };
    cluster.index.addresses.set_pools(vec![
        of("active", State::Active, "10.0.0.1"),
        of("manual", State::Manual, "10.0.0.2"),
        of("draining", State::Draining, "10.0.0.3"),
        of("disabled", State::Disabled, "10.0.0.4"),
    ]);
    let mut named = |service: &str, pool: &str| {
        let object = json!({"metadata": {"annotations": {"quaymaster.io/pool": pool}}, "spec": {}});
        told(&cluster.ask(service, &object, None, true))
    };
    assert_eq!(named("web", "manual"), "10.0.0.2");
    assert_eq!(named("web", "active"), "10.0.0.1");
    assert_eq!(named("web", "draining"), "422 closed");
    assert_eq!(named("web", "disabled"), "422 closed");
    assert_eq!(named("web", "nowhere"), "422 no_such_pool");
    assert_eq!(named("team-b/web", "manual"), "403 not_admitted");
    // Unnamed, only the active one serves.
    assert_eq!(named("web", ""), "10.0.0.1");
}

#[test]
fn a_dry_run_takes_nothing_and_of_several_service_cidrs_gives_no_address() {
    let mut cluster = Cluster::new();
    let object = json!({"spec": {"type": "NodePort", "ports": [{"port": 80}]}});
    for _ in 0..3 {
        assert_eq!(told(&cluster.ask("dry", &object, None, true)), "10.0.0.1 0:30000");
    }
    cluster.index.families.as_mut().unwrap().single_cidr = false;
    assert_eq!(told(&cluster.ask("dry", &object, None, true)), "0:30000");
    assert_eq!(
        told(&cluster.ask("wet", &object, None, false)),
        "10.0.0.1 0:30000"
    );
}

#[test]
fn of_an_update_that_the_apiserver_repeats_only_the_first_attempt_gets_values() {
    let mut cluster = Cluster::new();
    let old = json!({"metadata": {"uid": "u"}, "spec": {"type": "ExternalName", "externalName": "a.b"}});
    let object = json!({"spec": {"type": "NodePort", "ports": [{"port": 80}]}});
    assert_eq!(
        told(&cluster.ask("one", &object, Some(&old), false)),
        "10.0.0.1 0:30000"
    );
    assert_eq!(
        told(&cluster.ask("one", &object, Some(&old), false)),
        "409 repeated"
    );
    // A dry run is no attempt.
    assert_eq!(
        told(&cluster.ask("one", &object, Some(&old), true)),
        "10.0.0.1 0:30001"
    );
    cluster.now += 2 * SECOND;
    // The port may be lost with the apiserver; the address is known not to be.
    assert_eq!(
        told(&cluster.ask("one", &object, Some(&old), false)),
        "10.0.0.1 0:30001"
    );
}

#[test]
fn an_update_is_refused_as_long_as_the_apiserver_holds_an_address_that_an_earlier_one_left() {
    let mut cluster = Cluster::new();
    let old = json!({"metadata": {"uid": "u"}, "spec": {"type": "ExternalName", "externalName": "a.b"}});
    let object = json!({"spec": {}});
    cluster.index.addresses.set_service(&key("one"), &[], cluster.now);
    let left = AddressObject::Allocators(Some(key("one")));
    cluster.index.addresses.set_object(ip("10.0.0.3"), Some(left));
    assert_eq!(told(&cluster.ask("one", &object, Some(&old), false)), "409 stray");
    cluster.index.addresses.set_object(ip("10.0.0.3"), None);
    assert_eq!(told(&cluster.ask("one", &object, Some(&old), false)), "10.0.0.1");
}

#[test]
fn a_second_family_comes_beside_the_first_and_a_released_port_is_not_given_back_at_once() {
    let mut cluster = Cluster::new();
    let of = |policy: &str, ports: Json| {
        json!({"metadata": {"uid": "u"}, "spec": {"type": "NodePort", "clusterIP": "10.0.0.9",
        "clusterIPs": ["10.0.0.9"], "ipFamilies": ["IPv4"], "ipFamilyPolicy": policy, "ports": ports}})
    };
    let old = of(
        "SingleStack",
        json!([{"name": "a", "port": 80, "nodePort": 30000}]),
    );
    let object = of("PreferDualStack", json!([{"name": "b", "port": 80}]));
    assert_eq!(
        told(&cluster.ask("one", &object, Some(&old), false)),
        "10.0.0.9 fd00::1 0:30001"
    );
}

#[test]
fn a_service_that_is_made_again_gets_what_it_had_where_the_pool_keeps_it() {
    let mut cluster = Cluster::new();
    let mut retaining = addresses("blue", "10.0.0.1", "10.0.0.4");
    retaining.policy.retain.seconds_after_delete = 600;
    cluster.index.addresses.set_pools(vec![retaining]);
    cluster.stored("one", &["10.0.0.3"]);
    cluster.stored("one", &[]);
    assert_eq!(told(&cluster.create("two", &json!({}))), "10.0.0.1");
    assert_eq!(told(&cluster.create("one", &json!({}))), "10.0.0.3");
}

#[test]
fn nothing_is_given_before_everything_is_known() {
    let mut cluster = Cluster::new();
    cluster.index.ports_fed = Fed::NotYet;
    assert_eq!(told(&cluster.create("one", &json!({}))), "10.0.0.1");
    let ports = json!({"type": "NodePort", "ports": [{"port": 80}]});
    assert_eq!(told(&cluster.create("one", &ports)), "503 not_ready");
    cluster.index.families = None;
    assert_eq!(told(&cluster.create("one", &json!({}))), "503 not_ready");
    cluster.index.addresses_fed = Fed::Never;
    assert_eq!(told(&cluster.create("one", &json!({}))), "pass");
    cluster.index.ports_fed = Fed::Whole;
    assert_eq!(told(&cluster.create("one", &ports)), "0:30000");
}
