//! What kubelets and the scheduler do for Pods that controllers make.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Binding, ObjectReference, Pod};
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use quaymaster_testkit::objects;
use serde_json::json;
use tokio::task::JoinHandle;

use super::fresh_ip;

const PERIOD: Duration = Duration::from_millis(50);

/// Binds the Pods of a namespace to `node-a`, makes them ready with an address, and ends those that terminate. It stops with
/// the handle.
pub(crate) struct Kubelet(JoinHandle<()>);

impl Kubelet {
    pub(crate) fn of(client: &Client, namespace: &str) -> Self {
        let (client, namespace) = (client.clone(), namespace.to_owned());
        Self(tokio::spawn(async move {
            loop {
                // Pods come and go meanwhile: what fails is looked at again.
                let _ = round(&client, &namespace).await;
                tokio::time::sleep(PERIOD).await;
            }
        }))
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn round(client: &Client, namespace: &str) -> kube::Result<()> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    for pod in pods.list(&ListParams::default()).await? {
        let name = pod.metadata.name.clone().unwrap_or_default();
        if pod.metadata.deletion_timestamp.is_some() {
            objects::delete_now(client, namespace, &name).await?;
            continue;
        }
        if pod.spec.is_some_and(|spec| spec.node_name.is_none()) {
            bind(&pods, &name).await?;
        }
        if pod.status.is_none_or(|status| status.pod_ip.is_none()) {
            let ip = fresh_ip();
            let status = json!({"status": {
                "phase": "Running",
                "podIP": ip,
                "podIPs": [{"ip": ip}],
                "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": k8s_openapi::jiff::Timestamp::now().to_string()}],
            }});
            pods.patch_status(&name, &PatchParams::default(), &Patch::Strategic(status))
                .await?;
        }
    }
    Ok(())
}

async fn bind(pods: &Api<Pod>, name: &str) -> kube::Result<()> {
    let mut binding = Binding {
        target: ObjectReference {
            kind: Some("Node".to_owned()),
            name: Some("node-a".to_owned()),
            ..ObjectReference::default()
        },
        ..Binding::default()
    };
    binding.metadata.name = Some(name.to_owned());
    pods.create_subresource::<_, serde_json::Value>("binding", name, &PostParams::default(), &binding)
        .await?;
    Ok(())
}
