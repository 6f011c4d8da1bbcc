//! Headless Services.

use crate::harness::{Test, on_each_minor};

on_each_minor!(
    a_headless_service_marks_its_slices,
    a_service_with_an_address_does_not_mark_its_slices,
    a_headless_service_without_ports_has_slices_without_ports,
    a_pods_name_under_its_service_reaches_the_slice,
);

const LABEL: &str = "service.kubernetes.io/headless";

async fn a_headless_service_marks_its_slices(t: &Test) {
    t.service("web").headless().create(&t.client).await.unwrap();
    t.pod("a", "web").create(&t.client).await.unwrap();
    let slices = t.expect("web", ["IPv4 http:8080 = a"]).await;
    assert_eq!(slices[0].metadata.labels.as_ref().unwrap()[LABEL], "");
}

async fn a_service_with_an_address_does_not_mark_its_slices(t: &Test) {
    t.service("web")
        .labels([(LABEL, "mine")])
        .create(&t.client)
        .await
        .unwrap();
    let slices = t.expect("web", ["IPv4 - = none"]).await;
    assert!(!slices[0].metadata.labels.as_ref().unwrap().contains_key(LABEL));
}

async fn a_headless_service_without_ports_has_slices_without_ports(t: &Test) {
    t.bare_service("web").headless().create(&t.client).await.unwrap();
    t.pod("a", "web").create(&t.client).await.unwrap();
    t.pod("b", "web").unready().create(&t.client).await.unwrap();
    t.expect("web", ["IPv4 - = a b-unready"]).await;
}

async fn a_pods_name_under_its_service_reaches_the_slice(t: &Test) {
    t.service("web").headless().create(&t.client).await.unwrap();
    t.pod("a", "web")
        .hostname("first")
        .subdomain("web")
        .create(&t.client)
        .await
        .unwrap();
    t.pod("b", "web")
        .hostname("second")
        .subdomain("other")
        .create(&t.client)
        .await
        .unwrap();
    let slices = t.expect("web", ["IPv4 http:8080 = a b"]).await;
    let mut names: Vec<_> = slices[0]
        .endpoints
        .iter()
        .flatten()
        .map(|endpoint| {
            (
                endpoint.target_ref.clone().unwrap().name.unwrap(),
                endpoint.hostname.clone(),
            )
        })
        .collect();
    names.sort();
    assert_eq!(
        names,
        [("a".to_owned(), Some("first".to_owned())), ("b".to_owned(), None)]
    );
}
