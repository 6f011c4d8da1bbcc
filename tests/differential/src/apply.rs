//! One step of a scenario as requests to an apiserver.

use std::fmt::Debug;

use http::Request;
use k8s_openapi::api::core::v1::{Node, Pod, PodStatus, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use quaymaster_oracle::Write;
use quaymaster_oracle::generate::{Action, Cluster, SliceEdit, Step};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Grace of a Pod that stays terminating until a step deletes it: longer than any run.
const LONG_GRACE_SECONDS: u32 = 86_400;

/// What a step did to a slice. `slice` is what that slice held before, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Edited {
    /// Nothing: no slice allowed it.
    Nothing,
    /// Nothing: the controller was faster each time.
    Overtaken,
    /// It was written at this revision.
    At { revision: u64, slice: String },
    /// It was deleted.
    Deleted { uid: String, slice: String },
}

impl Edited {
    /// What was hit, in words that are equal where the same was hit on both sides.
    pub(crate) fn hit(&self) -> &str {
        match self {
            Self::Nothing => "nothing",
            Self::Overtaken => "nothing, as the controller was faster each time",
            Self::At { slice, .. } | Self::Deleted { slice, .. } => slice,
        }
    }
}

/// Brings objects from what `before` holds to what a step wants. What is not found is taken as done.
pub(crate) async fn step(client: &Client, before: &Cluster, step: &Step) -> kube::Result<Edited> {
    let done = match &step.action {
        Action::PutNode(node) => {
            let name = node.metadata.name.clone().unwrap_or_default();
            put_node(client, before.nodes.get(&name), node).await
        }
        Action::DeleteNode { name } => {
            if before.nodes.contains_key(name) {
                let nodes: Api<Node> = Api::all(client.clone());
                gone(nodes.delete(name, &DeleteParams::default()).await)
            } else {
                Ok(())
            }
        }
        Action::PutService(service) => {
            let old = before.services.get(&key(&service.metadata));
            put_service(client, old, service).await
        }
        Action::DeleteService { namespace, name } => {
            match before.services.get(&(namespace.clone(), name.clone())) {
                Some(old) => delete_service(client, old).await,
                None => Ok(()),
            }
        }
        Action::PutPod(pod) => put_pod(client, before.pods.get(&key(&pod.metadata)), pod).await,
        Action::DeletePod { namespace, name } => {
            if before.pods.contains_key(&(namespace.clone(), name.clone())) {
                delete_pod(client, namespace, name).await
            } else {
                Ok(())
            }
        }
        Action::EditSlice(edit) => return edit_slice(client, edit).await,
    };
    done.map(|()| Edited::Nothing)
}

fn key(metadata: &ObjectMeta) -> (String, String) {
    (
        metadata.namespace.clone().unwrap_or_default(),
        metadata.name.clone().unwrap_or_default(),
    )
}

pub(crate) async fn put_node(client: &Client, old: Option<&Node>, new: &Node) -> kube::Result<()> {
    let nodes: Api<Node> = Api::all(client.clone());
    let name = new.metadata.name.as_deref().unwrap_or_default();
    let old = match old {
        Some(old) if old.metadata.uid == new.metadata.uid => Some(old),
        Some(_) => {
            gone(nodes.delete(name, &DeleteParams::default()).await)?;
            None
        }
        None => None,
    };
    let Some(old) = old else {
        let mut node = new.clone();
        node.metadata.uid = None;
        return create(&nodes, &node).await;
    };
    if old.metadata.labels != new.metadata.labels {
        let patch = labels_patch(&old.metadata, &new.metadata);
        nodes.patch(name, &PatchParams::default(), &patch).await?;
    }
    if old.status != new.status {
        let patch = status_patch(&old.status, &new.status);
        nodes.patch_status(name, &PatchParams::default(), &patch).await?;
    }
    Ok(())
}

pub(crate) async fn put_service(client: &Client, old: Option<&Service>, new: &Service) -> kube::Result<()> {
    let (namespace, name) = key(&new.metadata);
    let services: Api<Service> = Api::namespaced(client.clone(), &namespace);
    let mut body = new.clone();
    body.metadata.uid = None;
    body.metadata.deletion_timestamp = None;
    body.metadata.deletion_grace_period_seconds = None;
    let same = match old {
        Some(old) if old.metadata.uid == new.metadata.uid => Some(old),
        Some(old) => {
            delete_service(client, old).await?;
            None
        }
        None => None,
    };
    match same {
        Some(_) => _ = services.replace(&name, &PostParams::default(), &body).await?,
        None => create(&services, &body).await?,
    }
    let was_terminating = same.is_some_and(|old| old.metadata.deletion_timestamp.is_some());
    if new.metadata.deletion_timestamp.is_some() && !was_terminating {
        services.delete(&name, &DeleteParams::default()).await?;
    }
    Ok(())
}

async fn delete_service(client: &Client, old: &Service) -> kube::Result<()> {
    let (namespace, name) = key(&old.metadata);
    let services: Api<Service> = Api::namespaced(client.clone(), &namespace);
    if old.metadata.finalizers.is_some() {
        let patch = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
        gone(services.patch(&name, &PatchParams::default(), &patch).await)?;
    }
    gone(services.delete(&name, &DeleteParams::default()).await)
}

pub(crate) async fn put_pod(client: &Client, old: Option<&Pod>, new: &Pod) -> kube::Result<()> {
    let (namespace, name) = key(&new.metadata);
    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    let same = match old {
        Some(old) if old.metadata.uid == new.metadata.uid => Some(old),
        Some(_) => {
            delete_pod(client, &namespace, &name).await?;
            None
        }
        None => None,
    };
    match same {
        None => {
            let mut body = new.clone();
            body.metadata.uid = None;
            body.metadata.deletion_timestamp = None;
            body.metadata.deletion_grace_period_seconds = None;
            body.status = None;
            create(&pods, &body).await?;
        }
        Some(old) => {
            if old.metadata.labels != new.metadata.labels {
                let patch = labels_patch(&old.metadata, &new.metadata);
                pods.patch(&name, &PatchParams::default(), &patch).await?;
            }
            let node = |pod: &Pod| pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
            if let Some(node) = node(new).filter(|_| node(old).is_none()) {
                bind(client, &namespace, &name, &node).await?;
            }
        }
    }
    let was_terminating = same.is_some_and(|old| old.metadata.deletion_timestamp.is_some());
    let delete = new.metadata.deletion_timestamp.is_some() && !was_terminating;
    // The apiserver removes a Pod that has finished, or has no node, at once.
    if delete {
        let grace = DeleteParams::default().grace_period(LONG_GRACE_SECONDS);
        pods.delete(&name, &grace).await?;
    }
    let pending = |pod: &Pod| pod.status.as_ref().is_none_or(|status| status.pod_ips.is_none());
    let changed = same.map_or(!pending(new), |old| old.status != new.status);
    if changed {
        let none = PodStatus::default();
        let before = same.and_then(|old| old.status.as_ref()).unwrap_or(&none);
        let patch = status_patch(before, &new.status);
        pods.patch_status(&name, &PatchParams::default(), &patch).await?;
    }
    Ok(())
}

async fn delete_pod(client: &Client, namespace: &str, name: &str) -> kube::Result<()> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    gone(pods.delete(name, &DeleteParams::default().grace_period(0)).await)
}

/// What a scheduler does.
async fn bind(client: &Client, namespace: &str, name: &str, node: &str) -> kube::Result<()> {
    let body = json!({
        "apiVersion": "v1", "kind": "Binding",
        "metadata": { "name": name, "namespace": namespace },
        "target": { "apiVersion": "v1", "kind": "Node", "name": node },
    });
    let request = Request::post(format!("/api/v1/namespaces/{namespace}/pods/{name}/binding"))
        .header("content-type", "application/json")
        .body(body.to_string().into_bytes())
        .map_err(kube::Error::HttpError)?;
    client.request::<Value>(request).await?;
    Ok(())
}

/// Edits a slice as it is now. Which one is decided by content, not by name, so that both sides edit the same one
/// where their packing is the same. A conflict with the controller means that it was faster; the edit is made again.
async fn edit_slice(client: &Client, edit: &SliceEdit) -> kube::Result<Edited> {
    /// Conflicts after which the edit is left out.
    const ATTEMPTS: usize = 4;
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), &edit.namespace);
    for _ in 0..ATTEMPTS {
        let mut found = slices.list(&ListParams::default()).await?.items;
        found.sort_by_cached_key(content_key);
        let result = match edit.write(&found) {
            None => return Ok(Edited::Nothing),
            Some(Write::Create(slice)) => {
                let stored = slices.create(&PostParams::default(), &slice).await;
                stored.map(|stored| Edited::At {
                    revision: revision(&stored),
                    slice: in_words(&slice),
                })
            }
            Some(Write::Update(slice)) => {
                let name = slice.metadata.name.clone().unwrap_or_default();
                let before = found.iter().find(|one| one.metadata.name == slice.metadata.name);
                let stored = slices.replace(&name, &PostParams::default(), &slice).await;
                stored.map(|stored| Edited::At {
                    revision: revision(&stored),
                    slice: in_words(before.unwrap_or(&slice)),
                })
            }
            Some(Write::Delete(slice)) => {
                let name = slice.metadata.name.clone().unwrap_or_default();
                let deleted = slices.delete(&name, &DeleteParams::default()).await;
                deleted.map(|_| Edited::Deleted {
                    slice: in_words(&slice),
                    uid: slice.metadata.uid.unwrap_or_default(),
                })
            }
        };
        match result {
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
            result => return result,
        }
    }
    Ok(Edited::Overtaken)
}

/// What a slice holds, in words.
fn in_words(slice: &EndpointSlice) -> String {
    let ports = slice.ports.iter().flatten().map(|port| {
        let number = port.port.map_or("any".to_owned(), |number| number.to_string());
        format!("{}:{number}", port.name.as_deref().unwrap_or_default())
    });
    let pods = slice.endpoints.iter().flatten().map(|endpoint| {
        let target = endpoint.target_ref.as_ref();
        let name = target.and_then(|target| target.name.clone());
        name.unwrap_or_else(|| endpoint.addresses.join(","))
    });
    let (mut ports, mut pods): (Vec<String>, Vec<String>) = (ports.collect(), pods.collect());
    ports.sort_unstable();
    pods.sort_unstable();
    let (family, ports) = (&slice.address_type, ports.join(", "));
    match pods.as_slice() {
        [] => format!("{family} [{ports}], empty"),
        pods => format!("{family} [{ports}] of {}", pods.join(", ")),
    }
}

fn revision(slice: &EndpointSlice) -> u64 {
    let version = slice.metadata.resource_version.as_deref();
    version
        .and_then(|version| version.parse().ok())
        .unwrap_or_default()
}

/// Family, ports and Pods.
fn content_key(slice: &EndpointSlice) -> String {
    let mut pods: Vec<&str> = slice
        .endpoints
        .iter()
        .flatten()
        .filter_map(|endpoint| endpoint.target_ref.as_ref()?.name.as_deref())
        .collect();
    pods.sort_unstable();
    let mut ports: Vec<String> = slice
        .ports
        .iter()
        .flatten()
        .map(|port| format!("{:?}{:?}", port.name, port.port))
        .collect();
    ports.sort_unstable();
    format!("{}{ports:?}{pods:?}", slice.address_type)
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

fn gone<T>(result: kube::Result<T>) -> kube::Result<()> {
    match result {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        result => result.map(drop),
    }
}
