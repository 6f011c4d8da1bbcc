//! Events on Services and EndpointSlices.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::EventType;
use quaymaster_model::{ObjectKey, ServiceRecord, SliceRecord, Uid};
use quaymaster_runtime::events::Notice;

use crate::checks::Finding;

/// A mistake in a Service.
pub(crate) fn of_service(service: &ServiceRecord, finding: &Finding) -> Notice {
    warning("v1", "Service", &service.key, &service.uid, finding)
}

/// A mistake in a slice.
pub(crate) fn of_slice(slice: &SliceRecord, finding: &Finding) -> Notice {
    warning(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        &slice.key,
        &slice.uid,
        finding,
    )
}

fn warning(api_version: &str, kind: &str, key: &ObjectKey, uid: &Uid, finding: &Finding) -> Notice {
    Notice {
        regarding: ObjectReference {
            api_version: Some(api_version.to_owned()),
            kind: Some(kind.to_owned()),
            namespace: Some(key.namespace.to_string()),
            name: Some(key.name.to_string()),
            uid: Some(uid.to_string()),
            // It holds through many versions.
            resource_version: None,
            field_path: None,
        },
        type_: EventType::Warning,
        reason: finding.cause.reason().to_owned(),
        action: "Check".to_owned(),
        note: finding.note.clone(),
    }
}
