//! A small API server for EndpointSlices, in memory, for tests without a control plane.
//!
//! It keeps what a slice controller depends on: names made from `generateName`, uids, resource versions that every
//! change raises and no-op updates do not, conflicts, generations, defaults, immutable fields, finalizers, and the
//! `null` that an empty list becomes on its way through the storage encoding.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde_json::{Map, Value, json};

use crate::rules::reconcile::Write;

mod object;
#[cfg(test)]
mod tests;

use object::{bump_generation, content_equal, default_ports, finalizers, meta, meta_mut, text, uid_of};

/// The answer to a refused call, as the API server would word its `Status`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code} {reason}: {message}")]
pub struct ApiError {
    /// HTTP status.
    pub code: u16,
    /// `reason` of the `Status`.
    pub reason: &'static str,
    /// Text.
    pub message: String,
}

impl ApiError {
    /// The `Status` object of this error.
    pub fn status(&self) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Status", "status": "Failure",
            "code": self.code, "reason": self.reason, "message": self.message,
        })
    }

    fn not_found(name: &str) -> Self {
        let message = format!("endpointslices.discovery.k8s.io {name:?} not found");
        Self {
            code: 404,
            reason: "NotFound",
            message,
        }
    }

    fn conflict(name: &str, why: &str) -> Self {
        let message =
            format!("Operation cannot be fulfilled on endpointslices.discovery.k8s.io {name:?}: {why}");
        Self {
            code: 409,
            reason: "Conflict",
            message,
        }
    }

    fn invalid(why: &str) -> Self {
        Self {
            code: 422,
            reason: "Invalid",
            message: format!("EndpointSlice.discovery.k8s.io is invalid: {why}"),
        }
    }
}

/// Preconditions of a delete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preconditions {
    /// The uid the object must have.
    pub uid: Option<String>,
    /// The resource version the object must have.
    pub resource_version: Option<String>,
}

/// What a watch would have said.
#[derive(Clone, Debug, PartialEq)]
pub struct WatchEvent {
    /// `ADDED`, `MODIFIED` or `DELETED`.
    pub type_: &'static str,
    /// The resource version of this change.
    pub resource_version: u64,
    /// The object as it is served.
    pub object: Value,
}

type Key = (String, String);

/// EndpointSlices of all namespaces.
#[derive(Clone, Debug, Default)]
pub struct ApiServer {
    slices: BTreeMap<Key, Map<String, Value>>,
    version: u64,
    created: u64,
    log: Vec<WatchEvent>,
}

impl ApiServer {
    /// An empty server at resource version 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// POST. Errors: 409 when the name exists, 422 for a body without namespace, name or address type.
    pub fn create(&mut self, body: Value) -> Result<Value, ApiError> {
        let mut object = object::of(body)?;
        self.created += 1;
        let name = match (text(meta(&object), "name"), text(meta(&object), "generateName")) {
            ("", "") => return Err(ApiError::invalid("metadata.name: Required value")),
            // The real suffix is random; a counter keeps tests reproducible.
            ("", prefix) => format!("{prefix}{:05}", self.created),
            (name, _) => name.to_owned(),
        };
        let key = (text(meta(&object), "namespace").to_owned(), name.clone());
        if key.0.is_empty() {
            return Err(ApiError::invalid("metadata.namespace: Required value"));
        }
        if self.slices.contains_key(&key) {
            let message = format!("endpointslices.discovery.k8s.io {name:?} already exists");
            return Err(ApiError {
                code: 409,
                reason: "AlreadyExists",
                message,
            });
        }
        if text(&object, "addressType").is_empty() {
            return Err(ApiError::invalid("addressType: Required value"));
        }
        default_ports(&mut object);
        let (uid, now) = (format!("slice-uid-{}", self.created), self.now().to_string());
        let metadata = meta_mut(&mut object);
        for field in [
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "resourceVersion",
        ] {
            metadata.remove(field);
        }
        metadata.insert("name".to_owned(), name.into());
        metadata.insert("uid".to_owned(), uid.into());
        metadata.insert("generation".to_owned(), 1.into());
        metadata.insert("creationTimestamp".to_owned(), now.into());
        Ok(self.store(key, object, "ADDED"))
    }

    /// PUT. Errors: 404 when the slice is gone, 409 for another uid or a stale resource version, 422 for a changed
    /// address type. Without a resource version the update is unconditional. An update that changes nothing gives
    /// the object back and leaves no trace. The last finalizer gone from an object being deleted removes it.
    pub fn update(&mut self, body: Value) -> Result<Value, ApiError> {
        let mut object = object::of(body)?;
        let name = text(meta(&object), "name").to_owned();
        let key = (text(meta(&object), "namespace").to_owned(), name.clone());
        let Some(old) = self.slices.get(&key).cloned() else {
            return Err(ApiError::not_found(&name));
        };
        let uid = uid_of(&object);
        if !uid.is_empty() && uid != uid_of(&old) {
            return Err(ApiError::conflict(&name, "Precondition failed: UID"));
        }
        let version = text(meta(&object), "resourceVersion");
        if !version.is_empty() && version != text(meta(&old), "resourceVersion") {
            return Err(ApiError::conflict(
                &name,
                "the object has been modified; please apply your changes to the latest version and try again",
            ));
        }
        if text(&object, "addressType") != text(&old, "addressType") {
            return Err(ApiError::invalid("addressType: field is immutable"));
        }
        default_ports(&mut object);
        // These are the server's, whatever the body says.
        for field in [
            "uid",
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "generation",
            "resourceVersion",
        ] {
            match meta(&old).get(field) {
                Some(value) => _ = meta_mut(&mut object).insert(field.to_owned(), value.clone()),
                None => _ = meta_mut(&mut object).remove(field),
            }
        }
        if content_equal(&object, &old, &[]) {
            return Ok(Value::Object(old));
        }
        if meta(&old).contains_key("deletionTimestamp") && finalizers(&object) == 0 {
            return Ok(self.remove(&key));
        }
        let relabelled = object::labels(&object) != object::labels(&old);
        if relabelled || !content_equal(&object, &old, &["metadata"]) {
            bump_generation(&mut object);
        }
        Ok(self.store(key, object, "MODIFIED"))
    }

    /// DELETE. Errors: 404 when there is none, 409 when a precondition does not hold. With finalizers the object
    /// stays, with a deletion timestamp.
    pub fn delete(
        &mut self,
        namespace: &str,
        name: &str,
        preconditions: &Preconditions,
    ) -> Result<Value, ApiError> {
        let key = (namespace.to_owned(), name.to_owned());
        let Some(old) = self.slices.get(&key).cloned() else {
            return Err(ApiError::not_found(name));
        };
        if preconditions
            .uid
            .as_deref()
            .is_some_and(|uid| uid != uid_of(&old))
        {
            return Err(ApiError::conflict(name, "Precondition failed: UID"));
        }
        let version = text(meta(&old), "resourceVersion");
        if preconditions
            .resource_version
            .as_deref()
            .is_some_and(|wanted| wanted != version)
        {
            return Err(ApiError::conflict(name, "Precondition failed: ResourceVersion"));
        }
        if finalizers(&old) == 0 {
            return Ok(self.remove(&key));
        }
        if meta(&old).contains_key("deletionTimestamp") {
            return Ok(Value::Object(old));
        }
        let (mut object, now) = (old, self.now().to_string());
        meta_mut(&mut object).insert("deletionTimestamp".to_owned(), now.into());
        meta_mut(&mut object).insert("deletionGracePeriodSeconds".to_owned(), 0.into());
        Ok(self.store(key, object, "MODIFIED"))
    }

    /// The slice of that name, as it is served.
    pub fn get(&self, namespace: &str, name: &str) -> Result<Value, ApiError> {
        let key = (namespace.to_owned(), name.to_owned());
        self.slices
            .get(&key)
            .cloned()
            .map(Value::Object)
            .ok_or_else(|| ApiError::not_found(name))
    }

    /// All slices as they are served, by namespace and name.
    pub fn list(&self) -> Vec<Value> {
        self.slices.values().cloned().map(Value::Object).collect()
    }

    /// All slices, read as a client would read them.
    ///
    /// # Panics
    ///
    /// When a slice was stored that is no EndpointSlice: a mistake in the test.
    #[expect(
        clippy::expect_used,
        reason = "a test double; the caller's body was malformed"
    )]
    pub fn slices(&self) -> Vec<EndpointSlice> {
        let parse = |value| serde_json::from_value(value).expect("stored body is an EndpointSlice");
        self.list().into_iter().map(parse).collect()
    }

    /// The resource version of the latest change.
    pub fn resource_version(&self) -> u64 {
        self.version
    }

    /// Changes after a resource version, oldest first.
    pub fn events_since(&self, resource_version: u64) -> &[WatchEvent] {
        let start = self
            .log
            .partition_point(|event| event.resource_version <= resource_version);
        self.log.get(start..).unwrap_or_default()
    }

    /// Performs one write of a sync. The errors are those of the call it makes.
    ///
    /// # Panics
    ///
    /// Never: every EndpointSlice has a JSON form.
    #[expect(clippy::expect_used, reason = "k8s-openapi types always serialise")]
    pub fn perform(&mut self, write: &Write) -> Result<Value, ApiError> {
        let json = |slice: &EndpointSlice| serde_json::to_value(slice).expect("an EndpointSlice serialises");
        match write {
            Write::Create(slice) => self.create(json(slice)),
            Write::Update(slice) => self.update(json(slice)),
            Write::Delete(slice) => {
                let metadata = &slice.metadata;
                let namespace = metadata.namespace.as_deref().unwrap_or_default();
                let name = metadata.name.as_deref().unwrap_or_default();
                self.delete(namespace, name, &Preconditions::default())
            }
        }
    }

    /// A logical clock: one second for each change, from 2026-01-01 on.
    fn now(&self) -> Timestamp {
        /// 2026-01-01T00:00:00Z.
        const START: i64 = 1_767_225_600;
        let start = Timestamp::from_second(START).unwrap_or(Timestamp::UNIX_EPOCH);
        start
            .checked_add(SignedDuration::from_secs(
                i64::try_from(self.version).unwrap_or(i64::MAX),
            ))
            .unwrap_or(start)
    }

    fn store(&mut self, key: Key, mut object: Map<String, Value>, type_: &'static str) -> Value {
        self.version += 1;
        meta_mut(&mut object).insert("resourceVersion".to_owned(), self.version.to_string().into());
        object::as_served(&mut object);
        self.slices.insert(key, object.clone());
        self.logged(type_, object)
    }

    fn remove(&mut self, key: &Key) -> Value {
        let mut object = self.slices.remove(key).unwrap_or_default();
        self.version += 1;
        meta_mut(&mut object).insert("resourceVersion".to_owned(), self.version.to_string().into());
        self.logged("DELETED", object)
    }

    fn logged(&mut self, type_: &'static str, object: Map<String, Value>) -> Value {
        let object = Value::Object(object);
        self.log.push(WatchEvent {
            type_,
            resource_version: self.version,
            object: object.clone(),
        });
        object
    }
}
