//! The custom resources on a real kube-apiserver: what it takes, what it refuses and in which words, and what it adds.

mod columns;
mod defaults;
mod refused;
mod status;
mod taken;
mod updates;

use kube::api::{ApiResource, DynamicObject, GroupVersionKind, PostParams};
use kube::client::Body;
use kube::{Api, Client};
use quaymaster_testkit::controlplane::Builder;
use quaymaster_testkit::{Lease, SharedControlPlane};
use serde_json::{Value, json};

use crate::harness::{Minor, alone_on_each_minor, install_definitions};

alone_on_each_minor!(the_definitions_are_served_and_give_no_warning);

/// A control plane with the custom resources, which the tests here share, and a client of it.
pub(crate) async fn served(minor: Minor) -> (Lease, Client) {
    fn bare(builder: Builder, minor: Minor) -> Builder {
        builder.minor(minor.text()).no_kcm()
    }
    static OLD: SharedControlPlane = SharedControlPlane::new(|builder| bare(builder, Minor::V1_33));
    static NEW: SharedControlPlane = SharedControlPlane::new(|builder| bare(builder, Minor::V1_37));
    let shared = match minor {
        Minor::V1_33 => &OLD,
        Minor::V1_37 => &NEW,
    };
    let plane = shared.get().await.unwrap();
    let client = plane.client().await.unwrap();
    install_definitions(&client).await;
    (plane, client)
}

/// Objects of one of our kinds; reservations are of the namespace `default`.
pub(crate) fn api(client: &Client, kind: &str) -> Api<DynamicObject> {
    let resource = resource(kind);
    if kind == "ServiceReservation" {
        Api::namespaced_with(client.clone(), "default", &resource)
    } else {
        Api::all_with(client.clone(), &resource)
    }
}

fn resource(kind: &str) -> ApiResource {
    let plural = format!("{}s", kind.to_lowercase());
    let kind = GroupVersionKind::gvk(quaymaster_api::GROUP, quaymaster_api::VERSION, kind);
    ApiResource::from_gvk_with_plural(&kind, &plural)
}

pub(crate) fn object(kind: &str, name: &str, spec: &Value) -> DynamicObject {
    serde_json::from_value(json!({
        "apiVersion": format!("{}/{}", quaymaster_api::GROUP, quaymaster_api::VERSION),
        "kind": kind,
        "metadata": { "name": name },
        "spec": spec,
    }))
    .unwrap()
}

/// What becomes of an object, which is not stored: as it would be, or the message it is refused with.
pub(crate) async fn tried(client: &Client, kind: &str, spec: &Value) -> Result<DynamicObject, String> {
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    api(client, kind)
        .create(&dry_run, &object(kind, "tried", spec))
        .await
        .map_err(message)
}

/// What the apiserver says.
pub(crate) fn message(error: kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message,
        other => panic!("no answer of the apiserver: {other}"),
    }
}

async fn the_definitions_are_served_and_give_no_warning(minor: Minor) {
    let (_plane, client) = served(minor).await;
    for definition in quaymaster_api::definitions() {
        let name = definition.metadata.name.clone().unwrap();
        let uri = format!(
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}?fieldManager=warned&force=true&dryRun=All"
        );
        let request = http::Request::patch(uri)
            .header("Content-Type", "application/apply-patch+yaml")
            .body(Body::from(serde_json::to_vec(&definition).unwrap()))
            .unwrap();
        let answer = client.send(request).await.unwrap();
        assert_eq!(answer.status(), 200, "{name}");
        let warnings: Vec<_> = answer.headers().get_all("warning").iter().collect();
        assert!(warnings.is_empty(), "{name}: {warnings:?}");

        let plural = &definition.spec.names.plural;
        let versions = client
            .list_api_group_resources(&format!("{}/{}", quaymaster_api::GROUP, quaymaster_api::VERSION))
            .await
            .unwrap();
        let served = versions
            .resources
            .iter()
            .find(|resource| resource.name == *plural);
        assert_eq!(
            served.unwrap().short_names.clone().unwrap_or_default(),
            definition.spec.names.short_names.clone().unwrap_or_default()
        );
    }
}
