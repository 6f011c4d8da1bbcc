//! Permissions of the binary's user.

use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, RoleRef, Subject};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use quaymaster_testkit::eventually;
use serde_json::json;

use super::{SOON, USER};

const NAME: &str = "quaymaster";

/// Verbs on one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) group: &'static str,
    pub(crate) resource: &'static str,
    pub(crate) verbs: &'static [&'static str],
}

const fn rule(group: &'static str, resource: &'static str, verbs: &'static [&'static str]) -> Rule {
    Rule {
        group,
        resource,
        verbs,
    }
}

/// All that the controllers need, and nothing else: every test shows that it suffices.
pub(crate) const ALL_RULES: [Rule; 9] = [
    rule("", "services", &["get", "list", "watch"]),
    rule("", "pods", &["list", "watch"]),
    rule("", "nodes", &["list", "watch"]),
    rule(
        "discovery.k8s.io",
        "endpointslices",
        &["list", "watch", "create", "update", "delete"],
    ),
    rule("networking.k8s.io", "servicecidrs", &["list", "watch", "patch"]),
    rule("networking.k8s.io", "servicecidrs/status", &["patch"]),
    rule("networking.k8s.io", "ipaddresses", &["list", "watch"]),
    rule(
        "",
        "endpoints",
        &["get", "list", "watch", "create", "update", "delete"],
    ),
    rule("events.k8s.io", "events", &["create", "patch"]),
];

/// What those need beside it that give addresses and node ports out of pools.
pub(crate) const ALLOCATION_RULES: [Rule; 15] = [
    rule("", "secrets", &["get", "create", "update"]),
    rule(
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
        &["get", "patch"],
    ),
    rule(
        "admissionregistration.k8s.io",
        "validatingadmissionpolicies",
        &["list", "create", "update", "delete"],
    ),
    rule(
        "admissionregistration.k8s.io",
        "validatingadmissionpolicybindings",
        &["list", "create", "update", "delete"],
    ),
    rule("quaymaster.io", "serviceippools/status", &["update"]),
    rule("", "namespaces", &["list", "watch"]),
    // To be refused: so the range of node ports is learned.
    rule("", "services", &["create"]),
    rule("quaymaster.io", "serviceippools", &["list", "watch"]),
    rule("quaymaster.io", "nodeportpools", &["list", "watch"]),
    rule("quaymaster.io", "nodeportpools/status", &["update"]),
    rule("quaymaster.io", "servicereservations", &["list", "watch"]),
    rule("quaymaster.io", "servicereservations/status", &["update"]),
    // Those of ours, which hold addresses, and those of live addresses that have lost theirs.
    rule("networking.k8s.io", "ipaddresses", &["get", "create", "delete"]),
    rule(
        "quaymaster.io",
        "allocationclaims",
        &["get", "list", "watch", "create", "delete"],
    ),
    rule(
        "coordination.k8s.io",
        "leases",
        &["get", "list", "watch", "create", "update", "patch", "delete"],
    ),
];

/// Lets the binary's user do what `rules` say, less `without` (resource and verb), and nothing else; waits until the
/// apiserver judges by that.
pub(crate) async fn grant(client: &Client, rules: &[Rule], without: Option<(&str, &str)>) {
    let (resource, verb) = without.unwrap_or((rules[0].resource, rules[0].verbs[0]));
    let group = rules.iter().find(|rule| rule.resource == resource).unwrap().group;
    let rules = rules.iter().map(|rule| PolicyRule {
        api_groups: Some(vec![rule.group.to_owned()]),
        resources: Some(vec![rule.resource.to_owned()]),
        verbs: rule
            .verbs
            .iter()
            .filter(|verb| without != Some((rule.resource, **verb)))
            .map(ToString::to_string)
            .collect(),
        ..PolicyRule::default()
    });
    let mut role = ClusterRole {
        rules: Some(rules.collect()),
        ..ClusterRole::default()
    };
    role.metadata.name = Some(NAME.to_owned());
    let mut binding = ClusterRoleBinding {
        role_ref: RoleRef {
            api_group: Some("rbac.authorization.k8s.io".to_owned()),
            kind: "ClusterRole".to_owned(),
            name: NAME.to_owned(),
        },
        subjects: Some(vec![Subject {
            api_group: Some("rbac.authorization.k8s.io".to_owned()),
            kind: "User".to_owned(),
            name: USER.to_owned(),
            namespace: None,
        }]),
        ..ClusterRoleBinding::default()
    };
    binding.metadata.name = Some(NAME.to_owned());
    let params = PatchParams::apply("suite").force();
    let cluster_roles: Api<ClusterRole> = Api::all(client.clone());
    cluster_roles
        .patch(NAME, &params, &Patch::Apply(&role))
        .await
        .unwrap();
    let bindings: Api<ClusterRoleBinding> = Api::all(client.clone());
    bindings
        .patch(NAME, &params, &Patch::Apply(&binding))
        .await
        .unwrap();
    // It knows of roles and bindings by watches of its own.
    let review: SubjectAccessReview = serde_json::from_value(json!({"spec": {
        "user": USER, "resourceAttributes": {"group": group, "resource": resource, "verb": verb},
    }}))
    .unwrap();
    let reviews: Api<SubjectAccessReview> = Api::all(client.clone());
    eventually(SOON, "the permissions to hold", async || {
        let answer = reviews.create(&PostParams::default(), &review).await;
        let allowed = answer.unwrap().status.unwrap().allowed;
        allowed == without.is_none()
    })
    .await;
}
