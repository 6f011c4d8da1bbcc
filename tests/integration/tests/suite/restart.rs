//! The binary stops and starts again.

use std::cell::Cell;
use std::time::Instant;

use quaymaster_testkit::{eventually, objects};

use crate::harness::{Cluster, LATER, Minor, SOON, Shapes, alone_on_each_minor, describe_all, slice_writes};

alone_on_each_minor!(
    a_restart_over_a_correct_cluster_of_two_thousand_endpoints_writes_nothing,
    killed_in_the_middle_of_changes_it_finishes_them_after_the_restart_without_duplicates,
);

const AGENT: &str = "quaymaster/";

async fn a_restart_over_a_correct_cluster_of_two_thousand_endpoints_writes_nothing(minor: Minor) {
    let cluster = Cluster::start(minor, |builder| builder).await;
    let plane = &cluster.plane;
    let manager = cluster.manager().await;
    let mark = plane.audit().mark().unwrap();
    let shapes = Shapes::create(plane, 4, 260).await;
    let written = slice_writes(plane, mark, AGENT).await;
    assert!(!written.is_empty());
    let endpoints = shapes.endpoints().await;
    assert!(endpoints >= 2_000, "{endpoints} endpoints");
    let before = shapes.versions().await;
    println!(
        "{endpoints} endpoints in {} slices; {} writes to get there",
        before.len(),
        written.len()
    );

    let begun = Instant::now();
    manager.stop().await;
    println!("stopped after {:?}", begun.elapsed());
    let mark = plane.audit().mark().unwrap();
    let manager = cluster.manager().await;
    let writes = slice_writes(plane, mark, AGENT).await;
    assert!(
        writes.is_empty(),
        "{} writes, the first: {:#?}",
        writes.len(),
        writes.first()
    );
    assert_eq!(shapes.versions().await, before);

    // That it wrote nothing is no sign of sleep: a change is still followed, by one write for each slice concerned.
    let mark = plane.audit().mark().unwrap();
    let (namespace, pod) = shapes.pod(0);
    objects::set_ready(&plane.client().await.unwrap(), namespace, &pod, false)
        .await
        .unwrap();
    eventually(SOON, "the Pod to be unready in three slices", async || {
        let lines = describe_all(&shapes.slices_of(namespace).await);
        let unready = format!("{pod}-unready");
        let words = lines.iter().flat_map(|line| line.split(' '));
        let count = words.filter(|word| *word == unready).count();
        if count == 3 {
            Ok(())
        } else {
            Err(format!("in {count}"))
        }
    })
    .await;
    let writes = slice_writes(plane, mark, AGENT).await;
    assert_eq!(
        writes.len(),
        3,
        "two families of web, one of plain: {:?}",
        writes.iter().map(|write| &write.request_uri).collect::<Vec<_>>()
    );
    assert_eq!(manager.lines("ERROR"), [] as [String; 0]);
}

async fn killed_in_the_middle_of_changes_it_finishes_them_after_the_restart_without_duplicates(minor: Minor) {
    let cluster = Cluster::start(minor, |builder| builder).await;
    let plane = &cluster.plane;
    let mut manager = cluster.manager().await;
    let mark = plane.audit().mark().unwrap();
    let wrote = async |count: usize| {
        let created = |entry: &quaymaster_testkit::audit::Entry| {
            entry.is_write() && entry.resource() == "endpointslices"
        };
        eventually(LATER, "writes to be under way", async || {
            plane
                .audit()
                .entries_since(mark)
                .unwrap()
                .iter()
                .filter(|entry| created(entry))
                .count()
                >= count
        })
        .await;
    };
    // Three times in a row, each time with writes in flight.
    let killed = Cell::new(false);
    let client = cluster.client().await;
    let churn = async {
        let shapes = Shapes::create(plane, 2, 120).await;
        // Where all of that is seen after few starts, there would be too few writes for the last ones.
        while !killed.get() {
            let (namespace, pod) = shapes.pod(0);
            for ready in [false, true] {
                objects::set_ready(&client, namespace, &pod, ready).await.unwrap();
            }
        }
        shapes
    };
    let kills = async {
        for count in [5, 40, 80] {
            wrote(count).await;
            manager.process.server().kill().unwrap();
            manager = cluster.manager().await;
        }
        killed.set(true);
    };
    let (shapes, ()) = tokio::join!(churn, kills);
    slice_writes(plane, mark, AGENT).await;

    // Both namespaces had the same asked for, and one that was never disturbed is what they are compared with.
    let undisturbed = Shapes::create(plane, 1, 120).await;
    slice_writes(plane, mark, AGENT).await;
    let wanted = totals(&undisturbed.slices().await);
    let slices = shapes.slices().await;
    let mut namespaces: Vec<String> = slices
        .iter()
        .filter_map(|slice| slice.metadata.namespace.clone())
        .collect();
    namespaces.sort();
    namespaces.dedup();
    assert_eq!(namespaces.len(), 2);
    for namespace in namespaces {
        let own: Vec<_> = slices
            .iter()
            .filter(|slice| slice.metadata.namespace.as_ref() == Some(&namespace))
            .cloned()
            .collect();
        assert_eq!(totals(&own), wanted);
    }
    let mark = plane.audit().mark().unwrap();
    manager.stop().await;
    let _manager = cluster.manager().await;
    assert!(slice_writes(plane, mark, AGENT).await.is_empty());
}

/// For each Service, family and set of ports all endpoints in order, whichever slice they are in: a duplicate shows.
fn totals(
    slices: &[k8s_openapi::api::discovery::v1::EndpointSlice],
) -> std::collections::BTreeMap<String, Vec<String>> {
    let mut totals = std::collections::BTreeMap::<String, Vec<String>>::new();
    for slice in slices {
        let line = describe_all(std::slice::from_ref(slice)).remove(0);
        let (group, endpoints) = line.split_once(" = ").unwrap();
        let service = &slice.metadata.labels.as_ref().unwrap()["kubernetes.io/service-name"];
        let all = totals.entry(format!("{service} {group}")).or_default();
        all.extend(endpoints.split(' ').map(str::to_owned));
        all.sort();
    }
    totals
}
