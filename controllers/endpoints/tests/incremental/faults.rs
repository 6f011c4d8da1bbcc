//! Answers that are late or lost, refused writes, a watch that lags, a process that is killed, and other writers.

use k8s_openapi::api::core::v1::Service;
use quaymaster_model::ObjectKey;
use quaymaster_oracle::generate::{Rng, Size, generate};
use serde_json::{Value, json};

use crate::driver::{Driver, Fate, Server};
use crate::steps::{difference, seeds, wanted};

/// Somebody changes or deletes Endpoints.
fn disturb(server: &mut Server, rng: &mut Rng) {
    let keys: Vec<ObjectKey> = server.endpoints.keys().cloned().collect();
    let Some(key) = rng.pick_opt(&keys) else { return };
    let mut endpoints = server.endpoints[key].clone();
    match rng.below(5) {
        0 => return server.remove(key),
        1 => endpoints["subsets"] = Value::Null,
        2 => {
            endpoints["subsets"] =
                json!([{ "addresses": [{ "ip": "192.0.2.1" }], "ports": [{ "port": 1 }] }]);
        }
        3 => endpoints["metadata"]["labels"] = json!({ "foreign": "x" }),
        _ => endpoints["metadata"]["annotations"]["endpoints.kubernetes.io/over-capacity"] = json!("warning"),
    }
    server.put(key, endpoints);
}

#[test]
fn whatever_fails_meanwhile_endpoints_are_right_in_the_end() {
    for seed in 0..seeds(60) {
        let minor = if seed % 2 == 0 { 37 } else { 33 };
        let scenario = generate(seed, Size::Small);
        let mut rng = Rng::new(seed);
        let mut objects = scenario.cluster;
        let mut server = Server::default();
        let mut driver = Driver::start(&objects, &mut server, minor);
        for step in &scenario.steps {
            for change in objects.apply(step) {
                driver.tell(&change);
            }
            for _ in 0..rng.below(8) {
                let fate = match rng.below(10) {
                    0 => Fate::Refused,
                    1 => Fate::AnswerLost,
                    _ => Fate::Done,
                };
                match rng.below(10) {
                    0..4 => _ = driver.send(&objects, &mut server, &mut rng, fate),
                    4..7 => _ = driver.answer(&mut rng),
                    7..9 => _ = driver.tell_next(&mut server),
                    _ => disturb(&mut server, &mut rng),
                }
            }
            if rng.chance(2) {
                driver = Driver::start(&objects, &mut server, minor);
            }
        }
        driver.settle(&objects, &mut server);
        for (key, wanted) in wanted(&objects, minor) {
            let found = difference(server.endpoints.get(&key), &wanted);
            if let Some(found) = found {
                panic!(
                    "seed {seed}: {key}, as the controller has left it, in place of what the oracle wants: {found}"
                );
            }
        }
        for key in server.endpoints.keys() {
            let service = objects.get::<Service>(&key.namespace, &key.name);
            assert!(service.is_some(), "seed {seed}: {key} is left");
        }
        assert_eq!(driver.settle(&objects, &mut server), [], "seed {seed}: it rests");
        let mut restarted = Driver::start(&objects, &mut server, minor);
        assert_eq!(
            restarted.settle(&objects, &mut server),
            [],
            "seed {seed}: after a restart"
        );
    }
}
