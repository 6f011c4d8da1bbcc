//! Events on pools, reservations and IPAddresses.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::EventType;
use quaymaster_model::{CustomRecord, IpAddressRecord};
use quaymaster_runtime::events::Notice;

/// Something became so that the owner of a pool should see.
pub(crate) fn pool<S, T>(record: &CustomRecord<S, T>, reason: &str, note: &str) -> Notice {
    Notice {
        regarding: reference("ServiceIPPool", record),
        type_: EventType::Warning,
        reason: reason.to_owned(),
        action: "Serve".to_owned(),
        note: note.to_owned(),
    }
}

/// The apiserver took a status and stored something else.
pub(crate) fn altered<S, T>(kind: &str, record: &CustomRecord<S, T>) -> Notice {
    Notice {
        regarding: reference(kind, record),
        type_: EventType::Warning,
        reason: format!("{kind}Altered"),
        action: "UpdateStatus".to_owned(),
        note: format!(
            "the status of {kind} {} was not stored as it was sent: an admission plugin or another writer changes what quaymaster \
             writes, or the CustomResourceDefinition is of another version",
            record.key
        ),
    }
}

/// The apiserver took an IPAddress and stored something else.
pub(crate) fn altered_address(record: &IpAddressRecord) -> Notice {
    Notice {
        regarding: ObjectReference {
            api_version: Some("networking.k8s.io/v1".to_owned()),
            kind: Some("IPAddress".to_owned()),
            name: Some(record.key.name.to_string()),
            uid: Some(record.uid.to_string()),
            ..ObjectReference::default()
        },
        type_: EventType::Warning,
        reason: "IPAddressAltered".to_owned(),
        action: "HoldAddress".to_owned(),
        note: format!(
            "IPAddress {} was not stored as it was sent: an admission plugin changes what quaymaster writes",
            record.key
        ),
    }
}

fn reference<S, T>(kind: &str, record: &CustomRecord<S, T>) -> ObjectReference {
    let namespace = Some(record.key.namespace.to_string()).filter(|namespace| !namespace.is_empty());
    ObjectReference {
        api_version: Some(format!("{}/{}", quaymaster_api::GROUP, quaymaster_api::VERSION)),
        kind: Some(kind.to_owned()),
        namespace,
        name: Some(record.key.name.to_string()),
        uid: Some(record.uid.to_string()),
        resource_version: Some(record.resource_version.to_string()),
        field_path: None,
    }
}
