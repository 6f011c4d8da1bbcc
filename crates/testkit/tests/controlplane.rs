//! What tests do on a control plane, shown on one that all tests here share.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests, which the exception for test functions misses"
)]

use std::process::Command;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, Client, Resource, ResourceExt};
use quaymaster_testkit::assets::{Program, modules_folder};
use quaymaster_testkit::audit::Entry;
use quaymaster_testkit::controlplane::ADMIN;
use quaymaster_testkit::{Lease, SharedControlPlane, eventually, node, objects, pod, service};

const LIMIT: Duration = Duration::from_mins(1);

static PLANE: SharedControlPlane = SharedControlPlane::new(|builder| {
    builder
        .audit_log(true)
        .rbac(true)
        .service_cidrs(["10.0.0.0/16", "fd00:10::/108"])
        .node_port_range("30000-30999")
});

async fn plane() -> (Lease, Client, String) {
    let plane = PLANE.get().await.unwrap();
    let client = plane.client().await.unwrap();
    let namespace = plane.namespace("test").await.unwrap();
    (plane, client, namespace)
}

fn ready(pod: &Pod) -> Option<String> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    conditions
        .iter()
        .find(|condition| condition.type_ == "Ready")
        .map(|condition| condition.status.clone())
}

#[tokio::test]
async fn a_built_pod_is_ready_and_its_readiness_follows_status_patches() {
    let (_plane, client, ns) = plane().await;
    let created = pod("b")
        .namespace(&ns)
        .labels([("app", "a")])
        .node("n")
        .ips(["10.1.2.3", "fd00::3"])
        .container_port("http", 8080)
        .sidecar_port("mesh", 15001)
        .hostname("b")
        .subdomain("a")
        .condition("ContainersReady", true)
        .ready()
        .create(&client)
        .await
        .unwrap();
    let status = created.status.clone().unwrap();
    assert_eq!(status.phase.as_deref(), Some("Running"));
    assert_eq!(status.pod_ip.as_deref(), Some("10.1.2.3"));
    assert_eq!(status.pod_ips.unwrap().len(), 2);
    assert_eq!(ready(&created).as_deref(), Some("True"));

    let unready = objects::set_ready(&client, &ns, "b", false).await.unwrap();
    assert_eq!(ready(&unready).as_deref(), Some("False"));
    assert_eq!(
        unready.status.unwrap().conditions.unwrap().len(),
        2,
        "the other condition must stay"
    );
    let again = objects::set_ready(&client, &ns, "b", true).await.unwrap();
    assert_eq!(ready(&again).as_deref(), Some("True"));
    let done = objects::set_phase(&client, &ns, "b", "Succeeded").await.unwrap();
    assert_eq!(done.status.unwrap().phase.as_deref(), Some("Succeeded"));
}

#[tokio::test]
async fn a_terminating_pod_stays_until_it_is_deleted_now() {
    let (_plane, client, ns) = plane().await;
    let pods: Api<Pod> = Api::namespaced(client.clone(), &ns);
    let built = pod("born-so")
        .namespace(&ns)
        .node("n")
        .ip("10.1.2.4")
        .ready()
        .terminating()
        .create(&client)
        .await
        .unwrap();
    assert!(built.meta().deletion_timestamp.is_some());
    assert_eq!(ready(&built).as_deref(), Some("True"));

    pod("later")
        .namespace(&ns)
        .node("n")
        .ip("10.1.2.5")
        .ready()
        .create(&client)
        .await
        .unwrap();
    objects::terminate(&client, &ns, "later").await.unwrap();
    assert!(
        pods.get("later")
            .await
            .unwrap()
            .meta()
            .deletion_timestamp
            .is_some()
    );
    for name in ["later", "born-so"] {
        objects::delete_now(&client, &ns, name).await.unwrap();
        assert!(pods.get_opt(name).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_built_node_has_its_zone_capacity_and_readiness() {
    let (_plane, client, ns) = plane().await;
    let name = format!("node-{ns}");
    let created: Node = node(&name)
        .zone("z")
        .cpu("4")
        .ready()
        .create(&client)
        .await
        .unwrap();
    assert_eq!(created.labels()["topology.kubernetes.io/zone"], "z");
    let status = created.status.unwrap();
    assert_eq!(status.allocatable.unwrap()["cpu"].0, "4");
    let conditions = status.conditions.unwrap();
    assert!(
        conditions
            .iter()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True")
    );
}

#[tokio::test]
async fn a_dual_stack_service_gets_an_address_of_each_family() {
    let (_plane, client, ns) = plane().await;
    let created: Service = service("a")
        .namespace(&ns)
        .selector([("app", "a")])
        .port("http", 80, 8080)
        .type_("NodePort")
        .families(["IPv6", "IPv4"])
        .create(&client)
        .await
        .unwrap();
    let spec = created.spec.unwrap();
    let addresses = spec.cluster_ips.unwrap();
    assert_eq!(addresses.len(), 2, "{addresses:?}");
    assert!(
        addresses[0].starts_with("fd00:10::") && addresses[1].starts_with("10.0."),
        "{addresses:?}"
    );
    let port = spec.ports.unwrap()[0].node_port.unwrap();
    assert!((30000..31000).contains(&port), "{port}");
}

#[tokio::test]
async fn other_kinds_of_services_are_accepted() {
    let (_plane, client, ns) = plane().await;
    let headless = service("h")
        .namespace(&ns)
        .headless()
        .publish_not_ready()
        .create(&client)
        .await
        .unwrap();
    assert_eq!(headless.spec.unwrap().cluster_ip.as_deref(), Some("None"));
    let external = service("e")
        .namespace(&ns)
        .external_name("example.org")
        .create(&client)
        .await
        .unwrap();
    assert_eq!(external.spec.unwrap().type_.as_deref(), Some("ExternalName"));
    let close = service("c")
        .namespace(&ns)
        .labels([("l", "1")])
        .annotation("a", "1")
        .target_port_name("web", 80, "http")
        .app_protocol("http")
        .traffic_distribution("PreferClose")
        .create(&client)
        .await
        .unwrap();
    assert_eq!(
        close.spec.unwrap().traffic_distribution.as_deref(),
        Some("PreferClose")
    );
}

#[tokio::test]
async fn the_garbage_collector_deletes_what_has_lost_its_owner() {
    let (_plane, client, ns) = plane().await;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &ns);
    let mut owner = ConfigMap::default();
    owner.metadata.name = Some("owner".to_owned());
    let owner = maps.create(&PostParams::default(), &owner).await.unwrap();
    let reference = OwnerReference {
        api_version: "v1".to_owned(),
        kind: "ConfigMap".to_owned(),
        name: "owner".to_owned(),
        uid: owner.uid().unwrap(),
        ..OwnerReference::default()
    };
    pod("owned")
        .namespace(&ns)
        .owner(reference)
        .create(&client)
        .await
        .unwrap();
    maps.delete("owner", &DeleteParams::default()).await.unwrap();
    let pods: Api<Pod> = Api::namespaced(client, &ns);
    eventually(LIMIT, "the end of the owned Pod", async || {
        pods.get_opt("owned")
            .await
            .map_err(|error| error.to_string())
            .and_then(|pod| match pod {
                None => Ok(()),
                Some(pod) => Err(format!("it is there, metadata {:?}", pod.metadata)),
            })
    })
    .await;
}

#[tokio::test]
async fn a_deleted_namespace_goes_with_all_it_holds() {
    let (_plane, client, ns) = plane().await;
    service("a")
        .namespace(&ns)
        .port("", 80, 80)
        .create(&client)
        .await
        .unwrap();
    let namespaces: Api<Namespace> = Api::all(client);
    namespaces.delete(&ns, &DeleteParams::default()).await.unwrap();
    eventually(LIMIT, "the end of the namespace", async || {
        namespaces
            .get_opt(&ns)
            .await
            .map_err(|error| error.to_string())
            .and_then(|namespace| match namespace {
                None => Ok(()),
                Some(namespace) => Err(format!("{:?}", namespace.status)),
            })
    })
    .await;
}

#[tokio::test]
async fn the_audit_log_shows_a_write_with_its_body_and_becomes_quiet() {
    let (plane, client, ns) = plane().await;
    let audit = plane.audit();
    let mark = audit.mark().unwrap();
    service("seen")
        .namespace(&ns)
        .port("http", 80, 8080)
        .create(&client)
        .await
        .unwrap();
    service("seen")
        .namespace(&ns)
        .port("http", 80, 8080)
        .create(&client)
        .await
        .unwrap_err();
    pod("seen")
        .namespace(&ns)
        .unready()
        .create(&client)
        .await
        .unwrap();
    // The apiserver's repair of cluster IPs may tell of a Service that it finds before its address.
    let ours = |entry: &Entry| entry.is_write() && entry.namespace() == ns && entry.resource() != "events";
    let writes = audit
        .wait_quiet(mark, Duration::from_secs(1), LIMIT, ours)
        .await
        .unwrap();
    let told: Vec<_> = writes
        .iter()
        .map(|entry| {
            (
                entry.verb.as_str(),
                entry.resource(),
                entry.subresource(),
                entry.name(),
                entry.code(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("create", "services", "", "seen", 201),
            ("create", "services", "", "seen", 409),
            ("create", "pods", "", "seen", 201),
            ("patch", "pods", "status", "seen", 200),
        ]
    );
    let body = writes[0].request_object.as_ref().unwrap();
    assert_eq!(body["spec"]["ports"][0]["port"], 80);
    assert_eq!(writes[0].user.username, ADMIN);
    assert!(
        writes[2].request_object.is_none(),
        "bodies of Pods are not recorded"
    );
    assert!(
        audit
            .entries()
            .unwrap()
            .iter()
            .any(|entry| entry.user_agent.starts_with("kube-controller-manager/"))
    );
}

#[tokio::test]
async fn a_further_user_may_do_only_what_rbac_grants() {
    let (plane, _, ns) = plane().await;
    let reader = plane
        .kubeconfig_for("system:serviceaccount:kube-system:quaymaster", None)
        .unwrap();
    let services: Api<Service> = Api::namespaced(plane.client_for(&reader).await.unwrap(), &ns);
    let error = services.list(&ListParams::default()).await.unwrap_err();
    let refused = "User \"system:serviceaccount:kube-system:quaymaster\" cannot list resource";
    assert!(
        matches!(&error, kube::Error::Api(status) if status.code == 403 && status.message.contains(refused)),
        "{error:?}"
    );

    let master = plane
        .kubeconfig_for("second-admin", Some("system:masters"))
        .unwrap();
    let services: Api<Service> = Api::namespaced(plane.client_for(&master).await.unwrap(), &ns);
    assert!(
        services
            .list(&ListParams::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

#[tokio::test]
async fn a_further_kcm_writes_slices_until_it_is_stopped() {
    let (plane, client, ns) = plane().await;
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), &ns);
    let names = async || slices.list(&ListParams::default()).await.unwrap().items.len();
    let a = service("a")
        .namespace(&ns)
        .selector([("app", "a")])
        .port("http", 80, 8080)
        .families(["IPv4"]);
    a.clone().create(&client).await.unwrap();
    assert_eq!(names().await, 0, "nobody keeps slices yet");
    let kcm = plane.start_kcm(&["endpointslice-controller"]).await.unwrap();
    eventually(LIMIT, "the slice of the Service", async || names().await == 1).await;
    let pid = kcm.pid();
    kcm.stop().await.unwrap();
    assert!(!quaymaster_testkit::procfs::is_running(pid));

    let kcm = plane.start_kcm(&["endpointslice-controller"]).await.unwrap();
    service("b")
        .namespace(&ns)
        .selector([("app", "b")])
        .port("http", 80, 80)
        .create(&client)
        .await
        .unwrap();
    eventually(LIMIT, "a slice of the second Service", async || {
        names().await >= 2
    })
    .await;
    kcm.kill().unwrap();
}

#[tokio::test]
async fn kubectl_works_with_the_kubeconfig() {
    let (plane, _, ns) = plane().await;
    let Ok(kubectl) = plane.assets().program(Program::Kubectl) else {
        return;
    };
    let output = Command::new(kubectl)
        .args(["get", "namespace", &ns, "-o", "name", "--kubeconfig"])
        .arg(plane.kubeconfig())
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        format!("namespace/{ns}"),
        "{output:?}"
    );
}

#[tokio::test]
async fn the_apiserver_reports_the_version_that_go_mod_pins() {
    let (plane, client, _) = plane().await;
    if plane.assets().from_user() {
        return;
    }
    let version = client.apiserver_version().await.unwrap();
    let folder = modules_folder().join(format!("{}.{}", version.major, version.minor));
    let go_mod = std::fs::read_to_string(folder.join("go.mod")).unwrap();
    assert!(
        go_mod.contains(&format!("k8s.io/kubernetes {} ", version.git_version)),
        "{}",
        version.git_version
    );
    println!("runs on {}", version.git_version);
}
