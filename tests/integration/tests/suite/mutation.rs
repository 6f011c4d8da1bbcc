//! Slices that the apiserver stores otherwise than they were sent: admission changes them.

use std::time::Duration;

use kube::api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, PostParams};
use kube::{Api, Client};
use quaymaster_testkit::audit::{Entry, Mark};
use quaymaster_testkit::eventually;
use serde_json::{Value, json};

use crate::harness::{Cluster, FENCE, LATER, Manager, Minor, Test, USER, alone_on_each_minor};

alone_on_each_minor!(
    a_policy_that_labels_every_slice_is_not_fought_and_changes_are_followed,
    a_policy_that_changes_an_endpoint_of_every_slice_is_not_fought_and_changes_are_followed,
);

/// Nothing is written for this long: longer than the first pauses between two repairs, so that repairs that go on
/// forever are seen.
const REST: Duration = Duration::from_secs(12);

/// How long it may take to come to rest.
const REST_LIMIT: Duration = Duration::from_secs(50);

/// Most writes for one change of a Service with one slice: the change, and a second look at what came of it.
const WRITES_PER_CHANGE: usize = 2;

const LABEL: &str = "policy.example/checked";

/// Mutating policies are an alpha API of 1.33, and on by default in 1.37.
async fn cluster(minor: Minor) -> &'static Cluster {
    let cluster = Cluster::start(minor, |builder| match minor {
        Minor::V1_33 => builder
            .feature_gates([("MutatingAdmissionPolicy", true)])
            .extra_apiserver_args(["--runtime-config=admissionregistration.k8s.io/v1alpha1=true"]),
        Minor::V1_37 => builder,
    });
    // The handle has to outlive what borrows from it, as the shared clusters do; its servers end with the process.
    Box::leak(Box::new(cluster.await))
}

fn api(client: &Client, minor: Minor, kind: &str) -> Api<DynamicObject> {
    let version = match minor {
        Minor::V1_33 => "v1alpha1",
        Minor::V1_37 => "v1",
    };
    let kind = GroupVersionKind::gvk("admissionregistration.k8s.io", version, kind);
    Api::all_with(client.clone(), &ApiResource::from_gvk(&kind))
}

async fn create(api: &Api<DynamicObject>, name: &str, spec: Value) {
    let object = json!({"metadata": {"name": name}, "spec": spec});
    api.create(&PostParams::default(), &serde_json::from_value(object).unwrap())
        .await
        .unwrap();
}

/// Makes the apiserver change each slice of the namespace that is created or updated, and waits until it does.
async fn mutate(t: &Test, patch: &str, is_mutated: impl Fn(&Value) -> bool) {
    let minor = t.cluster.minor;
    let policies = api(&t.client, minor, "MutatingAdmissionPolicy");
    let rules = json!([{
        "apiGroups": ["discovery.k8s.io"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
        "resources": ["endpointslices"]}]);
    let policy = json!({
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "matchConstraints": {"resourceRules": rules},
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": patch}}],
    });
    create(&policies, &t.namespace, policy).await;
    let bindings = api(&t.client, minor, "MutatingAdmissionPolicyBinding");
    let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": t.namespace}});
    let binding = json!({"policyName": t.namespace, "matchResources": {"namespaceSelector": selector}});
    create(&bindings, &t.namespace, binding).await;
    let probe = json!({
        "metadata": {"name": "probe", "labels": {"probe": "yes"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["192.0.2.1"], "zone": "zone-a"}],
    });
    let probe = serde_json::from_value(probe).unwrap();
    eventually(LATER, "the policy to hold", async || {
        let dry = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let answer = t.endpoint_slices().create(&dry, &probe).await;
        answer.is_ok_and(|slice| is_mutated(&json!(slice)))
    })
    .await;
}

/// What the binary wrote to slices since, once it has come to rest.
async fn at_rest(t: &Test, since: Mark) -> usize {
    let ours = |entry: &Entry| {
        entry.user.username == USER
            && entry.is_write()
            && entry.is_complete()
            && entry.resource() == "endpointslices"
            && entry.namespace() == t.namespace
            && !entry.name().starts_with(FENCE)
    };
    let audit = t.cluster.plane.audit();
    let writes = audit.wait_quiet(since, REST, REST_LIMIT, ours).await;
    let writes = writes.unwrap_or_else(|error| panic!("no rest: {error}"));
    for write in &writes {
        let code = write.code();
        assert!(
            (200..300).contains(&code) || code == 409,
            "{} {}: {code}",
            write.verb,
            write.request_uri
        );
    }
    writes.len()
}

async fn is_not_fought(minor: Minor, patch: &str, is_mutated: impl Fn(&Value) -> bool) {
    let t = Test::new(cluster(minor).await, "mutation").await;
    mutate(&t, patch, &is_mutated).await;
    let manager = t.cluster.manager().await;
    let mutated = async |lines: [&str; 1]| {
        let slices = t.expect("web", lines).await;
        assert!(is_mutated(&json!(slices[0])), "{slices:#?}");
    };

    let mark = t.mark();
    t.pod("a", "web").create(&t.client).await.unwrap();
    t.pod("b", "web").create(&t.client).await.unwrap();
    // A Service that is seen before its Pods takes more writes.
    t.all_is_read().await;
    t.service("web").create(&t.client).await.unwrap();
    mutated(["IPv4 http:8080 = a b"]).await;
    let writes = at_rest(&t, mark).await;
    assert!((1..=WRITES_PER_CHANGE + 1).contains(&writes), "{writes} writes");

    let mark = t.mark();
    t.ready("b", false).await;
    mutated(["IPv4 http:8080 = a b-unready"]).await;
    t.pod("c", "web").create(&t.client).await.unwrap();
    mutated(["IPv4 http:8080 = a b-unready c"]).await;
    t.remove("a").await;
    mutated(["IPv4 http:8080 = b-unready c"]).await;
    let writes = at_rest(&t, mark).await;
    // A Pod is created, and becomes ready, in two steps.
    assert!((3..=4 * WRITES_PER_CHANGE).contains(&writes), "{writes} writes");

    // Who starts anew knows nothing of the policy: each slice may be tried once more.
    let mark = t.mark();
    manager.stop().await;
    let manager = Manager::start(&t.cluster.plane, &t.cluster.kubeconfig, &[]).await;
    let writes = at_rest(&t, mark).await;
    assert!(writes <= WRITES_PER_CHANGE, "{writes} writes");
    t.ready("b", true).await;
    mutated(["IPv4 http:8080 = b c"]).await;

    // Once the policy is gone, the next change brings everything back.
    let gone = DeleteParams::default();
    for kind in ["MutatingAdmissionPolicyBinding", "MutatingAdmissionPolicy"] {
        let api = api(&t.client, minor, kind);
        api.delete(&t.namespace, &gone).await.unwrap();
    }
    let mut number = 0;
    eventually(LATER, "a slice as it should be", async || {
        // The apiserver needs a moment until it forgets the policy.
        number += 1;
        t.ready("b", number % 2 == 0).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let slices = t.slices("web").await;
        slices.iter().all(|slice| !is_mutated(&json!(slice)))
    })
    .await;
    let status = manager.stop().await;
    assert!(status.success());
}

async fn a_policy_that_labels_every_slice_is_not_fought_and_changes_are_followed(minor: Minor) {
    let patch = format!(
        r#"[JSONPatch{{op: "add", path: "/metadata/labels/{}", value: "yes"}}]"#,
        LABEL.replace('/', "~1")
    );
    is_not_fought(minor, &patch, |slice| slice["metadata"]["labels"][LABEL] == "yes").await;
}

async fn a_policy_that_changes_an_endpoint_of_every_slice_is_not_fought_and_changes_are_followed(
    minor: Minor,
) {
    // The zone of the first endpoint: one that is there, so that the binary has an opinion on it.
    let patch = r#"has(object.endpoints) && size(object.endpoints) > 0
        ? [JSONPatch{op: "add", path: "/endpoints/0/zone", value: "elsewhere"}]
        : []"#;
    is_not_fought(minor, patch, |slice| {
        slice["endpoints"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|endpoint| endpoint["zone"] == "elsewhere")
    })
    .await;
}
