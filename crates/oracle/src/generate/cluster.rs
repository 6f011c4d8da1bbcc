//! The objects of a cluster, as an API server would hold them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::object::{Key, Object, Typed};
use super::step::{Action, Step};

/// Objects of all kinds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cluster {
    objects: BTreeMap<Key, Object>,
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

impl Cluster {
    /// A cluster of these objects.
    pub fn of(objects: impl IntoIterator<Item = Object>, version: u64) -> Self {
        let objects = objects.into_iter().map(|object| (object.key(), object));
        Self {
            objects: objects.collect(),
            version,
        }
    }

    /// All objects by kind, namespace and name.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.objects.values()
    }

    /// Their keys.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.objects.keys()
    }

    /// The object with this key.
    pub fn object(&self, key: &Key) -> Option<&Object> {
        self.objects.get(key)
    }

    /// All objects of a type, by namespace and name.
    pub fn all<T: Typed>(&self) -> impl Iterator<Item = &T> {
        self.objects
            .range(Key::of::<T>("", "")..)
            .map_while(|(_, object)| T::of(object))
    }

    /// As [`Self::all`], to be changed.
    pub fn all_mut<T: Typed>(&mut self) -> impl Iterator<Item = &mut T> {
        self.objects
            .range_mut(Key::of::<T>("", "")..)
            .map_while(|(_, object)| T::of_mut(object))
    }

    /// The object of a type with this name; the namespace is empty for what is in none.
    pub fn get<T: Typed>(&self, namespace: &str, name: &str) -> Option<&T> {
        self.objects.get(&Key::of::<T>(namespace, name)).and_then(T::of)
    }

    /// Leaves out all objects but those.
    pub fn retain(&mut self, mut keep: impl FnMut(&Object) -> bool) {
        self.objects.retain(|_, object| keep(object));
    }

    /// All nodes.
    pub fn nodes(&self) -> Vec<Node> {
        self.all().cloned().collect()
    }

    /// The Pods of a namespace.
    pub fn pods_in(&self, namespace: &str) -> Vec<Pod> {
        let of = |pod: &&Pod| pod.metadata.namespace.as_deref() == Some(namespace);
        self.all().filter(of).cloned().collect()
    }

    /// Applies a step and says what a watch would have said: nothing for the deletion of what is not there, nothing
    /// for an edit, and a deletion before the addition of an object with another uid.
    pub fn apply(&mut self, step: &Step) -> Vec<Change> {
        match &step.action {
            Action::Put(object) => self.put(object.clone()),
            Action::Delete(key) => self
                .objects
                .remove(key)
                .map(|object| self.deleted(object))
                .into_iter()
                .collect(),
            Action::EditSlice(_) | Action::EditEndpoints(_) | Action::EditCidr(_) => Vec::new(),
        }
    }

    fn put(&mut self, mut object: Object) -> Vec<Change> {
        let key = object.key();
        let mut changes = Vec::new();
        let mut kind = ChangeKind::Added;
        if let Some(old) = self.objects.remove(&key) {
            if old.metadata().uid == object.metadata().uid {
                kind = ChangeKind::Modified;
                object
                    .metadata_mut()
                    .creation_timestamp
                    .clone_from(&old.metadata().creation_timestamp);
            } else {
                changes.push(self.deleted(old));
            }
        }
        self.stamp(&mut object);
        let now = self.now();
        object.metadata_mut().creation_timestamp.get_or_insert(now);
        changes.push(Change {
            kind,
            object: object.clone(),
        });
        self.objects.insert(key, object);
        changes
    }

    fn deleted(&mut self, mut object: Object) -> Change {
        self.stamp(&mut object);
        Change {
            kind: ChangeKind::Deleted,
            object,
        }
    }

    fn stamp(&mut self, object: &mut Object) {
        self.version += 1;
        object.metadata_mut().resource_version = Some(self.version.to_string());
    }

    /// A logical clock: one second for each change, from 2026-01-01 on.
    pub fn now(&self) -> Time {
        /// 2026-01-01T00:00:00Z.
        const START: i64 = 1_767_225_600;
        let start = Timestamp::from_second(START).unwrap_or(Timestamp::UNIX_EPOCH);
        let since = SignedDuration::from_secs(i64::try_from(self.version).unwrap_or(i64::MAX));
        Time(start.checked_add(since).unwrap_or(start))
    }
}
