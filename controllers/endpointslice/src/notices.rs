//! Events on Services, with kube-controller-manager's reasons and texts.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::EventType;
use quaymaster_engine::Answer;
use quaymaster_model::ServiceRecord;
use quaymaster_runtime::api::WriteError;
use quaymaster_runtime::events::Notice;
use quaymaster_slices::topology::TopologyEvent;

/// Topology hints came or went.
pub(crate) fn topology(service: &ServiceRecord, event: &TopologyEvent) -> Notice {
    Notice {
        regarding: reference(service),
        type_: if event.event_type() == "Normal" {
            EventType::Normal
        } else {
            EventType::Warning
        },
        reason: event.reason().to_owned(),
        action: "UpdateHints".to_owned(),
        note: event.message(),
    }
}

/// A write failed for a reason that does not heal by looking again.
pub(crate) fn write_failed(service: &ServiceRecord, answer: &Answer<'_>, error: &WriteError) -> Notice {
    Notice {
        regarding: reference(service),
        type_: EventType::Warning,
        reason: "FailedToUpdateEndpointSlices".to_owned(),
        action: "UpdateEndpointSlices".to_owned(),
        note: format!(
            "Error updating Endpoint Slices for Service {}: failed to {} {}: {error}",
            answer.key,
            answer.verb.label(),
            answer.object.name,
        ),
    }
}

/// A slice is not stored as it was sent. kube-controller-manager has no such Event: it writes the slice again whenever it
/// looks at the Service.
pub(crate) fn altered(service: &ServiceRecord, answer: &Answer<'_>) -> Notice {
    Notice {
        regarding: reference(service),
        type_: EventType::Warning,
        reason: "EndpointSliceAltered".to_owned(),
        action: "UpdateEndpointSlices".to_owned(),
        note: format!(
            "EndpointSlice {} of Service {} was not stored as it was sent: an admission plugin or another writer changes \
             what quaymaster writes",
            answer.object.name, answer.key,
        ),
    }
}

fn reference(service: &ServiceRecord) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Service".to_owned()),
        namespace: Some(service.key.namespace.to_string()),
        name: Some(service.key.name.to_string()),
        uid: Some(service.uid.to_string()),
        resource_version: Some(service.resource_version.to_string()),
        field_path: None,
    }
}
