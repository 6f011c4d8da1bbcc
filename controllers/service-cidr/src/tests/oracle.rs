//! What is to be done with a ServiceCIDR, against a computation that shares no code with it.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::networking::v1::{IPAddress, ServiceCIDR};
use proptest::prelude::*;
use quaymaster_model::{Condition, Interner, IpAddressRecord, ServiceCidrRecord, Text, Timestamp};
use quaymaster_oracle::cidrs::{GRACE_SECONDS, Ready, wanted_condition};
use quaymaster_oracle::names::{ADDRESS_MANAGED_BY, ALLOCATOR, SERVICE_CIDR_FINALIZER};
use quaymaster_wire::json::{Json, Record};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::blockers::Blockers;
use crate::plan::{Facts, Step, next};

const NOW: i64 = 1_800_000_000;

/// Few ranges and addresses, so that they meet: equal ones, ones within others, halves, and the edges of each.
const RANGES: [&str; 6] = [
    "10.0.0.0/29",
    "10.0.0.0/28",
    "10.0.0.8/29",
    "10.0.0.0/30",
    "fd00::/124",
    "fd00::/125",
];
const ADDRESSES: [&str; 9] = [
    "10.0.0.0",
    "10.0.0.1",
    "10.0.0.3",
    "10.0.0.7",
    "10.0.0.9",
    "10.0.0.15",
    "fd00::",
    "fd00::1",
    "fd00::f",
];

#[derive(Debug, Clone)]
struct Given {
    ranges: Vec<usize>,
    finalizer: bool,
    /// How many seconds ago it was deleted.
    deleted: Option<i64>,
    /// The status of its condition `Ready`, as the controller writes it.
    ready: Option<bool>,
}

fn given() -> impl Strategy<Value = Given> {
    let ranges = prop::collection::vec(0..RANGES.len(), 1..3);
    let ago = prop::option::of(prop::sample::select(&[0, 4, 9, 10, 60][..]));
    let finalizer = prop::bool::weighted(0.8);
    (ranges, finalizer, ago, any::<Option<bool>>()).prop_map(|(ranges, finalizer, deleted, ready)| Given {
        ranges,
        finalizer,
        deleted,
        ready,
    })
}

fn object<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn record<R: Record + 'static>(object: &impl Serialize) -> R {
    let json = Json::<R>::new(Arc::new(Interner::new()));
    json.object(json!(object).to_string().as_bytes()).unwrap()
}

fn cidr(at: usize, given: &Given) -> ServiceCIDR {
    let ranges: Vec<&str> = given.ranges.iter().map(|range| RANGES[*range]).collect();
    let finalizers = given.finalizer.then_some(SERVICE_CIDR_FINALIZER);
    let deleted = given.deleted.map(|ago| Timestamp(NOW - ago).to_string());
    // What the controller has written before.
    let conditions = given.ready.map(|ready| {
        let (status, reason, message) = if ready {
            ("True", "", "Kubernetes Service CIDR is ready")
        } else {
            (
                "False",
                "Terminating",
                "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR",
            )
        };
        json!({
            "type": "Ready", "status": status, "reason": reason, "message": message,
            "lastTransitionTime": Timestamp(NOW).to_string(),
        })
    });
    object(json!({
        "metadata": {
            "name": format!("c{at}"), "uid": format!("uid-{at}"), "resourceVersion": "1",
            "finalizers": Vec::from_iter(finalizers), "deletionTimestamp": deleted,
        },
        "spec": { "cidrs": ranges },
        "status": { "conditions": Vec::from_iter(conditions) },
    }))
}

fn address(at: usize, of_allocator: bool) -> IPAddress {
    let ip = ADDRESSES[at];
    let manager = if of_allocator { ALLOCATOR } else { "example.com" };
    let family = if ip.contains(':') { "IPv6" } else { "IPv4" };
    object(json!({
        "metadata": {
            "name": ip, "uid": format!("uid-{ip}"), "resourceVersion": "1",
            "labels": { ADDRESS_MANAGED_BY: manager, "ipaddress.kubernetes.io/ip-family": family },
        },
        "spec": { "parentRef": { "resource": "services", "namespace": "ns", "name": "web" } },
    }))
}

/// What follows from what the other computation says.
fn right(given: &Given, wanted: Option<Ready>) -> Step {
    let Some(wanted) = wanted else {
        let passed = given.deleted.unwrap();
        return match u64::try_from(GRACE_SECONDS - passed) {
            _ if !given.finalizer => Step::Rest,
            Ok(left @ 1..) => Step::Wait(Duration::from_secs(left)),
            _ => Step::RemoveFinalizer,
        };
    };
    if given.deleted.is_none() && !given.finalizer {
        return Step::AddFinalizer;
    }
    if given.ready == Some(wanted.status == "True") {
        return Step::Rest;
    }
    Step::SetReady(Condition {
        status: Text::new(wanted.status),
        reason: Text::new(wanted.reason),
        message: Text::new(wanted.message),
    })
}

proptest! {
    /// Of ServiceCIDRs that are deleted together kube-controller-manager lets all go for each other; here the first by name
    /// stays for an address, so that those after it do not count for one. Else both decide alike.
    #[test]
    fn each_service_cidr_is_treated_as_a_computation_from_scratch_wants_it(
        given in prop::collection::vec(given(), 1..5),
        addresses in prop::collection::btree_map(0..ADDRESSES.len(), prop::bool::weighted(0.8), 0..5),
    ) {
        let cidrs: Vec<ServiceCIDR> = given.iter().enumerate().map(|(at, given)| cidr(at, given)).collect();
        let addresses: Vec<IPAddress> = addresses.iter().map(|(at, of)| address(*at, *of)).collect();
        let records: Vec<ServiceCidrRecord> = cidrs.iter().map(record).collect();
        let used: Vec<IpAddressRecord> = addresses.iter().map(record).collect();
        let mut blockers = Blockers::default();
        for (at, (one, given)) in records.iter().zip(&given).enumerate() {
            let found = next(&Facts {
                cidr: one,
                held: one.deleted.is_some() && blockers.holds(&one.key, records.iter(), used.iter()),
                known_for: Duration::ZERO,
                wall: Timestamp(NOW),
            });
            let mut counted = cidrs.clone();
            let mut numbers = 0..;
            counted.retain(|cidr| {
                numbers.next().is_some_and(|number| number <= at) || cidr.metadata.deletion_timestamp.is_none()
            });
            let wanted = wanted_condition(&cidrs[at], &counted, &addresses);
            prop_assert_eq!(found, right(given, wanted), "{} of {:?}", at, cidrs);
        }
    }
}
