//! One step of a scenario as requests to an apiserver.

mod cidr;
mod edit;
mod node;
mod pod;
mod service;

use std::collections::HashSet;
use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{Endpoints, Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::ServiceCIDR;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, Patch, PostParams};
use kube::{Api, Client, Resource, ResourceExt as _};
use quaymaster_oracle::generate::{Action, Cluster, Object, Step, Typed as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// What steps did to objects that controllers keep, for which no controller answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edits {
    /// Revisions of their writes.
    pub(crate) revisions: HashSet<u64>,
    /// Objects they deleted, by uid.
    pub(crate) deleted: HashSet<String>,
}

impl Edits {
    /// Adds those of another step.
    pub(crate) fn add(&mut self, other: Self) {
        self.revisions.extend(other.revisions);
        self.deleted.extend(other.deleted);
    }

    /// A write that gave this object, over what was read; none where nothing of it changed, so that the version is still
    /// that of whoever wrote it last.
    fn written_over(read: &impl Resource, stored: &impl Resource) -> Self {
        if read.meta().resource_version == stored.meta().resource_version {
            return Self::default();
        }
        Self::written(stored)
    }

    /// A write that gave this object.
    fn written(object: &impl Resource) -> Self {
        let version = object.meta().resource_version.as_deref();
        Self {
            revisions: version
                .and_then(|version| version.parse().ok())
                .into_iter()
                .collect(),
            deleted: HashSet::new(),
        }
    }

    fn deleted(uid: String) -> Self {
        Self {
            revisions: HashSet::new(),
            deleted: [uid].into(),
        }
    }
}

/// What a step hit that edits an object as it finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hit {
    /// Nothing: none allowed it.
    Nothing,
    /// Nothing: the controller was faster each time.
    Overtaken,
    /// An object, by what it held before, in words.
    Object(String),
}

impl Hit {
    /// What was hit, in words that are equal where the same was hit on both sides.
    pub(crate) fn words(&self) -> &str {
        match self {
            Self::Nothing => "nothing",
            Self::Overtaken => "nothing, as the controller was faster each time",
            Self::Object(held) => held,
        }
    }
}

/// Brings objects from what `before` holds to what a step wants. What is not found is taken as done.
pub(crate) async fn step(client: &Client, before: &Cluster, step: &Step) -> kube::Result<(Edits, Hit)> {
    let edits = match &step.action {
        Action::Put(object) => put(client, before.object(&object.key()), object).await?,
        Action::Delete(key) => match before.object(key) {
            Some(old) => delete(client, old).await?,
            None => Edits::default(),
        },
        Action::EditSlice(edit) => return edit::slice(client, edit).await,
        Action::EditEndpoints(edit) => return edit::endpoints(client, edit).await,
        Action::EditCidr(edit) => return edit::cidr(client, edit).await,
    };
    Ok((edits, Hit::Nothing))
}

async fn put(client: &Client, old: Option<&Object>, new: &Object) -> kube::Result<Edits> {
    let mut edits = Edits::default();
    let mut same = old;
    if let Some(old) = old.filter(|old| old.metadata().uid != new.metadata().uid) {
        edits.add(delete(client, old).await?);
        same = None;
    }
    match new {
        Object::Node(new) => node::put(client, same.and_then(Node::of), new).await?,
        Object::Service(new) => service::put(client, same.and_then(Service::of), new).await?,
        Object::Pod(new) => pod::put(client, same.and_then(Pod::of), new).await?,
        Object::EndpointSlice(new) => edits.add(replace(client, &**new).await?),
        Object::Endpoints(new) => edits.add(replace(client, &**new).await?),
        Object::ServiceCIDR(new) => edits.add(cidr::put(client, same.and_then(ServiceCIDR::of), new).await?),
        // The apiserver's own.
        Object::IPAddress(_) => {}
    }
    Ok(edits)
}

async fn delete(client: &Client, old: &Object) -> kube::Result<Edits> {
    let namespace = old.metadata().namespace.clone().unwrap_or_default();
    let name = old.metadata().name.clone().unwrap_or_default();
    match old {
        Object::Node(_) => {
            let nodes: Api<Node> = Api::all(client.clone());
            gone(nodes.delete(&name, &DeleteParams::default()).await).map(|_| Edits::default())
        }
        Object::Service(old) => service::delete(client, old).await.map(|()| Edits::default()),
        Object::Pod(_) => pod::delete(client, &namespace, &name)
            .await
            .map(|()| Edits::default()),
        Object::EndpointSlice(_) => {
            let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), &namespace);
            delete_kept(&slices, &name).await
        }
        Object::Endpoints(_) => {
            let endpoints: Api<Endpoints> = Api::namespaced(client.clone(), &namespace);
            delete_kept(&endpoints, &name).await
        }
        Object::ServiceCIDR(_) => {
            let cidrs: Api<ServiceCIDR> = Api::all(client.clone());
            delete_kept(&cidrs, &name).await
        }
        Object::IPAddress(_) => Ok(Edits::default()),
    }
}

/// Writes an object that a controller keeps, whatever there is of it.
async fn replace<K>(client: &Client, new: &K) -> kube::Result<Edits>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(client.clone(), &new.namespace().unwrap_or_default());
    let mut body = new.clone();
    let metadata = body.meta_mut();
    metadata.uid = None;
    metadata.resource_version = None;
    metadata.creation_timestamp = None;
    let params = PostParams::default();
    let read = api.get_opt(&new.name_any()).await?;
    match api.replace(&new.name_any(), &params, &body).await {
        Err(kube::Error::Api(status)) if status.code == 404 => api
            .create(&params, &body)
            .await
            .map(|stored| Edits::written(&stored)),
        result => result.map(|stored| match &read {
            Some(read) => Edits::written_over(read, &stored),
            None => Edits::written(&stored),
        }),
    }
}

/// Deletes an object that a controller keeps.
async fn delete_kept<K>(api: &Api<K>, name: &str) -> kube::Result<Edits>
where
    K: Clone + Debug + DeserializeOwned + Resource,
{
    let deleted = gone(api.delete(name, &DeleteParams::default()).await)?;
    let edits = deleted.map(|deleted| {
        deleted.either(
            // Held by a finalizer: marked now, and gone later.
            |object| {
                let mut edits = Edits::written(&object);
                edits.deleted.extend(object.meta().uid.clone());
                edits
            },
            |status| {
                status
                    .details
                    .map(|details| Edits::deleted(details.uid))
                    .unwrap_or_default()
            },
        )
    });
    Ok(edits.unwrap_or_default())
}

async fn create<K>(api: &Api<K>, object: &K) -> kube::Result<()>
where
    K: Clone + Debug + Serialize + DeserializeOwned,
{
    api.create(&PostParams::default(), object).await.map(drop)
}

fn labels_patch(old: &ObjectMeta, new: &ObjectMeta) -> Patch<Value> {
    Patch::Merge(json!({ "metadata": { "labels": merge_patch(&value(&old.labels), &value(&new.labels)) } }))
}

fn status_patch(old: &impl Serialize, new: &impl Serialize) -> Patch<Value> {
    Patch::Merge(json!({ "status": merge_patch(&value(old), &value(new)) }))
}

fn value(of: &impl Serialize) -> Value {
    serde_json::to_value(of).unwrap_or(Value::Null)
}

/// The merge patch (RFC 7386) that makes `new` of `old`: what is not in `new` is set to `null`.
pub(crate) fn merge_patch(old: &Value, new: &Value) -> Value {
    let Value::Object(new) = new else {
        return new.clone();
    };
    let mut patch = new.clone();
    if let Value::Object(old) = old {
        for (key, old) in old {
            let value = new.get(key).map_or(Value::Null, |new| merge_patch(old, new));
            patch.insert(key.clone(), value);
        }
    }
    Value::Object(patch)
}

/// What was answered; nothing where there was nothing to ask it of.
fn gone<T>(result: kube::Result<T>) -> kube::Result<Option<T>> {
    match result {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        result => result.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_changes_nothing_is_no_edit_of_what_another_one_wrote() {
        let version = |version: &str| {
            let mut endpoints = Endpoints::default();
            endpoints.metadata.resource_version = Some(version.to_owned());
            endpoints
        };
        let revisions = |stored: &str| Edits::written_over(&version("7"), &version(stored)).revisions;
        assert_eq!(revisions("7"), HashSet::new());
        assert_eq!(revisions("8"), HashSet::from([8]));
    }
}
