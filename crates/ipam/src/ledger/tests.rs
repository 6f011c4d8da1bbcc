use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use quaymaster_allocator::{Intervals, Reason};
use quaymaster_api::{Policy, Strategy as Which};
use quaymaster_model::Text;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(Text::new("team"), Text::new(name))
}

fn pool(name: &str, first: u128, last: u128, strategy: Which, quarantine: u32) -> Pool {
    Pool {
        name: name.to_owned(),
        policy: Policy {
            strategy,
            ..Policy::default()
        },
        uses: Vec::new(),
        quarantine: quarantine * SECOND,
        serves: [
            Intervals::default(),
            Intervals::default(),
            Intervals::new([first..=last]),
        ],
    }
}

fn port(number: u16) -> Value {
    Value::port(number)
}

/// A ledger of ports 10 to 13.
fn ledger(strategy: Which, quarantine: u32) -> Ledger {
    let mut ledger = Ledger::default();
    ledger.set_pools(vec![pool("four", 10, 13, strategy, quarantine)]);
    ledger
}

fn next(ledger: &mut Ledger, now: Instant) -> Option<u16> {
    let chosen = ledger.choose(0, Class::Port, Given::default(), now, &[])?;
    chosen.value.node_port()
}

fn grant(ledger: &mut Ledger, name: &str, number: u16, now: Instant) {
    let grant = Grant {
        slot: Slot::NodePort(80),
        value: port(number),
    };
    ledger.grant(&Owner::Named(key(name)), &[grant], now);
}

#[test]
fn what_is_handed_out_waits_for_its_service_and_then_is_its_own_or_free() {
    let (mut ledger, now) = (ledger(Which::Random, 0), Instant::now());
    grant(&mut ledger, "a", 10, now);
    grant(&mut ledger, "b", 11, now);
    assert_eq!(next(&mut ledger, now), Some(12));
    ledger.set_service(&key("a"), &[port(10)], now);
    // Of b another one was stored.
    ledger.set_service(&key("b"), &[port(13)], now);
    assert_eq!(ledger.holder(port(10)), Some(Holder::Service(&key("a"))));
    assert_eq!(
        (ledger.holder(port(11)), ledger.granted(&key("b"))),
        (None, &[][..])
    );
    grant(&mut ledger, "c", 11, now);
    ledger.expire(now + 74 * SECOND);
    assert!(matches!(ledger.holder(port(11)), Some(Holder::Pending(_))));
    ledger.expire(now + PENDING);
    assert_eq!(
        (ledger.holder(port(11)), ledger.granted(&key("c"))),
        (None, &[][..])
    );
    // What a Service has is not freed with the time of what it was handed out for.
    assert_eq!(ledger.holder(port(10)), Some(Holder::Service(&key("a"))));
}

#[test]
fn a_value_that_is_handed_out_again_waits_anew() {
    let (mut ledger, now) = (ledger(Which::Random, 0), Instant::now());
    grant(&mut ledger, "a", 10, now);
    grant(&mut ledger, "a", 10, now + 10 * SECOND);
    ledger.expire(now + PENDING);
    assert!(ledger.holder(port(10)).is_some());
    ledger.expire(now + PENDING + 10 * SECOND);
    assert!(ledger.holder(port(10)).is_none());
}

#[test]
fn what_is_released_rests_also_over_a_change_of_the_pool() {
    let (mut ledger, now) = (ledger(Which::Random, 300), Instant::now());
    ledger.set_service(&key("a"), &[port(10)], now);
    ledger.remove_service(&key("a"), now);
    assert_eq!(ledger.holder(port(10)), Some(Holder::Released(&key("a"))));
    assert_eq!(ledger.counts(0, Class::Port).of(Reason::Quarantined), 1);
    ledger.set_pools(vec![pool("four", 9, 13, Which::Random, 200)]);
    assert_eq!(ledger.next_expiry(), Some(now + 200 * SECOND));
    ledger.expire(now + 199 * SECOND);
    assert_eq!(ledger.counts(0, Class::Port).free(), 4);
    ledger.expire(now + 200 * SECOND);
    assert_eq!(ledger.counts(0, Class::Port).free(), 5);
}

#[test]
fn the_least_recently_used_value_comes_after_those_that_nobody_had() {
    let (mut ledger, now) = (ledger(Which::LeastRecent, 10), Instant::now());
    for (name, number, after) in [("a", 12, 0), ("b", 10, 5)] {
        ledger.set_service(&key(name), &[port(number)], now);
        ledger.remove_service(&key(name), now + after * SECOND);
    }
    ledger.set_service(&key("c"), &[port(11)], now);
    assert_eq!(next(&mut ledger, now + 60 * SECOND), Some(13));
    ledger.set_service(&key("d"), &[port(13)], now);
    assert_eq!(next(&mut ledger, now + 9 * SECOND), None);
    assert_eq!(next(&mut ledger, now + 10 * SECOND), Some(12));
    ledger.set_service(&key("e"), &[port(12)], now);
    assert_eq!(next(&mut ledger, now + 14 * SECOND), None);
    assert_eq!(next(&mut ledger, now + 15 * SECOND), Some(10));
}

#[test]
fn a_request_for_two_values_gets_the_two_that_were_released_first() {
    let (mut ledger, now) = (ledger(Which::LeastRecent, 0), Instant::now());
    for number in [12, 10, 13, 11] {
        ledger.set_service(&key("a"), &[port(number)], now);
    }
    ledger.remove_service(&key("a"), now);
    let mut choose = |avoid: &[u16]| {
        let avoid: Vec<Value> = avoid.iter().map(|number| port(*number)).collect();
        let chosen = ledger.choose(0, Class::Port, Given::default(), now, &avoid)?;
        chosen.value.node_port()
    };
    let order: Vec<Option<u16>> = [&[][..], &[12], &[12, 10], &[12, 10, 13], &[12, 10, 13, 11]]
        .map(&mut choose)
        .into();
    assert_eq!(order, [Some(12), Some(10), Some(13), Some(11), None]);
}

#[test]
fn what_is_told_of_a_service_once_more_takes_nothing_back_that_was_handed_out_to_it() {
    let (mut ledger, now) = (ledger(Which::Random, 0), Instant::now());
    ledger.set_service(&key("a"), &[port(10)], now);
    grant(&mut ledger, "a", 11, now);
    ledger.set_service(&key("a"), &[port(10)], now);
    assert!(matches!(ledger.holder(port(11)), Some(Holder::Pending(_))));
    // Nor does one request take back what another one was given.
    ledger.take_back(port(11), &Owner::Named(key("b")));
    ledger.set_unclaimed(port(11));
    assert!(matches!(ledger.holder(port(11)), Some(Holder::Pending(_))));
    ledger.take_back(port(11), &Owner::Named(key("a")));
    assert_eq!(ledger.holder(port(11)), None);
}

#[test]
fn a_value_is_kept_for_the_service_that_had_it_as_long_as_the_pool_says() {
    let mut ledger = Ledger::default();
    let mut retaining = pool("four", 10, 13, Which::Random, 10);
    retaining.policy.retain.seconds_after_delete = 60;
    ledger.set_pools(vec![retaining]);
    let now = Instant::now();
    ledger.set_service(&key("a"), &[port(11)], now);
    ledger.remove_service(&key("a"), now);
    let kept = |ledger: &Ledger, name: &str, after: u32| {
        let chosen = ledger.retained(&key(name), Class::Port, now + after * SECOND)?;
        chosen.value.node_port()
    };
    assert_eq!(kept(&ledger, "a", 59), Some(11));
    assert_eq!(kept(&ledger, "b", 0), None);
    assert_eq!(kept(&ledger, "a", 60), None);
    // Beyond the quarantine nobody else gets it either.
    ledger.expire(now + 11 * SECOND);
    assert_ne!(next(&mut ledger, now + 11 * SECOND), Some(11));
    ledger.expire(now + 60 * SECOND);
    assert_eq!(ledger.counts(0, Class::Port).free(), 4);
}

#[test]
fn a_service_with_the_value_of_another_one_is_told_and_the_value_is_free_only_without_both() {
    let (mut ledger, now) = (ledger(Which::Random, 0), Instant::now());
    ledger.set_service(&key("a"), &[port(10)], now);
    ledger.set_service(&key("b"), &[port(10)], now);
    let duplicates: Vec<_> = ledger
        .duplicates()
        .map(|(value, users)| (value, users.to_vec()))
        .collect();
    assert_eq!(duplicates, [(port(10), vec![key("a"), key("b")])]);
    ledger.remove_service(&key("a"), now);
    assert_eq!(ledger.holder(port(10)), Some(Holder::Service(&key("b"))));
    ledger.remove_service(&key("b"), now);
    assert_eq!(ledger.holder(port(10)), None);
}

#[test]
fn an_ip_address_that_its_service_never_listed_is_stray_and_one_that_it_released_is_not() {
    let mut ledger = Ledger::default();
    let address = |text: &str| Value::from(text.parse::<std::net::IpAddr>().unwrap());
    let (one, other) = (address("10.0.0.1"), address("10.0.0.2"));
    let of_a = || Some(AddressObject::Allocators(Some(key("a"))));
    let now = Instant::now();
    // Usually the IPAddress is seen before its Service.
    ledger.set_object(one, of_a());
    assert!(ledger.stray(&key("a")).is_empty());
    ledger.set_service(&key("a"), &[one], now);
    assert!(ledger.stray(&key("a")).is_empty());
    ledger.set_object(other, of_a());
    assert_eq!(ledger.stray(&key("a")), [other]);
    // It becomes an ExternalName: the address goes, and its IPAddress a moment later.
    ledger.set_service(&key("a"), &[], now);
    assert_eq!(ledger.stray(&key("a")), [other]);
    ledger.set_object(one, None);
    ledger.set_object(one, of_a());
    assert_eq!(ledger.stray(&key("a")), [other, one]);
    // A Service of the same name that comes later has nothing to do with it.
    ledger.remove_service(&key("a"), now);
    assert!(ledger.stray(&key("a")).is_empty());
    ledger.set_service(&key("a"), &[], now);
    assert!(ledger.stray(&key("a")).is_empty());
    ledger.set_object(one, None);
    ledger.set_object(other, None);
    assert_eq!((ledger.holder(one), ledger.holder(other)), (None, None));
}

#[test]
fn of_several_pools_each_value_is_of_one_or_of_none() {
    let mut ledger = Ledger::default();
    let order = Which::Random;
    ledger.set_pools(vec![pool("b", 20, 29, order, 0), pool("a", 10, 19, order, 0)]);
    let of = |number| ledger.pool_of(port(number));
    assert_eq!(
        [9, 10, 19, 20, 29, 30].map(of),
        [None, Some(1), Some(1), Some(0), Some(0), None]
    );
}

#[derive(Clone, Debug)]
enum Step {
    Grant(u8, u16),
    Service(u8, BTreeSet<u16>),
    Reserve(u16, bool),
    Wait(u32),
    Pools(u128),
}

fn step() -> impl Strategy<Value = Step> {
    let port = 10_u16..26;
    prop_oneof![
        (0_u8..4, port.clone()).prop_map(|(name, port)| Step::Grant(name, port)),
        (0_u8..4, proptest::collection::btree_set(port.clone(), 0..3))
            .prop_map(|(name, ports)| Step::Service(name, ports)),
        (port, any::<bool>()).prop_map(|(port, reserved)| Step::Reserve(port, reserved)),
        (0_u32..40).prop_map(Step::Wait),
        (12_u128..22).prop_map(Step::Pools),
    ]
}

/// What a ledger says, by plain tables.
#[derive(Default)]
struct Naive {
    services: BTreeMap<u8, BTreeSet<u16>>,
    pending: BTreeMap<u16, (u8, Instant)>,
    released: BTreeMap<u16, Instant>,
    reserved: BTreeSet<u16>,
}

impl Naive {
    fn users(&self, port: u16) -> usize {
        self.services
            .values()
            .filter(|ports| ports.contains(&port))
            .count()
    }

    fn free(&self, port: u16) -> bool {
        self.users(port) == 0
            && !self.pending.contains_key(&port)
            && !self.released.contains_key(&port)
            && !self.reserved.contains(&port)
    }
}

proptest! {
    #[test]
    fn it_says_what_plain_tables_say(steps in proptest::collection::vec(step(), 1..60)) {
        let order = Which::Random;
        let split = |at| vec![pool("low", 10, at, order, 30), pool("high", at + 1, 25, order, 30)];
        let (mut ledger, mut naive) = (Ledger::default(), Naive::default());
        ledger.set_pools(split(15));
        let mut now = Instant::now();
        for step in steps {
            match step {
                Step::Grant(name, number) => {
                    // What is handed out is free.
                    if naive.free(number) {
                        let owned = key(&name.to_string());
                        for grant in ledger.granted(&owned).to_vec() {
                            // A Service that is asked for again keeps what it was given.
                            prop_assert!(matches!(ledger.holder(grant.value), Some(Holder::Pending(_))));
                        }
                        if ledger.granted(&owned).is_empty() {
                            grant(&mut ledger, &name.to_string(), number, now);
                            naive.pending.insert(number, (name, now + PENDING));
                        }
                    }
                }
                Step::Service(name, ports) => {
                    let values: Vec<Value> = ports.iter().map(|number| port(*number)).collect();
                    ledger.set_service(&key(&name.to_string()), &values, now);
                    let before = naive.services.insert(name, ports.clone()).unwrap_or_default();
                    for number in &ports {
                        naive.pending.remove(number);
                        naive.released.remove(number);
                    }
                    // Only news of its values.
                    if ports.difference(&before).next().is_some() {
                        naive.pending.retain(|_, (owner, _)| *owner != name);
                    }
                    for number in before.difference(&ports) {
                        if naive.users(*number) == 0 {
                            naive.released.insert(*number, now);
                        }
                    }
                }
                Step::Reserve(number, reserved) => {
                    ledger.set_reserved(port(number), reserved.then(|| key("r")));
                    if reserved { naive.reserved.insert(number); } else { naive.reserved.remove(&number); }
                }
                Step::Wait(seconds) => {
                    now += seconds * SECOND;
                    ledger.expire(now);
                    naive.pending.retain(|_, (_, until)| *until > now);
                    naive.released.retain(|_, at| *at + 30 * SECOND > now);
                }
                Step::Pools(at) => ledger.set_pools(split(at)),
            }
            // What was released before something else kept it from being given may be due at once.
            ledger.expire(now);
            naive.released.retain(|_, at| *at + 30 * SECOND > now);
            let free: u128 = (0..2).map(|pool| ledger.counts(pool, Class::Port).free()).sum();
            let room: u128 = (0..2).map(|pool| ledger.room(pool, Class::Port).0).sum();
            let expected: BTreeSet<u16> = (10..26).filter(|number| naive.free(*number)).collect();
            prop_assert_eq!(free, expected.len() as u128);
            prop_assert_eq!(room, expected.len() as u128);
            for place in 0..2 {
                if let Some(chosen) = ledger.choose(place, Class::Port, Given::default(), now, &[]) {
                    let number = chosen.value.node_port().unwrap();
                    prop_assert!(expected.contains(&number) && ledger.pool_of(chosen.value) == Some(place));
                }
            }
            let duplicates: BTreeSet<u16> = ledger.duplicates().filter_map(|(value, _)| value.node_port()).collect();
            let expected: BTreeSet<u16> = (10..26).filter(|number| naive.users(*number) > 1).collect();
            prop_assert_eq!(duplicates, expected);
        }
    }
}
