//! Each way in which slices can be wrong is found.

use std::collections::BTreeSet;

use super::super::cluster::{EndpointSeen, PodSeen, ServiceSeen, SliceSeen, Snapshot};
use super::super::steps::{Group, Want};
use super::{MANAGER, Memory, check};

fn pod(name: &str, address: &str) -> PodSeen {
    PodSeen {
        name: name.into(),
        labels: [("app".to_owned(), "a".to_owned())].into(),
        address: Some(address.into()),
        node: Some("node-1".into()),
        ready: true,
        terminating: false,
    }
}

fn endpoint(pod: &PodSeen) -> EndpointSeen {
    EndpointSeen {
        addresses: pod.address.iter().cloned().collect(),
        pod: pod.name.clone(),
        node: pod.node.clone(),
        zone: Some("zone-a".into()),
        ready: pod.ready,
        serving: pod.ready,
        terminating: false,
    }
}

/// A Service of two ready Pods, as it should be.
fn right() -> Snapshot {
    let pods = vec![pod("p-1", "10.0.0.1"), pod("p-2", "10.0.0.2")];
    let service = ServiceSeen {
        uid: "uid".into(),
        cluster_ip: "10.1.0.1".into(),
    };
    let slice = SliceSeen {
        name: "web-x".into(),
        service: "web".into(),
        managed_by: MANAGER.into(),
        owners: BTreeSet::from(["uid".to_owned()]),
        ports: vec!["8080/TCP".into()],
        endpoints: pods.iter().map(endpoint).collect(),
    };
    Snapshot {
        services: [("web".to_owned(), service)].into(),
        pods,
        slices: vec![slice],
    }
}

fn want() -> Want {
    Want {
        service: "web",
        groups: vec![Group {
            ports: vec!["8080/TCP"],
            selector: &[("app", "a")],
            ready: 2,
            unready: 0,
        }],
    }
}

fn wrong(change: impl FnOnce(&mut Snapshot)) -> String {
    let mut snapshot = right();
    change(&mut snapshot);
    check(&want(), &snapshot, &mut Memory::default()).unwrap_err()
}

#[test]
fn slices_as_they_should_be_pass() {
    assert_eq!(check(&want(), &right(), &mut Memory::default()), Ok(()));
}

#[test]
fn an_endpoint_too_few_or_too_many_or_twice_is_found() {
    assert!(wrong(|s| drop(s.slices[0].endpoints.pop())).contains("1 ready"));
    assert!(
        wrong(|s| {
            let stranger = endpoint(&pod("p-3", "10.0.0.3"));
            s.slices[0].endpoints.push(stranger);
        })
        .contains("p-3 is no Pod")
    );
    assert!(
        wrong(|s| {
            let again = s.slices[0].endpoints[0].clone();
            s.slices[0].endpoints[1] = again;
        })
        .contains("twice")
    );
}

#[test]
fn an_endpoint_that_does_not_tell_the_truth_about_its_pod_is_found() {
    assert!(wrong(|s| s.slices[0].endpoints[0].addresses = vec!["10.0.0.9".into()]).contains("address"));
    assert!(wrong(|s| s.slices[0].endpoints[0].node = None).contains("is on"));
    assert!(wrong(|s| s.slices[0].endpoints[0].ready = false).contains("conditions"));
    assert!(wrong(|s| s.pods[0].ready = false).contains("conditions"));
}

#[test]
fn a_slice_of_other_ports_another_manager_or_another_owner_is_found() {
    assert!(wrong(|s| s.slices[0].ports = vec!["80/TCP".into()]).contains("0 slices"));
    assert!(wrong(|s| s.slices[0].managed_by = "me".into()).contains("managed by"));
    assert!(wrong(|s| s.slices[0].owners.clear()).contains("not owned"));
    assert!(
        wrong(|s| {
            let mut other = s.slices[0].clone();
            other.ports.clear();
            s.slices.push(other);
        })
        .contains("which no Pod has")
    );
}

#[test]
fn the_address_of_a_deleted_pod_is_found_and_so_is_another_cluster_ip() {
    let mut memory = Memory::default();
    assert_eq!(check(&want(), &right(), &mut memory), Ok(()));
    let mut moved = right();
    if let Some(service) = moved.services.get_mut("web") {
        service.cluster_ip = "10.1.0.2".into();
    }
    assert!(
        check(&want(), &moved, &mut memory)
            .unwrap_err()
            .contains("ClusterIP")
    );
    memory.gone.insert("10.0.0.1".into());
    assert!(
        check(&want(), &right(), &mut memory)
            .unwrap_err()
            .contains("deleted Pod")
    );
}

#[test]
fn a_service_without_pods_wants_exactly_one_slice_without_endpoints() {
    let want = Want {
        service: "web",
        groups: Vec::new(),
    };
    let mut snapshot = right();
    assert!(check(&want, &snapshot, &mut Memory::default()).is_err());
    snapshot.slices[0].endpoints.clear();
    assert_eq!(check(&want, &snapshot, &mut Memory::default()), Ok(()));
    snapshot.slices.clear();
    assert!(check(&want, &snapshot, &mut Memory::default()).is_err());
}
