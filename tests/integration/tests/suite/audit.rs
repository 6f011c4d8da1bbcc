//! What the binary asks of the apiserver, as the audit log tells it.

use std::collections::BTreeSet;
use std::time::Duration;

use quaymaster_testkit::eventually;

use crate::harness::{SOON, Test, USER, on_each_minor};

on_each_minor!(
    only_the_expected_is_asked_for,
    each_writer_says_its_version_controller_and_holder,
    nothing_is_written_at_rest,
    a_change_that_concerns_no_slice_causes_no_write,
);

/// Everything the binary may ever ask for, as verb and resource.
const EXPECTED: [(&str, &str); 26] = [
    ("get", "services"),
    ("list", "services"),
    ("watch", "services"),
    ("list", "pods"),
    ("watch", "pods"),
    ("list", "nodes"),
    ("watch", "nodes"),
    ("get", "endpoints"),
    ("list", "endpoints"),
    ("watch", "endpoints"),
    ("list", "servicecidrs"),
    ("watch", "servicecidrs"),
    ("patch", "servicecidrs"),
    ("list", "ipaddresses"),
    ("watch", "ipaddresses"),
    ("list", "endpointslices"),
    ("watch", "endpointslices"),
    ("create", "endpointslices"),
    ("update", "endpointslices"),
    ("delete", "endpointslices"),
    ("create", "endpoints"),
    ("update", "endpoints"),
    ("delete", "endpoints"),
    ("create", "events"),
    ("patch", "events"),
    ("create", "selfsubjectaccessreviews"),
];

async fn only_the_expected_is_asked_for(t: &Test) {
    t.service("web").create(&t.client).await.unwrap();
    t.pod("a", "web").create(&t.client).await.unwrap();
    t.expect("web", ["IPv4 http:8080 = a"]).await;
    // A request's entry may be written after what came of it is seen.
    eventually(SOON, "what it needs to have been asked for", async || {
        let entries = t.cluster.plane.audit().entries().unwrap();
        let asked: BTreeSet<(&str, &str)> = entries
            .iter()
            .filter(|entry| entry.user.username == USER)
            .map(|entry| {
                (
                    entry.verb.as_str(),
                    if entry.resource().is_empty() {
                        &*entry.request_uri
                    } else {
                        entry.resource()
                    },
                )
            })
            .collect();
        for request in &asked {
            assert!(
                EXPECTED.contains(request) || *request == ("get", "/version"),
                "{request:?}"
            );
        }
        let needed = [
            ("watch", "pods"),
            ("create", "endpointslices"),
            ("get", "/version"),
        ];
        let missing = needed.into_iter().find(|needed| !asked.contains(needed));
        missing.map_or(Ok(()), |missing| {
            Err(format!("{missing:?} is not among {asked:?}"))
        })
    })
    .await;
}

async fn each_writer_says_its_version_controller_and_holder(t: &Test) {
    let mark = t.mark();
    t.service("web").create(&t.client).await.unwrap();
    t.expect("web", ["IPv4 - = none"]).await;
    let writes = t.writes_since(mark, Duration::from_secs(1)).await;
    assert!(!writes.is_empty());
    let holder = t.cluster.manager.lock().unwrap().as_ref().unwrap().holder.clone();
    for write in writes {
        let agent = &write.user_agent;
        let rest = agent.strip_prefix("quaymaster/").expect(agent);
        assert!(rest.starts_with(|c: char| c.is_ascii_digit()), "{agent}");
        assert!(
            agent.ends_with(&format!(" (endpointslice; holder={holder})")),
            "{agent}"
        );
    }
}

async fn nothing_is_written_at_rest(t: &Test) {
    for app in ["web", "api"] {
        t.service(app)
            .annotation("service.kubernetes.io/topology-mode", "Auto")
            .create(&t.client)
            .await
            .unwrap();
        t.pod(&format!("{app}-0"), app).create(&t.client).await.unwrap();
        t.pod(&format!("{app}-1"), app)
            .unready()
            .create(&t.client)
            .await
            .unwrap();
        t.pod(&format!("{app}-2"), app)
            .terminating()
            .create(&t.client)
            .await
            .unwrap();
    }
    t.bare_service("headless")
        .headless()
        .create(&t.client)
        .await
        .unwrap();
    t.service("close")
        .traffic_distribution("PreferClose")
        .create(&t.client)
        .await
        .unwrap();
    t.expect("web", ["IPv4 http:8080 = web-0 web-1-unready web-2-draining"])
        .await;
    t.expect("api", ["IPv4 http:8080 = api-0 api-1-unready api-2-draining"])
        .await;
    t.expect("headless", ["IPv4 - = none"]).await;
    t.expect("close", ["IPv4 - = none"]).await;
    let mark = t.mark();
    let writes = t.writes_since(mark, Duration::from_secs(5)).await;
    assert!(writes.is_empty(), "{writes:#?}");
}

async fn a_change_that_concerns_no_slice_causes_no_write(t: &Test) {
    t.service("web").create(&t.client).await.unwrap();
    t.pod("a", "web").create(&t.client).await.unwrap();
    t.expect("web", ["IPv4 http:8080 = a"]).await;
    let mark = t.mark();
    t.patch_pod(
        "a",
        serde_json::json!({"metadata": {"annotations": {"x": "y"}, "labels": {"more": "z"}}}),
    )
    .await;
    t.patch_service(
        "web",
        serde_json::json!({"metadata": {"annotations": {"x": "y"}}}),
    )
    .await;
    t.patch_service(
        "web",
        serde_json::json!({"spec": {"sessionAffinity": "ClientIP"}}),
    )
    .await;
    t.ready("a", true).await;
    let writes = t.writes_since(mark, Duration::from_secs(1)).await;
    assert!(writes.is_empty(), "{writes:#?}");
}
