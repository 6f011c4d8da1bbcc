//! What is decided, as requests.

use quaymaster_engine::Request;
use quaymaster_model::{ObjectKey, ResourceVersion, Uid};
use quaymaster_world::Kind;

use crate::stale::{Ask, What};

/// For the Service and the Endpoints of this key, and for slices beside it.
pub(crate) fn request(key: &ObjectKey, ask: Ask) -> Request {
    match ask {
        Ask::Service { id } => Request::get(Kind::Service, key.clone(), id),
        Ask::Endpoints { id } => Request::get(Kind::Endpoints, key.clone(), id),
        Ask::Delete {
            what,
            uid,
            version,
            id,
        } => delete(key, what, uid, &version, id),
    }
}

fn delete(key: &ObjectKey, what: What, uid: Uid, version: &ResourceVersion, id: u64) -> Request {
    let (kind, object) = match what {
        What::Endpoints => (Kind::Endpoints, key.clone()),
        What::Slice(name) => (Kind::Slice, ObjectKey::new(key.namespace.clone(), name)),
    };
    Request::delete(kind, object, uid, Some(version), id)
}
