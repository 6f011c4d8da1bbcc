use quaymaster_world::Delta;

use super::*;
use crate::controller::Part;
use crate::fixtures::{
    allocation_claim_json, endpoints_json, ip_address_json, key, namespace_json, node_json,
    node_port_pool_json, pod_json, read, service_cidr_json, service_ip_pool_json, service_json,
    service_reservation_json, slice_json,
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
            Kind::ServiceIpPool,
            "/apis/quaymaster.io/v1alpha1/serviceippools",
            "/apis/quaymaster.io/v1alpha1/serviceippools",
        ),
        (
            Kind::NodePortPool,
            "/apis/quaymaster.io/v1alpha1/nodeportpools",
            "/apis/quaymaster.io/v1alpha1/nodeportpools",
        ),
        (
            Kind::ServiceReservation,
            "/apis/quaymaster.io/v1alpha1/servicereservations",
            "/apis/quaymaster.io/v1alpha1/namespaces/shop/servicereservations",
        ),
        (
            Kind::AllocationClaim,
            "/apis/quaymaster.io/v1alpha1/allocationclaims",
            "/apis/quaymaster.io/v1alpha1/allocationclaims",
        ),
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
        let fields = match kind {
            Kind::Pod => source.fields("status.phase!=Succeeded,status.phase!=Failed"),
            Kind::ServiceIpPool | Kind::NodePortPool | Kind::ServiceReservation | Kind::AllocationClaim => {
                source.optional()
            }
            _ => source,
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
    let pool = answer(Kind::ServiceIpPool, Verb::Update, &service_ip_pool_json("p", 3));
    assert!(matches!(pool, Ok(Some(Object::ServiceIpPool(pool))) if pool.spec.cidrs == ["10.96.8.0/24"]));
    let pool = answer(Kind::NodePortPool, Verb::Update, &node_port_pool_json("p", 3));
    assert!(matches!(pool, Ok(Some(Object::NodePortPool(pool))) if pool.spec.ranges[0].last == 30_099));
    let json = service_reservation_json("r", "u-1", 3);
    let kept = answer(Kind::ServiceReservation, Verb::Update, &json);
    assert!(matches!(kept, Ok(Some(Object::ServiceReservation(kept))) if kept.spec.service_name == "web"));
    let claim = answer(
        Kind::AllocationClaim,
        Verb::Create,
        &allocation_claim_json("np-30000", 3),
    );
    assert!(matches!(claim, Ok(Some(Object::AllocationClaim(claim))) if claim.spec.replica == "a"));
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
fn an_own_write_of_a_custom_resource_counts_before_the_watch_tells_it() {
    let mut world = World::new();
    let key = ObjectKey::new("".into(), "np-30000".into());
    let uid = Uid::new("u");
    let claim = read::<AllocationClaimRecord>(&allocation_claim_json("np-30000", 3)).into_object();
    written(&claim, &mut world, &mut crate::fixtures::nobody);
    assert_eq!(
        world.allocation_claim(&key).map(|claim| claim.generation),
        Some(0)
    );
    deleted(
        Kind::AllocationClaim,
        &key,
        &uid,
        &mut world,
        &mut crate::fixtures::nobody,
    );
    assert!(world.allocation_claim(&key).is_none());
    let pool = read::<ServiceIpPoolRecord>(&service_ip_pool_json("p", 3)).into_object();
    written(&pool, &mut world, &mut crate::fixtures::nobody);
    assert_eq!(world.service_ip_pools().count(), 1);
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
