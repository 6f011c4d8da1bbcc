//! Random objects of the full API types, with much in them that no record keeps.

pub(crate) mod endpoints;
pub(crate) mod node;
pub(crate) mod pod;
pub(crate) mod service;
pub(crate) mod slice;

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{
    FieldsV1, ManagedFieldsEntry, ObjectMeta, OwnerReference, Time,
};
use k8s_openapi::jiff::Timestamp;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

/// Texts as API objects have them, and now and then what JSON must escape.
pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[a-z][a-z0-9.-]{0,8}",
        1 => Just(String::new()),
        1 => "[\"\\\\/\n\t\u{1}é漢🦀]{1,4}",
    ]
}

/// Few different values, so that matches happen.
pub(crate) fn one_of(values: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(values).prop_map(str::to_owned)
}

pub(crate) fn maybe<S: Strategy>(strategy: S) -> impl Strategy<Value = Option<S::Value>> {
    option::of(strategy)
}

pub(crate) fn list<S: Strategy>(strategy: S) -> impl Strategy<Value = Option<Vec<S::Value>>> {
    option::of(vec(strategy, 0..4))
}

pub(crate) fn strings() -> impl Strategy<Value = Option<BTreeMap<String, String>>> {
    option::of(btree_map(text(), text(), 0..5))
}

pub(crate) fn uid() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        text()
    ]
}

pub(crate) fn time() -> impl Strategy<Value = Time> {
    prop_oneof![
        9 => -1_000_000_000_i64..4_000_000_000,
        // The zero time of Go.
        1 => Just(-62_135_596_800_i64),
    ]
    .prop_map(|seconds| Time(Timestamp::from_second(seconds).expect("within the range of timestamps")))
}

/// Addresses in every spelling, and texts that are none.
pub(crate) const ADDRESSES: &[(&str, Option<&str>)] = &[
    ("10.1.2.3", Some("10.1.2.3")),
    ("010.001.002.003", Some("10.1.2.3")),
    ("fd00::1", Some("fd00::1")),
    ("FD00:0:0:0:0:0:0:0001", Some("fd00::1")),
    ("::ffff:10.1.2.3", Some("10.1.2.3")),
    ("fe80::1%eth0", None),
    ("10.1.2", None),
    ("", None),
];

pub(crate) fn address() -> impl Strategy<Value = String> {
    prop::sample::select(ADDRESSES).prop_map(|(text, _)| text.to_owned())
}

fn owner() -> impl Strategy<Value = OwnerReference> {
    (
        one_of(&["v1", "apps/v1"]),
        one_of(&["Service", "ReplicaSet"]),
        text(),
        uid(),
        maybe(any::<bool>()),
        maybe(any::<bool>()),
    )
        .prop_map(
            |(api_version, kind, name, uid, controller, block_owner_deletion)| OwnerReference {
                api_version,
                kind,
                name,
                uid,
                controller,
                block_owner_deletion,
            },
        )
}

fn managed_fields() -> impl Strategy<Value = ManagedFieldsEntry> {
    (text(), time()).prop_map(|(manager, time)| ManagedFieldsEntry {
        manager: Some(manager),
        time: Some(time),
        fields_v1: Some(FieldsV1(serde_json::json!({
            "f:metadata": {"f:labels": {".": {}, "f:app": {}}, "f:name": {}},
            "f:spec": {"f:containers": {"k:{\"name\":\"c\"}": {".": {}, "f:image": {}}}},
            "f:status": {"f:podIPs": {".": {}, "k:{\"ip\":\"10.0.0.1\"}": {".": {}, "f:ip": {}}}}
        }))),
        ..ManagedFieldsEntry::default()
    })
}

/// Metadata of which nothing in particular is read.
pub(crate) fn any_metadata() -> impl Strategy<Value = ObjectMeta> {
    metadata(strings(), strings())
}

/// Metadata whose labels or annotations carry some of the given keys.
pub(crate) fn metadata(
    labels: impl Strategy<Value = Option<BTreeMap<String, String>>>,
    annotations: impl Strategy<Value = Option<BTreeMap<String, String>>>,
) -> impl Strategy<Value = ObjectMeta> {
    let identity = (
        "[a-z][a-z0-9-]{0,8}",
        maybe(text()),
        maybe(uid()),
        maybe("[1-9][0-9]{0,8}"),
    );
    let times = (maybe(time()), maybe(time()), maybe(any::<i64>()));
    let rest = (
        list(owner()),
        list(text()),
        list(managed_fields()),
        maybe(text()),
        maybe(any::<i64>()),
    );
    (identity, times, labels, annotations, rest).prop_map(|(identity, times, labels, annotations, rest)| {
        let (name, namespace, uid, resource_version) = identity;
        let (creation_timestamp, deletion_timestamp, deletion_grace_period_seconds) = times;
        let (owner_references, finalizers, managed_fields, generate_name, generation) = rest;
        ObjectMeta {
            name: Some(name),
            namespace,
            uid,
            resource_version,
            creation_timestamp,
            deletion_timestamp,
            deletion_grace_period_seconds,
            labels,
            annotations,
            owner_references,
            finalizers,
            managed_fields,
            generate_name,
            generation,
            self_link: None,
        }
    })
}
