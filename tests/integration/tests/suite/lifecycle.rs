//! A Service's slices through the lives of its Pods.

use k8s_openapi::api::discovery::v1::EndpointSlice;
use quaymaster_testkit::objects;
use serde_json::json;

use crate::harness::{Test, on_each_minor, pods_of};

on_each_minor!(
    a_service_without_pods_has_one_placeholder,
    a_pod_comes_turns_ready_turns_unready_and_goes,
    a_terminating_pod_drains_before_it_leaves,
    unready_pods_are_published_where_the_service_asks_for_it,
    the_last_pod_leaves_a_placeholder_behind,
    pods_created_before_their_service_are_found,
    a_pod_whose_label_is_taken_away_leaves_and_returns_with_it,
    a_changed_selector_switches_all_pods,
    a_selector_that_comes_later_brings_slices,
    one_pod_serves_every_service_that_selects_it,
    the_same_name_in_two_namespaces_stays_apart,
    two_hundred_and_fifty_pods_fill_slices_of_one_hundred,
    more_pods_go_to_a_new_slice_and_the_fullest_rest,
);

async fn a_service_without_pods_has_one_placeholder(t: &Test) {
    t.service("web").create(&t.client).await.unwrap();
    t.expect("web", ["IPv4 - = none"]).await;
}

async fn a_pod_comes_turns_ready_turns_unready_and_goes(t: &Test) {
    t.service("web").create(&t.client).await.unwrap();
    t.pod("a", "web").unready().create(&t.client).await.unwrap();
    t.expect("web", ["IPv4 http:8080 = a-unready"]).await;
    t.ready("a", true).await;
    t.expect("web", ["IPv4 http:8080 = a"]).await;
    t.pod("b", "web").create(&t.client).await.unwrap();
    t.expect("web", ["IPv4 http:8080 = a b"]).await;
    t.ready("a", false).await;
    t.expect("web", ["IPv4 http:8080 = a-unready b"]).await;
    t.remove("a").await;
    t.expect("web", ["IPv4 http:8080 = b"]).await;
}

async fn a_terminating_pod_drains_before_it_leaves(t: &Test) {
    t.service("web").create(&t.client).await.unwrap();
    t.pod("a", "web").create(&t.client).await.unwrap();
    t.pod("b", "web").create(&t.client).await.unwrap();
    t.expect("web", ["IPv4 http:8080 = a b"]).await;
    objects::terminate(&t.client, &t.namespace, "a").await.unwrap();
    t.expect("web", ["IPv4 http:8080 = a-draining b"]).await;
    t.ready("a", false).await;
    t.expect("web", ["IPv4 http:8080 = a-terminating b"]).await;
    t.remove("a").await;
    t.expect("web", ["IPv4 http:8080 = b"]).await;
}

async fn unready_pods_are_published_where_the_service_asks_for_it(t: &Test) {
    t.service("web")
        .publish_not_ready()
        .create(&t.client)
        .await
        .unwrap();
    t.pod("a", "web").unready().create(&t.client).await.unwrap();
    t.pod("b", "web").terminating().create(&t.client).await.unwrap();
    t.pod("c", "web")
        .unready()
        .terminating()
        .create(&t.client)
        .await
        .unwrap();
    t.expect(
        "web",
        ["IPv4 http:8080 = a-published b-published-draining c-published-terminating"],
    )
    .await;
    t.patch_service("web", json!({"spec": {"publishNotReadyAddresses": false}}))
        .await;
    t.expect("web", ["IPv4 http:8080 = a-unready b-draining c-terminating"])
        .await;
}

async fn the_last_pod_leaves_a_placeholder_behind(t: &Test) {
    t.service("web").create(&t.client).await.unwrap();
    t.pod("a", "web").create(&t.client).await.unwrap();
    let full = t.expect("web", ["IPv4 http:8080 = a"]).await;
    t.remove("a").await;
    let empty = t.expect("web", ["IPv4 - = none"]).await;
    assert_eq!(
        full[0].metadata.uid, empty[0].metadata.uid,
        "the slice is used again, not replaced"
    );
}

async fn pods_created_before_their_service_are_found(t: &Test) {
    t.pod("a", "web").create(&t.client).await.unwrap();
    t.pod("other", "else").create(&t.client).await.unwrap();
    t.service("web").create(&t.client).await.unwrap();
    t.expect("web", ["IPv4 http:8080 = a"]).await;
}

async fn a_pod_whose_label_is_taken_away_leaves_and_returns_with_it(t: &Test) {
    t.service("web").create(&t.client).await.unwrap();
    t.pod("a", "web").create(&t.client).await.unwrap();
    t.pod("b", "web").create(&t.client).await.unwrap();
    t.expect("web", ["IPv4 http:8080 = a b"]).await;
    t.patch_pod("a", json!({"metadata": {"labels": {"app": null}}}))
        .await;
    t.expect("web", ["IPv4 http:8080 = b"]).await;
    t.patch_pod("a", json!({"metadata": {"labels": {"app": "web"}}}))
        .await;
    t.expect("web", ["IPv4 http:8080 = a b"]).await;
}

async fn a_changed_selector_switches_all_pods(t: &Test) {
    t.service("web")
        .selector([("version", "1")])
        .create(&t.client)
        .await
        .unwrap();
    for (name, version) in [("one", "1"), ("two", "2")] {
        t.pod(name, "web")
            .labels([("version", version)])
            .create(&t.client)
            .await
            .unwrap();
    }
    t.expect("web", ["IPv4 http:8080 = one"]).await;
    t.patch_service("web", json!({"spec": {"selector": {"version": "2"}}}))
        .await;
    t.expect("web", ["IPv4 http:8080 = two"]).await;
}

async fn a_selector_that_comes_later_brings_slices(t: &Test) {
    t.pod("a", "web").create(&t.client).await.unwrap();
    t.service("web")
        .spec(|spec| spec.selector = None)
        .create(&t.client)
        .await
        .unwrap();
    t.service("after").create(&t.client).await.unwrap();
    // Once a later Service is served, the earlier one would be.
    t.expect("after", ["IPv4 - = none"]).await;
    assert!(t.slices("web").await.is_empty());
    t.patch_service("web", json!({"spec": {"selector": {"app": "web"}}}))
        .await;
    t.expect("web", ["IPv4 http:8080 = a"]).await;
}

async fn one_pod_serves_every_service_that_selects_it(t: &Test) {
    t.service("web").create(&t.client).await.unwrap();
    t.bare_service("metrics")
        .selector([("app", "web"), ("tier", "x")])
        .port("m", 90, 9090)
        .create(&t.client)
        .await
        .unwrap();
    t.pod("a", "web")
        .labels([("tier", "x")])
        .create(&t.client)
        .await
        .unwrap();
    t.expect("web", ["IPv4 http:8080 = a"]).await;
    t.expect("metrics", ["IPv4 m:9090 = a"]).await;
    t.ready("a", false).await;
    t.expect("web", ["IPv4 http:8080 = a-unready"]).await;
    t.expect("metrics", ["IPv4 m:9090 = a-unready"]).await;
}

async fn the_same_name_in_two_namespaces_stays_apart(t: &Test) {
    let other = Test::new(t.cluster, "the_other").await;
    for place in [t, &other] {
        place.service("web").create(&place.client).await.unwrap();
    }
    t.pod("here", "web").create(&t.client).await.unwrap();
    other.pod("there", "web").create(&t.client).await.unwrap();
    t.expect("web", ["IPv4 http:8080 = here"]).await;
    other.expect("web", ["IPv4 http:8080 = there"]).await;
    t.delete_service("web").await;
    t.expect_slices("web", "no slices", |slices| {
        if slices.is_empty() {
            Ok(())
        } else {
            Err("some".to_owned())
        }
    })
    .await;
    other.expect("web", ["IPv4 http:8080 = there"]).await;
}

async fn two_hundred_and_fifty_pods_fill_slices_of_one_hundred(t: &Test) {
    create_pods(t, 0..250).await;
    // Of fewer Pods at first other slices would be made.
    t.all_is_read().await;
    t.service("web").create(&t.client).await.unwrap();
    let slices = t
        .expect_slices("web", "250 endpoints", |slices| sized(slices, &[50, 100, 100]))
        .await;
    assert_eq!(pods_of(&slices).len(), 250);
    let mark = t.mark();
    t.ready("pod-7", false).await;
    t.expect_slices("web", "pod-7 unready", |slices| {
        let unready = slices
            .iter()
            .flat_map(|slice| slice.endpoints.iter().flatten())
            .filter(|endpoint| {
                endpoint
                    .conditions
                    .as_ref()
                    .is_some_and(|conditions| conditions.ready == Some(false))
            });
        if unready.count() == 1 {
            Ok(())
        } else {
            Err("not yet".to_owned())
        }
    })
    .await;
    let writes = t.writes_since(mark, std::time::Duration::from_secs(1)).await;
    assert_eq!(
        writes.len(),
        1,
        "one change of one Pod costs one write: {writes:?}"
    );
}

async fn more_pods_go_to_a_new_slice_and_the_fullest_rest(t: &Test) {
    // 100 + 20, then 30 fewer of the first slice's, then 15 more: what is touched anyway is filled, the rest stays.
    create_pods(t, 0..120).await;
    t.all_is_read().await;
    t.service("web").create(&t.client).await.unwrap();
    let slices = t
        .expect_slices("web", "120 endpoints", |slices| sized(slices, &[20, 100]))
        .await;
    let small = slices
        .iter()
        .find(|slice| size(slice) == 20)
        .unwrap()
        .metadata
        .clone();
    create_pods(t, 120..135).await;
    let slices = t
        .expect_slices("web", "135 endpoints", |slices| sized(slices, &[35, 100]))
        .await;
    let grown = slices.iter().find(|slice| size(slice) == 35).unwrap();
    assert_eq!(
        grown.metadata.name, small.name,
        "what has room is filled, no slice is added"
    );
    create_pods(t, 135..210).await;
    t.expect_slices("web", "210 endpoints", |slices| {
        let total: usize = slices.iter().map(size).sum();
        if total == 210 && slices.len() <= 4 && slices.iter().all(|slice| size(slice) <= 100) {
            Ok(())
        } else {
            Err(format!("{total}"))
        }
    })
    .await;
}

fn size(slice: &EndpointSlice) -> usize {
    slice.endpoints.as_ref().map_or(0, Vec::len)
}

fn sized(slices: &[EndpointSlice], wanted: &[usize]) -> Result<(), String> {
    let mut sizes: Vec<usize> = slices.iter().map(size).collect();
    sizes.sort_unstable();
    if sizes == wanted {
        Ok(())
    } else {
        Err(format!("{sizes:?}"))
    }
}

async fn create_pods(t: &Test, numbers: std::ops::Range<u32>) {
    use futures::StreamExt as _;
    futures::stream::iter(numbers)
        .map(async |n| {
            t.pod(&format!("pod-{n}"), "web")
                .create(&t.client)
                .await
                .map(drop)
        })
        .buffer_unordered(16)
        .for_each(async |result| result.unwrap())
        .await;
}
