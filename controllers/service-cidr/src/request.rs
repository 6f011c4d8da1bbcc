//! A step as a request.

use bytes::Bytes;
use quaymaster_engine::{Part, Request};
use quaymaster_model::{Condition, ServiceCidrRecord, Timestamp, names};
use quaymaster_runtime::pool::Payload;
use quaymaster_world::Kind;
use serde_json::{Value, json};

/// Adds the finalizer, whatever others there are.
pub(crate) fn add_finalizer(cidr: &ServiceCidrRecord) -> Request {
    let finalizers = json!({ "finalizers": [names::FINALIZER_SERVICE_CIDR] });
    finalizer_patch(cidr, finalizers)
}

/// Takes the finalizer out, and no other.
pub(crate) fn remove_finalizer(cidr: &ServiceCidrRecord) -> Request {
    let finalizers = json!({ "$deleteFromPrimitiveList/finalizers": [names::FINALIZER_SERVICE_CIDR] });
    finalizer_patch(cidr, finalizers)
}

fn finalizer_patch(cidr: &ServiceCidrRecord, mut metadata: Value) -> Request {
    metadata["uid"] = json!(cidr.uid.to_string());
    let body = json!({ "metadata": metadata });
    Request::patch(
        Kind::ServiceCidr,
        cidr.key.clone(),
        Part::Object,
        cidr.uid.clone(),
        payload(&body),
        0,
    )
}

/// Sets the condition, under kube-controller-manager's field manager, so that either can take it over from the other.
pub(crate) fn set_ready(cidr: &ServiceCidrRecord, condition: &Condition, wall: Timestamp) -> Request {
    let Condition {
        status,
        reason,
        message,
    } = condition;
    let body = json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "ServiceCIDR",
        "metadata": { "name": cidr.key.name.as_str(), "uid": cidr.uid.to_string() },
        "status": { "conditions": [{
            "type": "Ready",
            "status": status.as_str(),
            "reason": reason.as_str(),
            "message": message.as_str(),
            "lastTransitionTime": wall.to_string(),
        }] },
    });
    Request::apply(
        Kind::ServiceCidr,
        cidr.key.clone(),
        Part::Status,
        names::REPORTER_SERVICE_CIDR,
        payload(&body),
        0,
    )
}

fn payload(body: &Value) -> Payload {
    Payload::Ready(Bytes::from(body.to_string()))
}
