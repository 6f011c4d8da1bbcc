use super::*;

fn body(name: &str) -> Value {
    json!({
        "metadata": {"namespace": "ns", "name": name, "labels": {"a": "b"}, "annotations": {}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": true}}],
        "ports": [{"port": 80}],
    })
}

fn server() -> (ApiServer, Value) {
    let mut server = ApiServer::new();
    let created = server.create(body("s")).unwrap();
    (server, created)
}

fn code(result: Result<Value, ApiError>) -> u16 {
    result.map_or_else(|error| error.code, |_| 200)
}

fn set(mut object: Value, pointer: &str, field: &str, value: Value) -> Value {
    object
        .pointer_mut(pointer)
        .unwrap()
        .as_object_mut()
        .unwrap()
        .insert(field.to_owned(), value);
    object
}

#[test]
fn a_created_slice_has_identity_and_defaults_and_its_name_is_taken() {
    let (mut server, created) = server();
    assert_eq!(created["metadata"]["generation"], 1);
    assert_eq!(created["metadata"]["resourceVersion"], "1");
    assert_eq!(
        created["ports"],
        json!([{"port": 80, "name": "", "protocol": "TCP"}])
    );
    assert_eq!(code(server.create(body("s"))), 409);
    let mut unnamed = body("s");
    unnamed["metadata"]["generateName"] = "svc-".into();
    unnamed["metadata"]["name"] = Value::Null;
    let name = server.create(unnamed).unwrap()["metadata"]["name"].clone();
    assert!(
        name.as_str().unwrap().len() > 4 && name.as_str().unwrap().starts_with("svc-"),
        "{name}"
    );
    assert_eq!(
        code(server.create(json!({"metadata": {"namespace": "ns"}, "addressType": "IPv4"}))),
        422
    );
    assert_eq!(code(server.create(json!([]))), 400);
}

#[test]
fn empty_lists_are_served_as_null() {
    let mut server = ApiServer::new();
    let empty = set(set(body("s"), "", "endpoints", json!([])), "", "ports", json!([]));
    let created = server.create(empty.clone()).unwrap();
    assert_eq!(
        (&created["endpoints"], &created["ports"]),
        (&Value::Null, &Value::Null)
    );
    assert!(created["metadata"].get("annotations").is_none());
    assert_eq!(server.slices()[0].endpoints, None);
    assert_eq!(
        server.update(empty).unwrap(),
        created,
        "and an empty list written over it changes nothing"
    );
}

#[test]
fn a_stale_version_or_another_uid_conflicts_and_no_version_overwrites() {
    let (mut server, created) = server();
    let changed = set(created.clone(), "/metadata/labels", "a", "c".into());
    let updated = server.update(changed.clone()).unwrap();
    assert_eq!(updated["metadata"]["resourceVersion"], "2");
    assert_eq!(code(server.update(changed.clone())), 409);
    let unconditional = set(changed, "/metadata", "resourceVersion", "".into());
    let unconditional = set(unconditional, "/metadata/labels", "a", "d".into());
    assert_eq!(code(server.update(unconditional.clone())), 200);
    assert_eq!(
        code(server.update(set(unconditional, "/metadata", "uid", "other".into()))),
        409
    );
    assert_eq!(code(server.update(body("gone"))), 404);
    assert_eq!(
        code(server.update(set(body("s"), "", "addressType", "IPv6".into()))),
        422
    );
}

#[test]
fn the_generation_follows_content_and_labels_only() {
    let (mut server, created) = server();
    for (pointer, field, value, generation, version) in [
        ("/metadata/annotations", "x", json!("y"), 1, 2),
        ("/metadata", "finalizers", json!(["f/f"]), 1, 3),
        ("/metadata/labels", "x", json!("y"), 2, 4),
        ("/endpoints/0", "zone", json!("z"), 3, 5),
        ("/endpoints/0", "zone", json!("z"), 3, 5),
    ] {
        let mut current = server.get("ns", "s").unwrap();
        current["metadata"]
            .as_object_mut()
            .unwrap()
            .entry("annotations")
            .or_insert(json!({}));
        let updated = server.update(set(current, pointer, field, value)).unwrap();
        assert_eq!(updated["metadata"]["generation"], generation, "{pointer} {field}");
        assert_eq!(
            updated["metadata"]["resourceVersion"],
            version.to_string(),
            "{pointer} {field}"
        );
    }
    let kinds: Vec<_> = server.events_since(1).iter().map(|event| event.type_).collect();
    assert_eq!(
        kinds, ["MODIFIED"; 4],
        "an update that changes nothing leaves no trace"
    );
    assert_eq!(
        server.get("ns", "s").unwrap()["metadata"]["uid"],
        created["metadata"]["uid"]
    );
}

#[test]
fn a_delete_obeys_its_preconditions() {
    let (mut server, created) = server();
    let uid = |uid: &str| Preconditions {
        uid: Some(uid.to_owned()),
        ..Preconditions::default()
    };
    let version = |version: &str| Preconditions {
        resource_version: Some(version.to_owned()),
        ..Preconditions::default()
    };
    assert_eq!(code(server.delete("ns", "s", &uid("other"))), 409);
    assert_eq!(code(server.delete("ns", "s", &version("9"))), 409);
    let right = uid(created["metadata"]["uid"].as_str().unwrap());
    assert_eq!(code(server.delete("ns", "s", &right)), 200);
    assert_eq!(code(server.delete("ns", "s", &right)), 404);
    assert_eq!(code(server.get("ns", "s")), 404);
    let last = server.events_since(0).last().unwrap();
    assert_eq!(
        (last.type_, last.resource_version),
        ("DELETED", server.resource_version())
    );
}

#[test]
fn a_finalizer_holds_a_deleted_slice_until_it_is_taken_off() {
    let mut server = ApiServer::new();
    server
        .create(set(body("s"), "/metadata", "finalizers", json!(["f/f"])))
        .unwrap();
    let dying = server.delete("ns", "s", &Preconditions::default()).unwrap();
    assert!(dying["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(dying["metadata"]["generation"], 1);
    assert_eq!(
        server.delete("ns", "s", &Preconditions::default()).unwrap(),
        dying
    );
    // The deletion cannot be taken back.
    let revived = set(dying.clone(), "/metadata", "deletionTimestamp", Value::Null);
    assert_eq!(server.update(revived).unwrap(), dying);
    server
        .update(set(dying, "/metadata", "finalizers", json!([])))
        .unwrap();
    assert_eq!(server.list(), [] as [Value; 0]);
    assert_eq!(server.events_since(2).last().unwrap().type_, "DELETED");
}

#[test]
fn a_refusal_reads_like_the_api_servers() {
    let error = ApiServer::new().get("ns", "s").unwrap_err();
    assert_eq!(
        error.to_string(),
        "404 NotFound: endpointslices.discovery.k8s.io \"s\" not found"
    );
    assert_eq!(error.status()["reason"], "NotFound");
}
