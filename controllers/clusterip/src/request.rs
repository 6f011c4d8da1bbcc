//! Steps as requests.

use std::net::IpAddr;

use bytes::Bytes;
use quaymaster_api::{ServiceIPPoolStatus, ServiceReservationStatus};
use quaymaster_engine::Request;
use quaymaster_model::{IpAddressRecord, IpFamily, ObjectKey, ResourceVersion, Timestamp, Uid, names};
use quaymaster_runtime::pool::Payload;
use quaymaster_world::{Kind, ServiceIpPoolRecord, ServiceReservationRecord};
use serde_json::{Value, json};

use crate::holds::Cause;
use crate::target;

/// Who had an address, and when it was released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Release {
    pub(crate) by: ObjectKey,
    pub(crate) at: Timestamp,
}

/// Writes the status of a pool.
pub(crate) fn pool_status(record: &ServiceIpPoolRecord, status: &ServiceIPPoolStatus) -> Request {
    let body = status_body(
        "ServiceIPPool",
        &record.key,
        &record.uid,
        &record.resource_version,
        &json!(status),
    );
    Request::update_status(
        Kind::ServiceIpPool,
        record.key.clone(),
        record.uid.clone(),
        payload(&body),
        0,
    )
}

/// Writes the status of a reservation.
pub(crate) fn reservation_status(
    record: &ServiceReservationRecord,
    status: &ServiceReservationStatus,
) -> Request {
    let body = status_body(
        "ServiceReservation",
        &record.key,
        &record.uid,
        &record.resource_version,
        &json!(status),
    );
    Request::update_status(
        Kind::ServiceReservation,
        record.key.clone(),
        record.uid.clone(),
        payload(&body),
        0,
    )
}

/// The apiserver takes nothing but the status of it.
fn status_body(kind: &str, key: &ObjectKey, uid: &Uid, version: &ResourceVersion, status: &Value) -> Value {
    let mut body = json!({
        "apiVersion": format!("{}/{}", quaymaster_api::GROUP, quaymaster_api::VERSION),
        "kind": kind,
        "metadata": { "name": key.name.as_str(), "uid": uid.to_string(), "resourceVersion": version.to_string() },
        "status": status,
    });
    if !key.namespace.is_empty() {
        body["metadata"]["namespace"] = json!(key.namespace.as_str());
    }
    body
}

/// Makes an IPAddress of ours, which keeps an address from being given.
pub(crate) fn hold(address: IpAddr, cause: Cause<'_>, release: Option<&Release>) -> Request {
    let parent = match cause {
        Cause::Reservation(key) => json!({
            "group": quaymaster_api::GROUP,
            "resource": "servicereservations",
            "namespace": key.namespace.as_str(),
            "name": key.name.as_str(),
        }),
        Cause::Pool(name) => json!({
            "group": quaymaster_api::GROUP,
            "resource": "serviceippools",
            "name": name,
        }),
    };
    let mut body = ip_address(address, names::MANAGER_HOLD, &parent);
    if let Some(Release { by, at }) = release {
        let metadata = &mut body["metadata"];
        metadata["annotations"] = json!({ names::ANNOTATION_RELEASED_AT: at.to_string() });
        metadata["labels"][names::LABEL_RELEASED_BY_NAMESPACE] = json!(by.namespace.as_str());
        metadata["labels"][names::LABEL_RELEASED_BY_NAME] = json!(by.name.as_str());
    }
    create(address, &body)
}

/// Makes the IPAddress of a Service as the apiserver's allocator makes it.
pub(crate) fn restore(address: IpAddr, service: &ObjectKey) -> Request {
    create(
        address,
        &ip_address(address, names::MANAGER_IP_ALLOCATOR, &service_ref(service)),
    )
}

/// Makes an IPAddress of ours for an address that this Service has.
pub(crate) fn guard(address: IpAddr, service: &ObjectKey) -> Request {
    create(
        address,
        &ip_address(address, names::MANAGER_HOLD, &service_ref(service)),
    )
}

/// Deletes this IPAddress, and no later one.
pub(crate) fn delete(record: &IpAddressRecord) -> Request {
    Request::delete(
        Kind::IpAddress,
        record.key.clone(),
        record.uid.clone(),
        Some(&record.resource_version),
        0,
    )
}

/// Asks for a Service as it is stored now.
pub(crate) fn look(service: &ObjectKey) -> Request {
    Request::get(Kind::Service, service.clone(), 0)
}

fn service_ref(service: &ObjectKey) -> Value {
    json!({ "resource": "services", "namespace": service.namespace.as_str(), "name": service.name.as_str() })
}

fn ip_address(address: IpAddr, manager: &str, parent: &Value) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IPAddress",
        "metadata": {
            "name": address.to_string(),
            "labels": {
                names::LABEL_IPADDRESS_MANAGED_BY: manager,
                names::LABEL_IP_FAMILY: match IpFamily::of(&address) {
                    IpFamily::V4 => "IPv4",
                    IpFamily::V6 => "IPv6",
                },
            },
        },
        "spec": { "parentRef": parent },
    })
}

fn create(address: IpAddr, body: &Value) -> Request {
    Request::create(
        Kind::IpAddress,
        target::clusterwide(&address.to_string()),
        payload(body),
        0,
    )
}

fn payload(body: &Value) -> Payload {
    Payload::Ready(Bytes::from(body.to_string()))
}
