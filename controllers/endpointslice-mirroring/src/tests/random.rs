//! Random Endpoints over random slices: in the end the slices are those of a naive computation, no address that stays was
//! missing on the way, and nothing is left to be written.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use quaymaster_engine::Request;
use quaymaster_runtime::api::{Verb, WriteError};
use serde_json::{Value, json};

use super::cluster::{Cluster, subset};

/// A subset: addresses by their last number, ready or not, and numbers of ports.
type Given = (BTreeMap<u8, bool>, BTreeSet<u8>);

fn given() -> impl Strategy<Value = Vec<Given>> {
    let addresses = prop::collection::btree_map(0_u8..8, any::<bool>(), 0..5);
    let ports = prop::collection::btree_set(0_u8..3, 0..3);
    prop::collection::vec((addresses, ports), 0..4)
}

/// Even ones are of the first family.
fn ip(number: u8) -> String {
    if number.is_multiple_of(2) {
        format!("10.0.0.{number}")
    } else {
        format!("fd00::{number}")
    }
}

fn subsets(given: &[Given]) -> Value {
    let subset = |(addresses, ports): &Given| {
        let of = |wanted: bool| -> Vec<String> {
            let these = addresses.iter().filter(|(_, ready)| **ready == wanted);
            these.map(|(number, _)| ip(*number)).collect()
        };
        let (ready, not_ready) = (of(true), of(false));
        let ready: Vec<&str> = ready.iter().map(String::as_str).collect();
        let not_ready: Vec<&str> = not_ready.iter().map(String::as_str).collect();
        let names: Vec<String> = ports.iter().map(|port| format!("p{port}")).collect();
        let ports: Vec<(&str, i32)> = names
            .iter()
            .zip(ports)
            .map(|(name, port)| (name.as_str(), 80 + i32::from(*port)))
            .collect();
        subset(&ready, &not_ready, &ports)
    };
    json!(given.iter().map(subset).collect::<Vec<_>>())
}

/// For each port the addresses that have it, and whether they are ready: one that is not for one subset is not. None is the
/// port of those that have none.
fn by_port(given: &[Given]) -> BTreeMap<Option<u8>, BTreeMap<u8, bool>> {
    let mut by_port: BTreeMap<Option<u8>, BTreeMap<u8, bool>> = BTreeMap::new();
    for (addresses, ports) in given {
        let none = ports.is_empty().then_some(None);
        for port in ports.iter().map(|port| Some(*port)).chain(none) {
            for (address, ready) in addresses {
                let held = by_port.entry(port).or_default().entry(*address).or_insert(true);
                *held &= *ready;
            }
        }
    }
    by_port
}

/// The slices as they are to be in the end, as [`Cluster::shown`] shows them.
fn naive(given: &[Given]) -> Vec<String> {
    // Ports with the same addresses are one set. Those without ports join whoever has the same addresses.
    let mut sets: BTreeMap<BTreeMap<u8, bool>, BTreeSet<u8>> = BTreeMap::new();
    for (port, addresses) in by_port(given) {
        sets.entry(addresses).or_default().extend(port);
    }
    let mut slices = Vec::new();
    for (addresses, ports) in sets {
        for (family, rest) in [("IPv4", 0), ("IPv6", 1)] {
            let these = addresses.iter().filter(|(number, _)| *number % 2 == rest);
            let mut endpoints: Vec<String> = these
                .map(|(number, ready)| format!("{}{}", ip(*number), if *ready { "" } else { "!" }))
                .collect();
            if endpoints.is_empty() {
                continue;
            }
            endpoints.sort();
            let ports: Vec<String> = ports
                .iter()
                .map(|port| format!("p{port}:{}", 80 + i32::from(*port)))
                .collect();
            slices.push(format!("{family} {} = {}", ports.join(" "), endpoints.join(" ")));
        }
    }
    slices.sort();
    slices
}

/// Addresses that are ready somewhere, before and after, and of no port that they keep less ready than they were.
fn staying(before: &[Given], after: &[Given]) -> BTreeSet<String> {
    let (before, after) = (by_port(before), by_port(after));
    let ready = |by_port: &BTreeMap<Option<u8>, BTreeMap<u8, bool>>| -> BTreeSet<u8> {
        let all = by_port.values().flatten();
        all.filter(|(_, ready)| **ready)
            .map(|(number, _)| *number)
            .collect()
    };
    let sinks = |number: &u8| {
        let mut ports = before.iter();
        ports.any(|(port, addresses)| {
            let then = after.get(port).and_then(|addresses| addresses.get(number));
            addresses.get(number) == Some(&true) && then == Some(&false)
        })
    };
    let both: Vec<u8> = ready(&before).intersection(&ready(&after)).copied().collect();
    both.into_iter().filter(|number| !sinks(number)).map(ip).collect()
}

/// What happens between a decision and its answer.
#[derive(Debug, Clone)]
enum Event {
    /// The Endpoints change.
    Change(Vec<Given>),
    /// So many requests are sent at most.
    Plan(usize),
    /// One of the requests under way is answered.
    Answer(usize, Answer),
}

#[derive(Debug, Clone, Copy)]
enum Answer {
    Stored,
    Refused,
    /// It was stored, the answer is lost, and the watch tells.
    Lost,
}

fn event() -> impl Strategy<Value = Event> {
    let answer = prop_oneof![Just(Answer::Stored), Just(Answer::Refused), Just(Answer::Lost)];
    prop_oneof![
        given().prop_map(Event::Change),
        (1..4_usize).prop_map(Event::Plan),
        (any::<usize>(), answer).prop_map(|(which, answer)| Event::Answer(which, answer)),
    ]
}

fn answered(cluster: &mut Cluster, mut request: Request, answer: Answer) {
    match (answer, request.verb) {
        (Answer::Refused, _) => drop(cluster.fail(&request, &WriteError::Aborted)),
        (Answer::Stored, _) => drop(cluster.store(request)),
        (Answer::Lost, Verb::Delete) => {
            cluster.carry_out_deletion(&mut request);
            cluster.fail(&request, &WriteError::Aborted);
            cluster.told_gone(&request);
        }
        (Answer::Lost, _) => {
            let stored = cluster.carry_out(&mut request);
            cluster.fail(&request, &WriteError::Aborted);
            cluster.told(stored);
        }
    }
}

proptest! {
    #[test]
    fn answers_that_come_late_or_never_change_nothing_in_the_end(events in prop::collection::vec(event(), 1..40)) {
        let mut cluster = Cluster::mirroring(json!([]));
        // What the Endpoints said since all was written.
        let mut said: Vec<Vec<Given>> = vec![Vec::new()];
        let mut under_way: Vec<Request> = Vec::new();
        for event in events.into_iter().chain([Event::Plan(64)]) {
            match event {
                Event::Change(next) => {
                    let stays = said.iter().map(|before| staying(before, &next));
                    let stays = stays.reduce(|a, b| a.intersection(&b).cloned().collect());
                    let stays: BTreeSet<String> = stays.unwrap_or_default();
                    if said.len() == 1 {
                        cluster.always_ready(stays.iter().map(String::as_str));
                    } else {
                        cluster.always_ready_no_more_than(&stays);
                    }
                    cluster.endpoints(subsets(&next));
                    said.push(next);
                }
                Event::Plan(limit) => {
                    under_way.extend(cluster.plan(limit));
                    if under_way.is_empty() {
                        said.drain(..said.len() - 1);
                    }
                }
                Event::Answer(..) if under_way.is_empty() => {}
                Event::Answer(which, answer) => {
                    let request = under_way.swap_remove(which % under_way.len());
                    answered(&mut cluster, request, answer);
                }
            }
        }
        for request in under_way {
            answered(&mut cluster, request, Answer::Stored);
        }
        cluster.write_all();
        let last = said.last().cloned().unwrap_or_default();
        prop_assert_eq!(cluster.shown(), naive(&last));
    }

    #[test]
    fn slices_follow_endpoints_and_no_address_is_missing_on_the_way(steps in prop::collection::vec(given(), 1..5)) {
        let mut cluster = Cluster::mirroring(json!([]));
        let mut before = Vec::new();
        for step in steps {
            let stay = staying(&before, &step);
            cluster.always_ready(stay.iter().map(String::as_str));
            cluster.endpoints(subsets(&step));
            cluster.write_all();
            prop_assert_eq!(cluster.shown(), naive(&step));
            before = step;
        }
    }

    #[test]
    fn whatever_slices_there_are_become_what_endpoints_say(
        existing in prop::collection::vec((given(), any::<bool>(), 0..3_usize), 0..4), wanted in given(),
    ) {
        let mut cluster = Cluster::new();
        cluster.service(json!({}));
        cluster.endpoints(subsets(&wanted));
        for (at, (given, is_v4, copies)) in existing.iter().enumerate() {
            let subsets = subsets(given);
            let Some(first) = subsets.get(0) else { continue };
            for copy in 0..=*copies {
                cluster.slice(&format!("db-{at}-{copy}"), |slice| {
                    slice["addressType"] = json!(if *is_v4 { "IPv4" } else { "IPv6" });
                    slice["ports"] = first["ports"].clone();
                    let ready = first["addresses"].as_array().unwrap();
                    let endpoints = ready.iter().map(|address| {
                        json!({ "addresses": [address["ip"]], "conditions": { "ready": true } })
                    });
                    slice["endpoints"] = json!(endpoints.collect::<Vec<_>>());
                });
            }
        }
        cluster.begin();
        cluster.write_all();
        prop_assert_eq!(cluster.shown(), naive(&wanted));
        cluster.restart();
        prop_assert!(cluster.write_all().is_empty());
    }
}
