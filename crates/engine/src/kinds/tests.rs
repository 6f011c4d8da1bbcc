use quaymaster_world::Delta;

use super::*;
use crate::controller::Part;
use crate::fixtures::{
    endpoints_json, ip_address_json, key, namespace_json, node_json, pod_json, read, service_cidr_json,
    service_json, slice_json,
};

#[test]
fn a_path_is_of_the_collection_for_a_create_and_of_the_object_or_its_part_else() {
    let web = key("web");
    for (kind, all, collection) in [
        (
            Kind::Slice,
            "/apis/discovery.k8s.io/v1/endpointslices",
            "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices",
        ),
        (
            Kind::Service,
            "/api/v1/services",
            "/api/v1/namespaces/shop/services",
        ),
        (Kind::Pod, "/api/v1/pods", "/api/v1/namespaces/shop/pods"),
        (Kind::Node, "/api/v1/nodes", "/api/v1/nodes"),
        (Kind::Namespace, "/api/v1/namespaces", "/api/v1/namespaces"),
        (
            Kind::Endpoints,
            "/api/v1/endpoints",
            "/api/v1/namespaces/shop/endpoints",
        ),
        (
            Kind::ServiceCidr,
            "/apis/networking.k8s.io/v1/servicecidrs",
            "/apis/networking.k8s.io/v1/servicecidrs",
        ),
        (
            Kind::IpAddress,
            "/apis/networking.k8s.io/v1/ipaddresses",
            "/apis/networking.k8s.io/v1/ipaddresses",
        ),
    ] {
        let resource = resource(kind);
        assert_eq!(resource.path(Verb::Create, Part::Object, &web, None), collection);
        for verb in [Verb::Update, Verb::Delete, Verb::Get] {
            assert_eq!(
                resource.path(verb, Part::Object, &web, None),
                format!("{collection}/web")
            );
        }
        assert_eq!(
            resource.path(Verb::Update, Part::Status, &web, None),
            format!("{collection}/web/status")
        );
        let source = quaymaster_watch::Source::new(resource.qualified(), all);
        let fields = if kind == Kind::Pod {
            source.fields("status.phase!=Succeeded,status.phase!=Failed")
        } else {
            source
        };
        assert_eq!(resource.source(), fields);
    }
    assert_eq!(
        resource(Kind::Slice).qualified(),
        "endpointslices.discovery.k8s.io"
    );
}

#[test]
fn fields_that_are_applied_are_taken_from_whoever_has_them() {
    let resource = resource(Kind::ServiceCidr);
    let path = resource.path(Verb::Apply, Part::Status, &key("a"), Some("me"));
    assert_eq!(
        path,
        "/apis/networking.k8s.io/v1/servicecidrs/a/status?fieldManager=me&force=true"
    );
}

#[test]
fn the_subsets_of_managed_endpoints_are_not_held_and_an_answer_has_them() {
    let mut world = World::new();
    let managed = |version: u64| {
        let labels = r#"{"labels":{"endpoints.kubernetes.io/managed-by":"endpoint-controller"},"#;
        let json = endpoints_json("a", "u-1", version)
            .replace(r#""metadata":{"#, &format!(r#""metadata":{labels}"#));
        let subsets = r#","subsets":[{"addresses":[{"ip":"10.0.0.1"}]}]}"#;
        read::<EndpointsRecord>(&format!("{}{subsets}", json.strip_suffix('}').unwrap()))
    };
    managed(3).apply(&mut world, &mut crate::fixtures::nobody);
    let held = |world: &World| world.endpoints(&key("a")).cloned().unwrap();
    assert_eq!(
        (held(&world).subsets.is_none(), held(&world).addresses),
        (true, 1)
    );
    let answer = managed(4).into_object();
    written(&answer, &mut world, &mut crate::fixtures::nobody);
    assert!(held(&world).subsets.is_none());
    assert_eq!(held(&world).resource_version.to_string(), "4");
    assert!(matches!(answer, Object::Endpoints(answer) if answer.subsets.is_some()));
}

fn answer(kind: Kind, verb: Verb, body: &str) -> Result<Option<Object>, String> {
    let interner = Arc::new(Interner::new());
    read_answer(kind, verb, &interner, body.as_bytes()).map_err(|error| error.to_string())
}

#[test]
fn each_kind_reads_its_own_answers() {
    let pod = answer(Kind::Pod, Verb::Get, &pod_json("a", "u-1", 3));
    assert!(matches!(pod, Ok(Some(Object::Pod(pod))) if *pod.key.name == *"a"));
    let service = answer(Kind::Service, Verb::Get, &service_json("b", "u-1", 3));
    assert!(matches!(service, Ok(Some(Object::Service(service))) if *service.key.name == *"b"));
    let node = answer(Kind::Node, Verb::Get, &node_json("c", 3));
    assert!(matches!(node, Ok(Some(Object::Node(node))) if *node.name == *"c"));
    let namespace = answer(Kind::Namespace, Verb::Get, &namespace_json("c", 3));
    assert!(matches!(namespace, Ok(Some(Object::Namespace(namespace))) if *namespace.name == *"c"));
    let slice = answer(Kind::Slice, Verb::Create, &slice_json("d", "u-1", 3));
    assert!(matches!(slice, Ok(Some(Object::Slice(slice))) if *slice.key.name == *"d"));
    let endpoints = answer(Kind::Endpoints, Verb::Update, &endpoints_json("e", "u-1", 3));
    assert!(matches!(endpoints, Ok(Some(Object::Endpoints(endpoints))) if *endpoints.key.name == *"e"));
    let cidr = answer(Kind::ServiceCidr, Verb::Apply, &service_cidr_json("f", 3));
    assert!(matches!(cidr, Ok(Some(Object::ServiceCidr(cidr))) if *cidr.key.name == *"f"));
    let address = answer(Kind::IpAddress, Verb::Patch, &ip_address_json("10.0.0.1", 3));
    assert!(matches!(address, Ok(Some(Object::IpAddress(address))) if address.address.is_some()));
}

#[test]
fn only_a_delete_may_be_answered_with_a_status() {
    let status = r#"{"kind":"Status","status":"Success","details":{"name":"a"}}"#;
    assert!(matches!(answer(Kind::Slice, Verb::Delete, status), Ok(None)));
    for verb in [Verb::Create, Verb::Update, Verb::Get] {
        assert!(answer(Kind::Slice, verb, status).is_err());
    }
    assert!(answer(Kind::Slice, Verb::Delete, "").is_err(), "nor with nothing");
}

#[test]
fn a_kind_that_is_only_read_stays_as_its_watch_told_it_whatever_is_answered() {
    let mut world = World::new();
    let mut views = |_: &World, _: &Delta<'_>| panic!("nothing changed");
    let service = read::<ServiceRecord>(&service_json("a", "u-1", 3));
    written(&service.into_object(), &mut world, &mut views);
    assert!(world.service_id(&key("a")).is_none());
    deleted(Kind::Service, &key("a"), &Uid::new("u-1"), &mut world, &mut views);
}
