use std::collections::HashSet;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Mutex;

use quaymaster_ipam::compile::{self, ServiceRange, Written};
use quaymaster_ipam::{Fed, Replicas};
use quaymaster_model::{Interned, LabelSet, Text};
use serde_json::json;

use super::*;

/// Claims of several replicas in one place.
#[derive(Default)]
struct Board(Arc<Mutex<HashSet<Value>>>);

impl Claims for Board {
    fn claim(&self, value: Value, _: &Claimant) -> Pin<Box<dyn Future<Output = Claimed> + Send>> {
        let won = self.0.lock().unwrap().insert(value);
        Box::pin(std::future::ready(if won { Claimed::Won } else { Claimed::Lost }))
    }

    fn free(&self, _: Value) -> Pin<Box<dyn Future<Output = Claimed> + Send>> {
        Box::pin(std::future::ready(Claimed::Won))
    }

    fn give_back(&self, value: Value) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.0.lock().unwrap().remove(&value);
        Box::pin(std::future::ready(()))
    }
}

/// One of three replicas that serve a pool of 14 addresses.
fn replica(me: &str, board: &Board) -> Services {
    let index = Shared::default();
    {
        let mut index = lock(&index);
        let ranges = [ServiceRange {
            is_default: true,
            usable: true,
            cidrs: vec!["10.0.0.0/24".parse().unwrap()],
        }];
        let spec = serde_json::from_value(json!({ "cidrs": ["10.0.0.16/28"] })).unwrap();
        let written = Written {
            name: "blue",
            created: None,
            spec: &spec,
        };
        let pools = compile::address_pools(&[written], &ranges);
        index.families = compile::families(&ranges);
        index
            .addresses
            .set_pools(pools.into_iter().map(|one| one.pool).collect());
        let all: Vec<String> = ["a", "b", "c"].map(str::to_owned).to_vec();
        index.addresses.set_replicas(Replicas {
            me: me.to_owned(),
            now: all.clone(),
            before: all,
        });
        index.addresses_fed = Fed::Whole;
        index.set_namespace(&Text::new("team"), Some(Interned::from_value(LabelSet::empty())));
    }
    let claims = Board(Arc::clone(&board.0));
    Services::new(index, Instant::now, Some(Box::new(claims)))
}

async fn create(services: &Services, name: &str) -> Result<IpAddr, String> {
    let body = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": name, "kind": { "group": "", "version": "v1", "kind": "Service" }, "namespace": "team", "name": name,
            "operation": "CREATE", "userInfo": { "username": "me" }, "object": { "metadata": {}, "spec": {} },
        },
    })
    .to_string();
    let request = Request::decode(body.as_bytes()).unwrap();
    let response = match services.review(PATH, &request) {
        Outcome::Ready(response) => response,
        Outcome::Later(response) => response.await,
    };
    if let Some(denial) = response.denial() {
        return Err(denial.message.clone());
    }
    let first = response
        .operations()
        .iter()
        .find(|one| one["path"] == "/spec/clusterIP");
    first.unwrap()["value"]
        .as_str()
        .unwrap()
        .parse()
        .map_err(|_| "no address".to_owned())
}

#[tokio::test]
async fn replicas_that_share_a_tiny_pool_give_each_of_its_addresses_once_and_then_say_that_it_is_full() {
    let board = Board::default();
    let replicas = ["a", "b", "c"].map(|me| replica(me, &board));
    let mut given = Vec::new();
    let mut refused = Vec::new();
    for nth in 0..60 {
        match create(&replicas[nth % 3], &format!("s{nth}")).await {
            Ok(address) => given.push(address),
            Err(message) => refused.push(message),
        }
    }
    let different: HashSet<&IpAddr> = given.iter().collect();
    assert_eq!((given.len(), different.len(), refused.len()), (14, 14, 46));
    assert!(
        refused
            .iter()
            .all(|message| message.contains("ServiceIPPool blue has none of 14 left")),
        "{refused:?}"
    );
}
