//! Random clusters, step by step.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{EndpointSubset, Service};
use quaymaster_model::ObjectKey;
use quaymaster_oracle::Rules;
use quaymaster_oracle::endpoints::{Desired, desired};
use quaymaster_oracle::generate::{Cluster, Size, generate};
use quaymaster_runtime::api::Verb;
use serde_json::Value;

use crate::driver::{Driver, Server, key};

const HEADLESS: &str = "service.kubernetes.io/headless";

/// What each Service's Endpoints are to be, of those that select Pods.
pub(crate) fn wanted(objects: &Cluster, minor: u32) -> BTreeMap<ObjectKey, Desired> {
    let of = |service: &Service| {
        desired(
            service,
            &objects.pods_in(service.metadata.namespace.as_deref()?),
            Rules { minor },
        )
    };
    let keyed = |service: &Service| {
        let metadata = &service.metadata;
        Some((
            key(metadata.namespace.as_deref()?, metadata.name.as_deref()?),
            of(service)?,
        ))
    };
    objects.all::<Service>().filter_map(keyed).collect()
}

/// What differs between stored Endpoints and these, but for the label of headless Services, which alone is no reason to write.
pub(crate) fn difference(stored: Option<&Value>, wanted: &Desired) -> Option<String> {
    let Some(stored) = stored else {
        return Some("there are none".to_owned());
    };
    let subsets: Vec<EndpointSubset> = serde_json::from_value(stored["subsets"].clone()).unwrap_or_default();
    let right: Vec<EndpointSubset> = wanted.subsets.iter().cloned().map(written).collect();
    if subsets != right {
        return Some(format!("{subsets:#?}\nin place of\n{right:#?}"));
    }
    let metadata = &stored["metadata"];
    let mut labels: BTreeMap<String, String> =
        serde_json::from_value(metadata["labels"].clone()).unwrap_or_default();
    let mut right = wanted.labels.clone();
    for labels in [&mut labels, &mut right] {
        labels.remove(HEADLESS);
    }
    if labels != right {
        return Some(format!("{labels:?} in place of {right:?}"));
    }
    let truncated = metadata["annotations"]["endpoints.kubernetes.io/over-capacity"].as_str();
    (truncated.is_some() != wanted.truncated).then(|| format!("{truncated:?}"))
}

/// A subset as it is written and read again: a list that is cut to nothing is left out.
fn written(mut subset: EndpointSubset) -> EndpointSubset {
    for list in [&mut subset.addresses, &mut subset.not_ready_addresses] {
        list.take_if(|addresses| addresses.is_empty());
    }
    subset.ports.take_if(|ports| ports.is_empty());
    subset
}

/// How many random clusters; more by `QUAYMASTER_TEST_SEEDS`.
pub(crate) fn seeds(usual: u64) -> u64 {
    let given = std::env::var("QUAYMASTER_TEST_SEEDS").ok();
    given.and_then(|seeds| seeds.parse().ok()).unwrap_or(usual)
}

#[test]
fn after_each_step_endpoints_are_what_a_computation_from_scratch_wants_by_one_write_of_each_that_was_not() {
    let (mut changed, mut unchanged) = (0, 0);
    for seed in 0..seeds(60) {
        let minor = if seed % 2 == 0 { 37 } else { 33 };
        let scenario = generate(seed, Size::Small);
        let mut objects = scenario.cluster;
        let mut server = Server::default();
        let mut driver = Driver::start(&objects, &mut server, minor);
        let first = driver.settle(&objects, &mut server);
        assert_eq!(first.len(), wanted(&objects, minor).len(), "one create for each");
        for (at, step) in scenario.steps.iter().enumerate() {
            let case = format!("seed {seed}, step {at}: {:?}", step.kind);
            let before = server.endpoints.clone();
            for change in objects.apply(step) {
                driver.tell(&change);
            }
            let mut writes = driver.settle(&objects, &mut server);
            let wanted = wanted(&objects, minor);
            for (key, wanted) in &wanted {
                let found = difference(server.endpoints.get(key), wanted);
                if let Some(found) = found {
                    panic!(
                        "{case}: {key}, as the controller has left it, in place of what the oracle wants: {found}"
                    );
                }
                let due = usize::from(difference(before.get(key), wanted).is_some());
                let made = writes.extract_if(.., |(_, of)| of == key).count();
                assert_eq!(made, due, "{case}: writes of {key}");
                changed += due;
                unchanged += 1 - due;
            }
            // Else only what has no Service any more is deleted.
            for (verb, key) in writes {
                assert_eq!(verb, Verb::Delete, "{case}: {key}");
            }
            for key in server.endpoints.keys() {
                let service = objects.get::<Service>(&key.namespace, &key.name);
                assert!(service.is_some(), "{case}: {key} is left");
            }
        }
        let mut restarted = Driver::start(&objects, &mut server, minor);
        assert_eq!(
            restarted.settle(&objects, &mut server),
            [],
            "seed {seed}: after a restart"
        );
    }
    assert!(changed > 500 && unchanged > 500, "{changed} {unchanged}");
}
