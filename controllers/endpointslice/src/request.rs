//! A decided write as a request.

use bytes::Bytes;
use quaymaster_engine::Request;
use quaymaster_model::{ObjectKey, ResourceVersion, Text, Uid, names};
use quaymaster_runtime::api::{Verb, preconditions};
use quaymaster_runtime::pool::Payload;
use quaymaster_slices::{Op, SliceDraft, Write};
use quaymaster_wire::json::{SliceBody, encode_slice};
use quaymaster_world::Kind;

/// The request for a write. Bodies of slices are encoded in the task that sends them.
pub(crate) fn of(write: Write) -> Request {
    let Write { id, key, op } = write;
    let object = key.clone();
    let (verb, uid, body) = match op {
        Op::Create(draft) => (Verb::Create, None, encoded(key, draft, None)),
        Op::Update {
            draft,
            uid,
            resource_version,
        } => (
            Verb::Update,
            Some(uid.clone()),
            encoded(key, draft, Some((uid, resource_version))),
        ),
        Op::Delete {
            uid,
            resource_version,
        } => {
            let options = preconditions(&uid.to_string(), Some(&resource_version.to_string()));
            (Verb::Delete, Some(uid), Payload::Ready(options))
        }
    };
    Request {
        verb,
        kind: Kind::Slice,
        object,
        uid,
        body,
        write: id.0,
    }
}

fn encoded(key: ObjectKey, draft: SliceDraft, over: Option<(Uid, ResourceVersion)>) -> Payload {
    Payload::Encode(Box::new(move || {
        let mut annotations = draft.annotations;
        if let Some(trigger) = draft.trigger {
            annotations.push((
                Text::new(names::ANNOTATION_TRIGGER_TIME),
                Text::new(&trigger.to_string()),
            ));
        }
        let body = SliceBody {
            name: &key.name,
            namespace: &key.namespace,
            labels: &draft.labels,
            annotations: &annotations,
            owners: &draft.owners,
            finalizers: &draft.finalizers,
            resource_version: over.as_ref().map(|(_, version)| version),
            uid: over.as_ref().map(|(uid, _)| uid),
            address_type: &draft.address_type,
            ports: &draft.ports,
            endpoints: &draft.endpoints,
            unknown: draft.unknown.as_deref(),
        };
        Ok(Bytes::from(encode_slice(&body)?))
    }))
}
