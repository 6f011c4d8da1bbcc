//! Whether this process may do what its controllers need.

use std::time::Duration;

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::Api;
use kube::api::PostParams;

/// What a controller does with a resource.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Need {
    pub(crate) group: &'static str,
    /// With its subresource after a slash, as in RBAC rules.
    pub(crate) resource: &'static str,
    pub(crate) verbs: &'static [&'static str],
}

/// What is only read.
pub(crate) const READ: &[&str] = &["list", "watch"];

/// What is written as well.
pub(crate) const WRITE: &[&str] = &["list", "watch", "create", "update", "delete"];

impl Need {
    /// Of a resource of the core group.
    pub(crate) const fn core(resource: &'static str, verbs: &'static [&'static str]) -> Self {
        let group = "";
        Self {
            group,
            resource,
            verbs,
        }
    }

    /// Of EndpointSlices.
    pub(crate) const fn slices(verbs: &'static [&'static str]) -> Self {
        Self {
            group: "discovery.k8s.io",
            resource: "endpointslices",
            verbs,
        }
    }
}

/// What every controller does.
const EVENTS: Need = Need {
    group: "events.k8s.io",
    resource: "events",
    verbs: &["create", "patch"],
};

/// What controllers do together: each verb of each resource once.
pub(crate) fn together(needs: impl IntoIterator<Item = &'static [Need]>) -> Vec<Need> {
    let mut all: Vec<Need> = Vec::new();
    for need in needs.into_iter().flatten().chain([&EVENTS]) {
        for verb in need.verbs {
            let known = |one: &&Need| {
                let same = one.group == need.group && one.resource == need.resource;
                same && one.verbs.contains(verb)
            };
            if all.iter().find(known).is_none() {
                let verbs = std::slice::from_ref(verb);
                all.push(Need { verbs, ..*need });
            }
        }
    }
    all
}

/// Longest wait for one answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Why the apiserver cannot be asked for permissions.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unasked {
    #[error("{}", said(.0))]
    Refused(kube::Error),
    #[error("no answer within {} s", TIMEOUT.as_secs())]
    Timeout,
}

/// Whom the apiserver takes a client without credentials for.
const ANONYMOUS: &str = "system:anonymous";

/// What the apiserver said, or why it said nothing, in one line.
fn said(error: &kube::Error) -> String {
    let text = match error {
        kube::Error::Api(status) if !status.message.is_empty() => status.message.clone(),
        kube::Error::Api(status) => format!("{} {}", status.code, status.reason),
        error => error.to_string(),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Asks the apiserver for each verb and logs what is missing, or once why that cannot be asked. `credentials` is the
/// kubeconfig that they come from, with context and user.
///
/// A missing permission is no reason to end: it may be granted any time, and everything else works meanwhile.
pub(crate) async fn check(client: &kube::Client, needs: &[Need], credentials: Option<&str>) {
    if let Err(reason) = missing(client, needs).await {
        let reason = reason.to_string();
        if let Some(credentials) = credentials.filter(|_| reason.contains(ANONYMOUS)) {
            tracing::warn!(
                "the apiserver knows this process as {ANONYMOUS}: the kubeconfig {credentials} gives it no credentials; \
                 give that user a token, client certificate or exec command ({reason})"
            );
            return;
        }
        tracing::warn!(
            "cannot ask which permissions this process has (SelfSubjectAccessReview): {reason}; going on without knowing"
        );
    }
}

/// Asks and logs. Gives the number of missing ones.
async fn missing(client: &kube::Client, needs: &[Need]) -> Result<usize, Unasked> {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let mut missing = 0;
    let mut user = None;
    for need in needs {
        let (resource, subresource) = match need.resource.split_once('/') {
            Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
            None => (need.resource, None),
        };
        for verb in need.verbs {
            let review = SelfSubjectAccessReview {
                spec: SelfSubjectAccessReviewSpec {
                    resource_attributes: Some(ResourceAttributes {
                        group: Some(need.group.to_owned()),
                        resource: Some(resource.to_owned()),
                        subresource: subresource.clone(),
                        verb: Some((*verb).to_owned()),
                        ..ResourceAttributes::default()
                    }),
                    ..SelfSubjectAccessReviewSpec::default()
                },
                ..SelfSubjectAccessReview::default()
            };
            let answer = tokio::time::timeout(TIMEOUT, reviews.create(&PostParams::default(), &review)).await;
            // Where one cannot be asked, the others cannot either; what is missing is found out by doing.
            let answer = answer.map_err(|_| Unasked::Timeout)?.map_err(Unasked::Refused)?;
            if answer.status.is_some_and(|status| !status.allowed) {
                missing += 1;
                let resource = if need.group.is_empty() {
                    need.resource.to_owned()
                } else {
                    format!("{}.{}", need.resource, need.group)
                };
                let user = match &user {
                    Some(user) => user,
                    None => user.insert(own_name(client).await),
                };
                tracing::error!(
                    verb,
                    resource,
                    user,
                    "RBAC does not allow {user} to {verb} {resource}: bind the ClusterRole of docs/operations.md to it"
                );
            }
        }
    }
    Ok(missing)
}

/// The user that the apiserver takes this process for, such as `system:serviceaccount:NAMESPACE:NAME`. Every user may
/// ask that.
async fn own_name(client: &kube::Client) -> String {
    let reviews: Api<SelfSubjectReview> = Api::all(client.clone());
    let (params, review) = (PostParams::default(), SelfSubjectReview::default());
    let answer = tokio::time::timeout(TIMEOUT, reviews.create(&params, &review)).await;
    answer
        .ok()
        .and_then(Result::ok)
        .and_then(|review| review.status?.user_info?.username)
        .unwrap_or_else(|| "the user of this process".to_owned())
}

#[cfg(test)]
mod tests;
