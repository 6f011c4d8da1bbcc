//! Endpoints, ServiceCIDRs and IPAddresses: what is kept of them, and Endpoints as they are written.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{EndpointSubset, Endpoints};
use proptest::prelude::*;
use quaymaster_model::{
    EndpointsRecord, Interner, IpAddressRecord, IpFamily, ObjectKey, ParentRef, ServiceCidrRecord, Subset,
};
use quaymaster_wire::json::{EndpointsBody, Json, ObjectMeta, Record, encode_endpoints};
use serde_json::{Value, json};

use crate::generate::{ADDRESSES, endpoints};

fn read<R: Record>(object: &impl serde::Serialize) -> Option<R> {
    let bytes = serde_json::to_vec(object).unwrap();
    Json::<R>::new(Arc::new(Interner::new())).object(&bytes).ok()
}

fn encoded(record: &EndpointsRecord) -> Value {
    let body = EndpointsBody {
        meta: ObjectMeta {
            name: &record.key.name,
            namespace: &record.key.namespace,
            uid: Some(&record.uid),
            resource_version: Some(&record.resource_version),
            labels: &record.labels,
            annotations: &record.annotations,
            owners: &record.owners,
            finalizers: &record.finalizers,
        },
        subsets: record.subsets.as_deref().unwrap(),
        unknown: record.unknown.as_deref(),
    };
    serde_json::from_slice(&encode_endpoints(&body).unwrap()).unwrap()
}

/// Addresses with their hostnames and nodes, and ports, as they would be spelled.
fn spelled(subset: &Subset) -> Value {
    let addresses = |addresses: &[quaymaster_model::SubsetAddress]| -> Vec<Value> {
        addresses
            .iter()
            .map(|address| {
                json!([
                    address.ip.to_string(),
                    address.hostname.as_deref(),
                    address.node.as_deref(),
                    address.target.as_ref().map(|target| target.name.as_str()),
                ])
            })
            .collect()
    };
    let ports: Vec<Value> = subset
        .ports
        .iter()
        .map(|port| {
            json!([
                port.name.as_str(),
                port.port,
                port.protocol.as_str(),
                port.app_protocol.as_deref()
            ])
        })
        .collect();
    json!([addresses(&subset.ready), addresses(&subset.not_ready), ports])
}

fn expected(subset: &EndpointSubset) -> Value {
    let addresses = |addresses: &Option<Vec<k8s_openapi::api::core::v1::EndpointAddress>>| -> Vec<Value> {
        addresses
            .iter()
            .flatten()
            .map(|address| {
                let target = address.target_ref.as_ref();
                json!([
                    address.ip,
                    address.hostname.as_ref().filter(|name| !name.is_empty()),
                    address.node_name,
                    target.map(|target| target.name.clone().unwrap_or_default()),
                ])
            })
            .collect()
    };
    let ports: Vec<Value> = subset
        .ports
        .iter()
        .flatten()
        .map(|port| {
            let protocol = port.protocol.as_deref().filter(|protocol| !protocol.is_empty());
            json!([
                port.name.as_deref().unwrap_or_default(),
                port.port,
                protocol.unwrap_or("TCP"),
                port.app_protocol
            ])
        })
        .collect();
    json!([
        addresses(&subset.addresses),
        addresses(&subset.not_ready_addresses),
        ports
    ])
}

proptest! {
    #[test]
    fn of_endpoints_all_subsets_and_metadata_are_kept(object in endpoints::endpoints()) {
        let record: EndpointsRecord = read(&object).unwrap();
        let subsets = object.subsets.clone().unwrap_or_default();
        let kept: Vec<Value> = record.subsets.iter().flatten().map(spelled).collect();
        prop_assert_eq!(kept, subsets.iter().map(expected).collect::<Vec<_>>());
        let count = |list: &Option<Vec<_>>| list.as_ref().map_or(0, Vec::len);
        let addresses: usize = subsets
            .iter()
            .map(|subset| count(&subset.addresses) + count(&subset.not_ready_addresses))
            .sum();
        prop_assert_eq!(record.addresses as usize, addresses);
        let by = object.metadata.labels.as_ref().and_then(|labels| {
            labels.get(quaymaster_model::names::LABEL_ENDPOINTS_MANAGED_BY)
        });
        prop_assert_eq!(record.is_managed(), by.is_some_and(|by| by == "endpoint-controller"));
        prop_assert_eq!(record.held().subsets.is_none(), record.is_managed());
        prop_assert_eq!(record.clone().to_be_held(), record.held());
    }

    #[test]
    fn endpoints_that_are_read_and_written_unchanged_are_the_same(object in endpoints::endpoints()) {
        let mut record: EndpointsRecord = read(&object).unwrap();
        // Only the server can set it, so no body says it.
        record.terminating = false;
        prop_assert_eq!(read::<EndpointsRecord>(&encoded(&record)).unwrap(), record);
    }

    /// The full type refuses what is not of the API's shape, and writes as Go's clients do.
    #[test]
    fn the_full_type_reads_endpoints_that_are_written_and_would_write_the_same(object in endpoints::endpoints()) {
        let written = encoded(&read(&object).unwrap());
        let full: Endpoints = serde_json::from_value(written.clone()).expect("of the API's shape");
        prop_assert_eq!(serde_json::to_value(&full).unwrap(), written);
    }

    #[test]
    fn of_a_service_cidr_ranges_finalizers_deletion_and_the_ready_condition_are_kept(
        object in endpoints::service_cidr(),
    ) {
        let record: ServiceCidrRecord = read(&object).unwrap();
        let ranges = object.spec.as_ref().and_then(|spec| spec.cidrs.clone()).unwrap_or_default();
        let ranges: Vec<String> = ranges.into_iter().filter(|range| range.contains('/') && range != "x/8").collect();
        prop_assert_eq!(record.cidrs.iter().map(ToString::to_string).collect::<Vec<_>>(), ranges);
        let finalizers = object.metadata.finalizers.clone().unwrap_or_default();
        prop_assert_eq!(record.finalizers.iter().map(ToString::to_string).collect::<Vec<_>>(), finalizers);
        let deleted = object.metadata.deletion_timestamp.as_ref().map(|time| time.0.as_second());
        // The zero time of Go is no time.
        prop_assert_eq!(record.deleted.map(|time| time.0), deleted.filter(|time| *time > -62_135_596_800));
        let conditions = object.status.and_then(|status| status.conditions).unwrap_or_default();
        let ready = conditions.iter().find(|condition| condition.type_ == "Ready");
        prop_assert_eq!(
            record.ready.map(|ready| [ready.status, ready.reason, ready.message].map(|text| text.to_string())),
            ready.map(|ready| [ready.status.clone(), ready.reason.clone(), ready.message.clone()])
        );
    }

    #[test]
    fn of_an_ip_address_the_address_and_whose_it_is_are_kept(object in endpoints::ip_address()) {
        let name = object.metadata.name.clone().unwrap();
        let record: Option<IpAddressRecord> = read(&object);
        prop_assert_eq!(record.is_none(), name.is_empty());
        if let Some(record) = record {
            let (_, canonical) = ADDRESSES.iter().find(|(text, _)| *text == name).unwrap();
            prop_assert_eq!(record.address.map(|address| address.to_string()), canonical.map(str::to_owned));
            let labels = object.metadata.labels.unwrap_or_default();
            let label = |key: &str| labels.get(key).map(String::as_str);
            prop_assert_eq!(
                record.is_of_allocator(),
                label("ipaddress.kubernetes.io/managed-by") == Some("ipallocator.k8s.io")
            );
            let family = match label("ipaddress.kubernetes.io/ip-family") {
                Some("IPv4") => Some(IpFamily::V4),
                Some("IPv6") => Some(IpFamily::V6),
                _ => None,
            };
            prop_assert_eq!(record.labelled_family(), family);
            prop_assert_eq!(
                record.finalizers.iter().map(ToString::to_string).collect::<Vec<_>>(),
                object.metadata.finalizers.clone().unwrap_or_default()
            );
            let deleted = object.metadata.deletion_timestamp.as_ref().map(|time| time.0.as_second());
            prop_assert_eq!(record.deleted.map(|time| time.0), deleted.filter(|time| *time > -62_135_596_800));
            let released = object.metadata.annotations.and_then(|mut all| all.remove("quaymaster.io/released-at"));
            prop_assert_eq!(
                record.released_at.as_ref().map(ToString::to_string),
                released.filter(|text| !text.is_empty())
            );
            let parent = object.spec.parent_ref;
            let expected = [parent.group, Some(parent.resource), parent.namespace, Some(parent.name)];
            let read = record.parent.as_ref().map(|it| [&it.group, &it.resource, &it.namespace, &it.name]);
            prop_assert_eq!(
                read.map(|parts| parts.map(ToString::to_string)),
                Some(expected.map(Option::unwrap_or_default))
            );
            let service = record.parent.as_ref().and_then(ParentRef::service).map(|key| key.to_string());
            let [group, resource, namespace, name] = read.unwrap();
            prop_assert_eq!(
                service,
                (group.is_empty() && *resource == *"services")
                    .then(|| ObjectKey::new(namespace.clone(), name.clone()).to_string())
            );
        }
    }
}

#[test]
fn endpoints_with_null_lists_are_those_with_none() {
    let null = json!({
        "metadata": { "name": "web", "namespace": "shop", "labels": null, "annotations": null },
        "subsets": [{ "addresses": null, "notReadyAddresses": null, "ports": null }],
    });
    let absent = json!({ "metadata": { "name": "web", "namespace": "shop" }, "subsets": [{}] });
    let read = |object: &Value| read::<EndpointsRecord>(object).unwrap();
    assert_eq!(read(&null), read(&absent));
    let none = json!({ "metadata": { "name": "web", "namespace": "shop" }, "subsets": null });
    assert_eq!(read(&none).digest, read(&absent).digest, "nothing is in either");
}
