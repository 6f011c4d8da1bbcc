//! The objects of a cluster, as an API server would hold them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Node, Pod, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use super::step::{Action, Step};

/// Namespace and name.
pub(super) type Key = (String, String);

/// Nodes, Services and Pods.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cluster {
    /// Nodes by name.
    pub nodes: BTreeMap<String, Node>,
    /// Services by namespace and name.
    pub services: BTreeMap<(String, String), Service>,
    /// Pods by namespace and name.
    pub pods: BTreeMap<(String, String), Pod>,
    /// Resource version of the last change.
    pub version: u64,
}

/// What happened to one object, as a watch would tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Added, modified or deleted.
    pub kind: ChangeKind,
    /// The object after the change; for a deletion as it was last.
    pub object: Object,
}

/// Kinds of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// The object is new.
    Added,
    /// The object was there.
    Modified,
    /// The object is gone.
    Deleted,
}

/// A changed object.
#[derive(Clone, Debug, PartialEq)]
pub enum Object {
    /// A node.
    Node(Box<Node>),
    /// A Service.
    Service(Box<Service>),
    /// A Pod.
    Pod(Box<Pod>),
}

impl Cluster {
    /// All nodes.
    pub fn nodes(&self) -> Vec<Node> {
        self.nodes.values().cloned().collect()
    }

    /// The Pods of a namespace.
    pub fn pods_in(&self, namespace: &str) -> Vec<Pod> {
        self.pods
            .iter()
            .filter(|((of, _), _)| of == namespace)
            .map(|(_, pod)| pod.clone())
            .collect()
    }

    /// Applies a step and says what a watch would have said: nothing for the deletion of what is not there, nothing
    /// for a slice edit, and a deletion before the addition of an object with another uid.
    pub fn apply(&mut self, step: &Step) -> Vec<Change> {
        match &step.action {
            Action::PutNode(node) => {
                let key = node.metadata.name.clone().unwrap_or_default();
                let object = |node: &Node| Object::Node(Box::new(node.clone()));
                put(&mut self.nodes, &mut self.version, key, node, object)
            }
            Action::PutService(service) => {
                let object = |service: &Service| Object::Service(Box::new(service.clone()));
                put(
                    &mut self.services,
                    &mut self.version,
                    key(&service.metadata),
                    service,
                    object,
                )
            }
            Action::PutPod(pod) => {
                let object = |pod: &Pod| Object::Pod(Box::new(pod.clone()));
                put(&mut self.pods, &mut self.version, key(&pod.metadata), pod, object)
            }
            Action::DeleteNode { name } => {
                let removed = self.nodes.remove(name);
                deleted(&mut self.version, removed, |node| Object::Node(Box::new(node)))
            }
            Action::DeleteService { namespace, name } => {
                let removed = self.services.remove(&(namespace.clone(), name.clone()));
                deleted(&mut self.version, removed, |service| {
                    Object::Service(Box::new(service))
                })
            }
            Action::DeletePod { namespace, name } => {
                let removed = self.pods.remove(&(namespace.clone(), name.clone()));
                deleted(&mut self.version, removed, |pod| Object::Pod(Box::new(pod)))
            }
            Action::EditSlice(_) => Vec::new(),
        }
    }

    /// A logical clock: one second for each change, from 2026-01-01 on.
    pub fn now(&self) -> Time {
        time_at(self.version)
    }
}

fn time_at(version: u64) -> Time {
    /// 2026-01-01T00:00:00Z.
    const START: i64 = 1_767_225_600;
    let start = Timestamp::from_second(START).unwrap_or(Timestamp::UNIX_EPOCH);
    let since = SignedDuration::from_secs(i64::try_from(version).unwrap_or(i64::MAX));
    Time(start.checked_add(since).unwrap_or(start))
}

/// Namespace and name of an object.
pub(super) fn key(metadata: &ObjectMeta) -> Key {
    (
        metadata.namespace.clone().unwrap_or_default(),
        metadata.name.clone().unwrap_or_default(),
    )
}

/// Access to metadata, for all three kinds.
trait Stored: Clone {
    fn meta(&mut self) -> &mut ObjectMeta;
}

impl Stored for Node {
    fn meta(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl Stored for Service {
    fn meta(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl Stored for Pod {
    fn meta(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

fn put<K: Ord, T: Stored>(
    objects: &mut BTreeMap<K, T>,
    version: &mut u64,
    key: K,
    body: &T,
    object: impl Fn(&T) -> Object,
) -> Vec<Change> {
    let mut body = body.clone();
    let mut changes = Vec::new();
    let mut kind = ChangeKind::Added;
    if let Some(mut old) = objects.remove(&key) {
        if old.meta().uid == body.meta().uid {
            kind = ChangeKind::Modified;
            body.meta()
                .creation_timestamp
                .clone_from(&old.meta().creation_timestamp);
        } else {
            *version += 1;
            old.meta().resource_version = Some(version.to_string());
            changes.push(Change {
                kind: ChangeKind::Deleted,
                object: object(&old),
            });
        }
    }
    *version += 1;
    body.meta().resource_version = Some(version.to_string());
    body.meta()
        .creation_timestamp
        .get_or_insert_with(|| time_at(*version));
    changes.push(Change {
        kind,
        object: object(&body),
    });
    objects.insert(key, body);
    changes
}

fn deleted<T: Stored>(version: &mut u64, removed: Option<T>, object: impl Fn(T) -> Object) -> Vec<Change> {
    let Some(mut removed) = removed else {
        return Vec::new();
    };
    *version += 1;
    removed.meta().resource_version = Some(version.to_string());
    vec![Change {
        kind: ChangeKind::Deleted,
        object: object(removed),
    }]
}
