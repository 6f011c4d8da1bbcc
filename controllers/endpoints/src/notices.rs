//! Events on Endpoints, with kube-controller-manager's reasons and texts.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::EventType;
use quaymaster_engine::Answer;
use quaymaster_model::{EndpointsRecord, ObjectKey};
use quaymaster_runtime::api::{Verb, WriteError};
use quaymaster_runtime::events::Notice;

/// A write failed for a reason that does not heal by looking again. The Event is about the Endpoints even where there are
/// none yet: kube-controller-manager names no namespace then, so that its Event of a failed create lands in `default`.
pub(crate) fn write_failed(
    stored: Option<&EndpointsRecord>,
    answer: &Answer<'_>,
    error: &WriteError,
) -> Notice {
    let key = answer.key;
    let (reason, note) = if answer.verb == Verb::Create {
        (
            "FailedToCreateEndpoint",
            format!("Failed to create endpoint for service {key}: {error}"),
        )
    } else {
        (
            "FailedToUpdateEndpoint",
            format!("Failed to update endpoint {key}: {error}"),
        )
    };
    warning(key, stored, reason, note)
}

/// Endpoints are not stored as they were sent. kube-controller-manager has no such Event: it writes them again whenever it
/// looks at the Service.
pub(crate) fn altered(stored: &EndpointsRecord) -> Notice {
    let key = &stored.key;
    let note = format!(
        "Endpoints {key} were not stored as they were sent: an admission plugin or another writer changes what quaymaster \
         writes"
    );
    warning(key, Some(stored), "EndpointsAltered", note)
}

fn warning(key: &ObjectKey, stored: Option<&EndpointsRecord>, reason: &str, note: String) -> Notice {
    Notice {
        regarding: ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Endpoints".to_owned()),
            namespace: Some(key.namespace.to_string()),
            name: Some(key.name.to_string()),
            uid: stored.map(|stored| stored.uid.to_string()),
            resource_version: stored.map(|stored| stored.resource_version.to_string()),
            field_path: None,
        },
        type_: EventType::Warning,
        reason: reason.to_owned(),
        action: "UpdateEndpoints".to_owned(),
        note,
    }
}
