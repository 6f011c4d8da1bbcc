//! Replicas that give values out at the same time.

use std::collections::BTreeSet;

use futures::future::join_all;
use serde_json::json;

use super::{Allocation, cluster_ips, within};
use crate::harness::{Minor, alone_on_each_minor};

alone_on_each_minor!(
    of_two_hundred_creates_at_once_as_many_succeed_as_the_pool_has_addresses_and_the_others_are_told_why,
);

async fn of_two_hundred_creates_at_once_as_many_succeed_as_the_pool_has_addresses_and_the_others_are_told_why(
    minor: Minor,
) {
    let t = Allocation::start(minor, 3).await;
    // 18 without the first and the last.
    let network = "10.0.64.0/27";
    let exclude = json!({ "exclude": ["10.0.64.17", "10.0.64.18/31", "10.0.64.20/30", "10.0.64.24/29"] });
    t.address_pool("tiny", "team-a", &[network], exclude).await;
    let create = async |nth: usize| t.create("team-a", &format!("s{nth}"), json!({}), false).await;
    let made = join_all((0..200).map(create)).await;
    let mut given = BTreeSet::new();
    let mut refused = Vec::new();
    for made in made {
        match made {
            Ok(service) => {
                let ips = cluster_ips(&service);
                assert!(ips.iter().all(|ip| within(network, *ip)), "{ips:?}");
                assert!(ips.iter().all(|ip| given.insert(*ip)), "{ips:?} was given twice");
            }
            Err(error) => refused.push(error.to_string()),
        }
    }
    let other: Vec<&String> = refused
        .iter()
        .filter(|error| !error.contains("ServiceIPPool tiny has none of 16 left"))
        .collect();
    assert!(other.is_empty(), "{other:?}");
    assert_eq!((given.len(), refused.len()), (16, 184));
}
