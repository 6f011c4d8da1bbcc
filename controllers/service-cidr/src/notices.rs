//! Events on ServiceCIDRs, with kube-controller-manager's reasons and texts.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::EventType;
use quaymaster_model::ServiceCidrRecord;
use quaymaster_runtime::api::WriteError;
use quaymaster_runtime::events::Notice;

/// The condition cannot be set.
pub(crate) fn not_ready(cidr: &ServiceCidrRecord, error: &WriteError) -> Notice {
    Notice {
        regarding: reference(cidr),
        type_: EventType::Warning,
        reason: "KubernetesServiceCIDRError".to_owned(),
        action: "UpdateStatus".to_owned(),
        note: format!("The ServiceCIDR Status can not be set to Ready=True: {error}"),
    }
}

/// The apiserver took a write and stored something else.
pub(crate) fn altered(cidr: &ServiceCidrRecord) -> Notice {
    Notice {
        regarding: reference(cidr),
        type_: EventType::Warning,
        reason: "ServiceCIDRAltered".to_owned(),
        action: "UpdateServiceCIDR".to_owned(),
        note: format!(
            "ServiceCIDR {} was not stored as it was sent: an admission plugin or another writer changes what quaymaster \
             writes",
            cidr.key
        ),
    }
}

fn reference(cidr: &ServiceCidrRecord) -> ObjectReference {
    ObjectReference {
        api_version: Some("networking.k8s.io/v1".to_owned()),
        kind: Some("ServiceCIDR".to_owned()),
        namespace: None,
        name: Some(cidr.key.name.to_string()),
        uid: Some(cidr.uid.to_string()),
        resource_version: Some(cidr.resource_version.to_string()),
        field_path: None,
    }
}
