//! Writes that the apiserver refuses for reasons that the owner of a Service should see.

use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::core::v1::ResourceQuota;
use kube::api::{DeleteParams, PostParams};
use kube::{Api, Client};
use quaymaster_testkit::eventually;
use serde_json::json;

use crate::harness::{LATER, Test, USER, on_each_minor};

on_each_minor!(
    a_policy_that_denies_a_write_is_told_as_an_event_and_outlived,
    a_quota_that_forbids_a_slice_is_told_as_an_event_and_outlived,
);

fn policies(
    client: &Client,
) -> (
    Api<ValidatingAdmissionPolicy>,
    Api<ValidatingAdmissionPolicyBinding>,
) {
    (Api::all(client.clone()), Api::all(client.clone()))
}

/// Forbids updates of slices in the test's namespace, and waits until that holds.
async fn deny_updates(t: &Test) {
    let (policies, bindings) = policies(&t.client);
    let policy = serde_json::from_value(json!({
        "metadata": {"name": t.namespace},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [{
                "apiGroups": ["discovery.k8s.io"], "apiVersions": ["v1"], "operations": ["UPDATE"],
                "resources": ["endpointslices"]}]},
            "validations": [{"expression": "false", "message": "closed for today"}],
        },
    }));
    policies
        .create(&PostParams::default(), &policy.unwrap())
        .await
        .unwrap();
    let binding = serde_json::from_value(json!({
        "metadata": {"name": t.namespace},
        "spec": {
            "policyName": t.namespace,
            "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": t.namespace}}},
        },
    }));
    bindings
        .create(&PostParams::default(), &binding.unwrap())
        .await
        .unwrap();
    let slice = t.slice("web").await;
    eventually(LATER, "the policy to hold", async || {
        let params = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let name = slice.metadata.name.as_deref().unwrap();
        t.endpoint_slices()
            .replace(name, &params, &t.slice("web").await)
            .await
            .is_err()
    })
    .await;
}

async fn a_policy_that_denies_a_write_is_told_as_an_event_and_outlived(t: &Test) {
    t.service("web").create(&t.client).await.unwrap();
    t.pod("a", "web").create(&t.client).await.unwrap();
    t.expect("web", ["IPv4 http:8080 = a"]).await;
    deny_updates(t).await;
    let mark = t.mark();
    t.ready("a", false).await;
    let event = t
        .expect_event("web", "FailedToUpdateEndpointSlices", "closed for today")
        .await;
    assert_eq!(event.type_.as_deref(), Some("Warning"));
    let note = event.note.unwrap();
    assert!(
        note.starts_with(&format!(
            "Error updating Endpoint Slices for Service {}/web: ",
            t.namespace
        )),
        "{note}"
    );
    // Other Services go on meanwhile.
    t.service("other").create(&t.client).await.unwrap();
    t.expect("other", ["IPv4 - = none"]).await;
    eventually(LATER, "a second try", async || refused(t, mark) >= 2).await;
    let (policies, bindings) = policies(&t.client);
    let tries = refused(t, mark);
    assert!(tries < 12, "pauses between tries grow: {tries}");
    bindings
        .delete(&t.namespace, &DeleteParams::default())
        .await
        .unwrap();
    policies
        .delete(&t.namespace, &DeleteParams::default())
        .await
        .unwrap();
    eventually(LATER, "the write to succeed", async || {
        let lines = crate::harness::describe_all(&t.slices("web").await);
        if lines == ["IPv4 http:8080 = a-unready"] {
            Ok(())
        } else {
            Err(format!("{lines:?}"))
        }
    })
    .await;
}

/// Writes of the binary to this namespace that were refused since.
fn refused(t: &Test, mark: quaymaster_testkit::audit::Mark) -> usize {
    let entries = t.cluster.plane.audit().entries_since(mark).unwrap();
    let ours = |entry: &&quaymaster_testkit::audit::Entry| {
        entry.user.username == USER
            && entry.resource() == "endpointslices"
            && entry.namespace() == t.namespace
            && entry.is_write()
            && entry.is_complete()
            && entry.code() >= 400
    };
    entries.iter().filter(ours).count()
}

async fn a_quota_that_forbids_a_slice_is_told_as_an_event_and_outlived(t: &Test) {
    // Without the quota controller nobody fills in what is used, so the status is set here.
    let hard = json!({"count/endpointslices.discovery.k8s.io": "0"});
    let quota: ResourceQuota = serde_json::from_value(json!({
        "metadata": {"name": "none", "namespace": t.namespace}, "spec": {"hard": hard},
    }))
    .unwrap();
    let quotas: Api<ResourceQuota> = Api::namespaced(t.client.clone(), &t.namespace);
    quotas.create(&PostParams::default(), &quota).await.unwrap();
    let status = json!({"status": {"hard": hard, "used": {"count/endpointslices.discovery.k8s.io": "0"}}});
    let params = kube::api::PatchParams::default();
    quotas
        .patch_status("none", &params, &kube::api::Patch::Merge(status))
        .await
        .unwrap();
    let probe = json!({"metadata": {"name": "probe"}, "addressType": "IPv4", "endpoints": []});
    let probe = serde_json::from_value(probe).unwrap();
    t.expect_forbidden(async |dry| t.endpoint_slices().create(dry, &probe).await)
        .await;
    t.service("web").create(&t.client).await.unwrap();
    t.expect_event("web", "FailedToUpdateEndpointSlices", "exceeded quota")
        .await;
    assert!(t.slices("web").await.is_empty());
    quotas.delete("none", &DeleteParams::default()).await.unwrap();
    t.expect("web", ["IPv4 - = none"]).await;
}
