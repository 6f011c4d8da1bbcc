//! Events on Endpoints, with kube-controller-manager's reasons and texts (kubernetes/kubernetes
//! `pkg/controller/endpointslicemirroring/events.go`, `reconciler.go`).

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::EventType;
use quaymaster_engine::Answer;
use quaymaster_model::EndpointsRecord;
use quaymaster_runtime::api::WriteError;
use quaymaster_runtime::events::Notice;

/// What was done, for Events about addresses.
const MIRROR: &str = "MirrorAddresses";

/// What was done, for Events about writes.
const UPDATE: &str = "UpdateEndpointSlices";

/// Addresses are no IP addresses.
pub(crate) fn invalid(endpoints: &EndpointsRecord, count: usize) -> Notice {
    let note = format!("Skipped {count} invalid IP addresses when mirroring to EndpointSlices");
    warning(endpoints, "InvalidIPAddress", MIRROR, note)
}

/// Addresses are left out, invalid ones among them, of which there are others.
pub(crate) fn too_many(endpoints: &EndpointsRecord, most: usize, skipped: usize) -> Notice {
    let note = format!(
        "A max of {most} addresses can be mirrored to EndpointSlices per Endpoints subset. {skipped} addresses were skipped"
    );
    warning(endpoints, "TooManyAddressesToMirror", MIRROR, note)
}

/// A write failed for a reason that does not heal by looking again. kube-controller-manager has the reason and never gives
/// it.
pub(crate) fn write_failed(endpoints: &EndpointsRecord, answer: &Answer<'_>, error: &WriteError) -> Notice {
    let note = format!(
        "Error updating Endpoint Slices for Endpoints {}: failed to {} {}: {error}",
        answer.key,
        answer.verb.label(),
        answer.object.name,
    );
    warning(endpoints, "FailedToUpdateEndpointSlices", UPDATE, note)
}

/// A slice is not stored as it was sent. kube-controller-manager has no such Event: it writes the slice again whenever it
/// looks at the Endpoints.
pub(crate) fn altered(endpoints: &EndpointsRecord, answer: &Answer<'_>) -> Notice {
    let note = format!(
        "EndpointSlice {} of Endpoints {} was not stored as it was sent: an admission plugin or another writer changes what \
         quaymaster writes",
        answer.object.name, answer.key,
    );
    warning(endpoints, "EndpointSliceAltered", UPDATE, note)
}

fn warning(endpoints: &EndpointsRecord, reason: &str, action: &str, note: String) -> Notice {
    Notice {
        regarding: ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Endpoints".to_owned()),
            namespace: Some(endpoints.key.namespace.to_string()),
            name: Some(endpoints.key.name.to_string()),
            uid: Some(endpoints.uid.to_string()),
            resource_version: Some(endpoints.resource_version.to_string()),
            field_path: None,
        },
        type_: EventType::Warning,
        reason: reason.to_owned(),
        action: action.to_owned(),
        note,
    }
}
