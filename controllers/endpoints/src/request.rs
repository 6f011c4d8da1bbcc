//! What is decided, as requests.

use std::sync::Arc;

use bytes::Bytes;
use quaymaster_engine::Request;
use quaymaster_model::{EndpointsRecord, ObjectKey, Text, Timestamp, names};
use quaymaster_runtime::pool::Payload;
use quaymaster_wire::json::{EndpointsBody, ObjectMeta, encode_endpoints};
use quaymaster_world::Kind;

use crate::wanted::Wanted;

/// Requests are told apart by their key, of which one is in flight.
const WRITE: u64 = 0;

/// Creates the Endpoints, or replaces what is stored; what others put on them stays, but for labels. The body is encoded
/// in the task that sends it.
pub(crate) fn write(
    key: &ObjectKey,
    wanted: Wanted,
    trigger: Option<Timestamp>,
    over: Option<&Arc<EndpointsRecord>>,
) -> Request {
    let body = encoded(key.clone(), wanted, trigger, over.cloned());
    match over {
        None => Request::create(Kind::Endpoints, key.clone(), body, WRITE),
        Some(over) => Request::update(Kind::Endpoints, key.clone(), over.uid.clone(), body, WRITE),
    }
}

/// Deletes these Endpoints as they are known.
pub(crate) fn delete(stored: &EndpointsRecord) -> Request {
    let version = Some(&stored.resource_version);
    Request::delete(
        Kind::Endpoints,
        stored.key.clone(),
        stored.uid.clone(),
        version,
        WRITE,
    )
}

/// Asks for the Service of this name as it is stored now.
pub(crate) fn service(key: &ObjectKey) -> Request {
    Request::get(Kind::Service, key.clone(), WRITE)
}

fn encoded(
    key: ObjectKey,
    wanted: Wanted,
    trigger: Option<Timestamp>,
    over: Option<Arc<EndpointsRecord>>,
) -> Payload {
    Payload::Encode(Box::new(move || {
        let over = over.as_deref();
        let trigger = trigger.map(|time| Text::new(&time.to_string()));
        let own = [
            (names::ANNOTATION_TRIGGER_TIME, trigger),
            (names::ANNOTATION_OVER_CAPACITY, wanted.over_capacity()),
        ];
        let foreign = over.map_or(&[][..], |over| &over.annotations);
        let mut annotations: Vec<(Text, Text)> = foreign
            .iter()
            .filter(|(key, _)| own.iter().all(|(name, _)| *key != *name))
            .cloned()
            .collect();
        annotations.extend(
            own.into_iter()
                .filter_map(|(name, value)| Some((Text::new(name), value?))),
        );
        let body = EndpointsBody {
            meta: ObjectMeta {
                name: &key.name,
                namespace: &key.namespace,
                uid: over.map(|over| &over.uid),
                resource_version: over.map(|over| &over.resource_version),
                labels: &wanted.labels,
                annotations: &annotations,
                owners: over.map_or(&[], |over| &over.owners),
                finalizers: over.map_or(&[], |over| &over.finalizers),
            },
            subsets: &wanted.subsets,
            unknown: over.and_then(|over| over.unknown.as_deref()),
        };
        Ok(Bytes::from(encode_endpoints(&body)?))
    }))
}
