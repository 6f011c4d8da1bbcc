//! Decided writes of slices as requests.

use bytes::Bytes;
use quaymaster_model::write::{Op, SliceDraft, Write};
use quaymaster_model::{ObjectKey, ResourceVersion, Text, Uid, names};
use quaymaster_runtime::pool::Payload;
use quaymaster_wire::json::{ObjectMeta, SliceBody, encode_slice};
use quaymaster_world::Kind;

use super::Request;

impl From<Write> for Request {
    /// The body is encoded in the task that sends it. It is given the number of the write.
    fn from(write: Write) -> Self {
        let Write { id, key, op } = write;
        let (kind, object) = (Kind::Slice, key.clone());
        match op {
            Op::Create(draft) => Self::create(kind, object, encoded(key, draft, None), id.0),
            Op::Update {
                draft,
                uid,
                resource_version,
            } => {
                let body = encoded(key, draft, Some((uid.clone(), resource_version)));
                Self::update(kind, object, uid, body, id.0)
            }
            Op::Delete {
                uid,
                resource_version,
            } => Self::delete(kind, object, uid, Some(&resource_version), id.0),
        }
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
            meta: ObjectMeta {
                name: &key.name,
                namespace: &key.namespace,
                uid: over.as_ref().map(|(uid, _)| uid),
                resource_version: over.as_ref().map(|(_, version)| version),
                labels: &draft.labels,
                annotations: &annotations,
                owners: &draft.owners,
                finalizers: &draft.finalizers,
            },
            address_type: &draft.address_type,
            ports: &draft.ports,
            endpoints: &draft.endpoints,
            unknown: draft.unknown.as_deref(),
        };
        Ok(Bytes::from(encode_slice(&body)?))
    }))
}

#[cfg(test)]
mod tests;
