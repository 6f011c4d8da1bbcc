//! Where a change of a slice counts.

use serde_json::{Value, json};

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;

use super::*;

fn service() -> Service {
    let service = json!({
        "metadata": { "name": "web", "uid": "1" },
        "spec": { "selector": { "app": "web" }, "ipFamilies": ["IPv4"] },
    });
    serde_json::from_value(service).unwrap()
}

/// A slice with endpoints at these addresses, of these labels, with an owner.
fn slice(addresses: &[&str]) -> EndpointSlice {
    let endpoints = addresses.iter();
    let endpoints: Vec<Value> = endpoints
        .map(|address| json!({ "addresses": [address], "conditions": { "ready": true } }))
        .collect();
    let owner = json!({ "apiVersion": "v1", "kind": "Service", "name": "web", "uid": "1" });
    let slice = json!({
        "metadata": { "name": "web-1", "labels": {}, "ownerReferences": [owner] },
        "addressType": "IPv4",
        "ports": [{ "name": "http", "port": 80, "protocol": "TCP" }],
        "endpoints": endpoints,
    });
    serde_json::from_value(slice).unwrap()
}

/// Those of the rules about what becomes of a slice that count.
fn counted(old: Option<&EndpointSlice>, new: &EndpointSlice, deleted: bool) -> Vec<Rule> {
    const OF_INTEREST: [Rule; 8] = [
        Rule::Created,
        Rule::Recycled,
        Rule::Deleted,
        Rule::FamilyDropped,
        Rule::OtherOwner,
        Rule::TakenAlong,
        Rule::Joined,
        Rule::Duplicate,
    ];
    let mut coverage = Coverage::default();
    coverage.slice(old, new, deleted, Some(&service()), 3);
    let counted = OF_INTEREST.into_iter().filter(|rule| coverage.of(*rule) > 0);
    counted.collect()
}

#[test]
fn each_section_of_a_controller_has_a_rule_and_they_are_in_its_order() {
    let chapters = [
        (Controller::EndpointSlice, "2.", 12),
        (Controller::Endpoints, "4.", 4),
        (Controller::Mirroring, "5.", 4),
        (Controller::ServiceCidr, "6.", 3),
    ];
    assert_eq!(chapters.map(|(controller, ..)| controller), Controller::ALL);
    for (controller, chapter, last) in chapters {
        let section = |rule: &Rule| -> u32 {
            let number = rule.group().split(' ').next().unwrap();
            number.strip_prefix(chapter).unwrap().parse().unwrap()
        };
        let rules = Rule::ALL.iter().filter(|rule| rule.controller() == controller);
        let mut sections: Vec<u32> = rules.map(section).collect();
        sections.dedup();
        assert_eq!(sections, (1..=last).collect::<Vec<u32>>());
    }
}

#[test]
fn the_rest_joins_a_slice_that_is_otherwise_unchanged_and_is_taken_along_by_one_that_changes() {
    let old = slice(&["10.0.0.1"]);
    let joined = slice(&["10.0.0.1", "10.0.0.2"]);
    assert_eq!(counted(Some(&old), &joined, false), [Rule::Joined]);
    let mut labelled = joined.clone();
    let label = ("team".to_owned(), "a".to_owned());
    labelled.metadata.labels = Some([label].into());
    assert_eq!(counted(Some(&old), &labelled, false), [Rule::TakenAlong]);
    let another = slice(&["10.0.0.2"]);
    assert_eq!(counted(Some(&old), &another, false), [Rule::TakenAlong]);
    assert_eq!(counted(Some(&joined), &old, false), [], "nothing came");
    assert_eq!(counted(Some(&slice(&[])), &joined, false), [], "it was empty");
}

#[test]
fn an_endpoint_that_is_there_twice_and_then_once_counts() {
    let twice = slice(&["10.0.0.1", "10.0.0.1"]);
    assert_eq!(
        counted(Some(&twice), &slice(&["10.0.0.1"]), false),
        [Rule::Duplicate]
    );
    assert_eq!(counted(Some(&twice), &twice, false), []);
}

#[test]
fn a_slice_that_goes_counts_by_why_it_goes() {
    let mut gone = slice(&[]);
    assert_eq!(counted(None, &gone, true), [Rule::Deleted]);
    gone.address_type = "IPv6".to_owned();
    assert_eq!(counted(None, &gone, true), [Rule::Deleted, Rule::FamilyDropped]);
    let mut unowned = slice(&[]);
    unowned.metadata.owner_references = None;
    assert_eq!(counted(None, &unowned, true), [Rule::Deleted, Rule::OtherOwner]);
}

#[test]
fn a_slice_is_recycled_when_its_ports_change() {
    let old = slice(&["10.0.0.1"]);
    let mut new = old.clone();
    new.ports.as_mut().unwrap()[0].port = Some(81);
    assert_eq!(counted(Some(&old), &new, false), [Rule::Recycled]);
    assert_eq!(counted(None, &new, false), [Rule::Created]);
}
