//! Events on pools and Services.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::EventType;
use quaymaster_api::NodePortPoolStatus;
use quaymaster_ipam::status;
use quaymaster_model::ServiceRecord;
use quaymaster_runtime::api::WriteError;
use quaymaster_runtime::events::Notice;
use quaymaster_world::NodePortPoolRecord;

use crate::conditions::{CAPACITY_LOW, CRITICAL, EXHAUSTED, OVERLAPPING};

/// What is told once each time that it becomes so: the reason of the Event, the condition and its reason.
pub(crate) const TOLD: [(&str, &str, Option<&str>); 3] = [
    ("PoolOverlap", OVERLAPPING, None),
    ("PoolNearlyFull", CAPACITY_LOW, Some(CRITICAL)),
    ("PoolExhausted", EXHAUSTED, None),
];

/// An Event with the sentence of a condition.
pub(crate) fn became(
    pool: &NodePortPoolRecord,
    status: &NodePortPoolStatus,
    reason: &str,
    kind: &str,
) -> Notice {
    let conditions = status.conditions.iter();
    let message = conditions
        .filter(|condition| condition.type_ == kind)
        .map(|condition| condition.message.clone());
    warning(pool, reason, message.collect())
}

/// Whether a status says so.
pub(crate) fn is_so(status: &NodePortPoolStatus, kind: &str, reason: Option<&str>) -> bool {
    status::holds(&status.conditions, kind, reason)
}

/// The apiserver took the status and stored another one.
pub(crate) fn altered(pool: &NodePortPoolRecord) -> Notice {
    let note = format!(
        "The status of NodePortPool {} was not stored as it was sent: an admission plugin changes what quaymaster writes, or the \
         definition of the resource is older than quaymaster",
        pool.key.name
    );
    warning(pool, "NodePortPoolAltered", note)
}

/// The status cannot be written.
pub(crate) fn not_written(pool: &NodePortPoolRecord, error: &WriteError) -> Notice {
    let note = format!(
        "The status of NodePortPool {} cannot be written: {error}",
        pool.key.name
    );
    warning(pool, "StatusNotWritten", note)
}

fn warning(pool: &NodePortPoolRecord, reason: &str, note: String) -> Notice {
    Notice {
        regarding: ObjectReference {
            api_version: Some(format!("{}/{}", quaymaster_api::GROUP, quaymaster_api::VERSION)),
            kind: Some("NodePortPool".to_owned()),
            name: Some(pool.key.name.to_string()),
            uid: Some(pool.uid.to_string()),
            resource_version: Some(pool.resource_version.to_string()),
            ..ObjectReference::default()
        },
        type_: EventType::Warning,
        reason: reason.to_owned(),
        action: "UpdateStatus".to_owned(),
        note,
    }
}

/// The node ports of a Service were moved into its pool.
pub(crate) fn moved(service: &ServiceRecord, note: String) -> Notice {
    of_service(service, EventType::Normal, "Rehomed", note)
}

/// They cannot be.
pub(crate) fn not_moved(service: &ServiceRecord, note: String) -> Notice {
    of_service(service, EventType::Warning, "NotRehomed", note)
}

fn of_service(service: &ServiceRecord, type_: EventType, reason: &str, note: String) -> Notice {
    Notice {
        regarding: ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Service".to_owned()),
            namespace: Some(service.key.namespace.to_string()),
            name: Some(service.key.name.to_string()),
            uid: Some(service.uid.to_string()),
            resource_version: Some(service.resource_version.to_string()),
            ..ObjectReference::default()
        },
        type_,
        reason: reason.to_owned(),
        action: "MoveNodePorts".to_owned(),
        note,
    }
}
