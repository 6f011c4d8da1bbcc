//! Calls of the apiserver, each with a short limit.

use std::fmt::Debug;
use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, Preconditions,
};
use kube::core::ClusterResourceScope;
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::policies::{Change, There};
use crate::{LABEL, MANAGER};

/// How long the apiserver may take for an answer.
const LIMIT: Duration = Duration::from_secs(5);

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// Somebody else was first, or it is there, or gone: look again.
    #[error("it has changed meanwhile")]
    Stale,
    /// The apiserver refused it.
    #[error("{0}")]
    Refused(String),
    /// No answer in time.
    #[error("no answer within {} s", LIMIT.as_secs())]
    Timeout,
    /// It was not reached.
    #[error("{0}")]
    Failed(#[source] kube::Error),
}

impl From<kube::Error> for CallError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) if status.code == 409 => Self::Stale,
            kube::Error::Api(status) if !status.message.is_empty() => Self::Refused(status.message.clone()),
            error => Self::Failed(error),
        }
    }
}

async fn limited<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, CallError> {
    let answer = tokio::time::timeout(LIMIT, call).await;
    Ok(answer.map_err(|_| CallError::Timeout)??)
}

/// The objects that are read and written here.
#[derive(Clone)]
pub(crate) struct Cluster {
    client: Client,
}

impl Cluster {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// As they are, with fields that we do not know.
    fn configurations(&self) -> Api<DynamicObject> {
        let resource = ApiResource {
            group: "admissionregistration.k8s.io".to_owned(),
            version: "v1".to_owned(),
            api_version: "admissionregistration.k8s.io/v1".to_owned(),
            kind: "MutatingWebhookConfiguration".to_owned(),
            plural: "mutatingwebhookconfigurations".to_owned(),
        };
        Api::all_with(self.client.clone(), &resource)
    }

    fn secrets(&self, namespace: &str) -> Api<Secret> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// A webhook configuration, if there is one of this name.
    pub(crate) async fn configuration(&self, name: &str) -> Result<Option<Configuration>, CallError> {
        let found = limited(self.configurations().get_opt(name)).await?;
        Ok(found.map(|found| {
            let webhooks = found.data.get("webhooks").and_then(Value::as_array);
            Configuration {
                name: name.to_owned(),
                version: found.metadata.resource_version.unwrap_or_default(),
                webhooks: webhooks.cloned().unwrap_or_default(),
            }
        }))
    }

    /// Gives a configuration these webhooks, unless it has changed.
    pub(crate) async fn set_webhooks(
        &self,
        found: &Configuration,
        webhooks: &[Value],
    ) -> Result<(), CallError> {
        let patch = json!({"metadata": {"resourceVersion": found.version}, "webhooks": webhooks});
        let (configurations, params) = (self.configurations(), PatchParams::default());
        let patch = Patch::Merge(&patch);
        limited(configurations.patch(&found.name, &params, &patch)).await?;
        Ok(())
    }

    pub(crate) async fn secret(&self, namespace: &str, name: &str) -> Result<Option<Secret>, CallError> {
        limited(self.secrets(namespace).get_opt(name)).await
    }

    /// The policies that are ours, and their bindings.
    pub(crate) async fn policies(&self) -> Result<There, CallError> {
        Ok(There {
            policies: ours(&self.all()).await?,
            bindings: ours(&self.all()).await?,
        })
    }

    /// Makes one change of policies.
    pub(crate) async fn change(&self, change: &Change) -> Result<(), CallError> {
        match change {
            Change::Policy(policy) => store::<ValidatingAdmissionPolicy>(self.all(), policy)
                .await
                .map(drop),
            Change::Binding(binding) => store::<ValidatingAdmissionPolicyBinding>(self.all(), binding)
                .await
                .map(drop),
            Change::NoBinding(found) => delete(self.all(), &**found).await,
            Change::NoPolicy(found) => delete(self.all(), &**found).await,
        }
    }

    fn all<K>(&self) -> Api<K>
    where
        K: Resource<Scope = ClusterResourceScope>,
        K::DynamicType: Default,
    {
        Api::all(self.client.clone())
    }

    /// Stores a Secret that is not there, or in place of the one with its resourceVersion.
    pub(crate) async fn store_secret(&self, secret: &Secret) -> Result<Secret, CallError> {
        let namespace = secret.metadata.namespace.as_deref().unwrap_or_default();
        store(self.secrets(namespace), secret).await
    }
}

/// What is kept of the kind, by our label.
async fn ours<K>(api: &Api<K>) -> Result<Vec<K>, CallError>
where
    K: Clone + Debug + DeserializeOwned,
{
    let params = ListParams::default().labels(&format!("{LABEL}={MANAGER}"));
    Ok(limited(api.list(&params)).await?.items)
}

/// Deletes the object that was read; that it is gone already is no error.
async fn delete<K>(api: Api<K>, found: &K) -> Result<(), CallError>
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    let meta = found.meta();
    let params = DeleteParams {
        preconditions: Some(Preconditions {
            uid: meta.uid.clone(),
            resource_version: meta.resource_version.clone(),
        }),
        ..DeleteParams::default()
    };
    let name = meta.name.as_deref().unwrap_or_default();
    limited(async {
        match api.delete(name, &params).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            answer => answer.map(drop),
        }
    })
    .await
}

/// Creates an object, or replaces the one that was read.
pub(crate) async fn store<K>(api: Api<K>, object: &K) -> Result<K, CallError>
where
    K: Resource + Clone + Debug + Serialize + DeserializeOwned,
{
    let params = PostParams::default();
    match (&object.meta().resource_version, object.meta().name.as_deref()) {
        (Some(_), Some(name)) => limited(api.replace(name, &params, object)).await,
        _ => limited(api.create(&params, object)).await,
    }
}

/// A webhook configuration as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Configuration {
    name: String,
    version: String,
    pub(crate) webhooks: Vec<Value>,
}
