//! A stand-in for scheduler and kubelet: gives Pods a node, an address and readiness; nothing runs.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Binding, ObjectReference, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use quaymaster_testkit::objects::delete_now;
use serde_json::{Value, json};

use super::NODES;

/// Annotation of a Pod: `false` makes it unready. The one thing that a user cannot do to a Pod that does not run.
pub(crate) const READY: &str = "demo.quaymaster.dev/ready";

/// How often Pods are looked at; also how long each phase of a Pod lasts, so that it can be seen.
const PACE: Duration = Duration::from_millis(200);

/// Looks after all Pods until aborted.
pub(crate) async fn run(client: Client) {
    let mut kubelet = Kubelet {
        client,
        addresses: HashMap::new(),
        given: 0,
        ending: HashMap::new(),
    };
    loop {
        // The next round does what this one could not: a Pod may have changed or gone meanwhile.
        match kubelet.round().await {
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
            Err(error) => eprintln!("the demo's kubelet: {error}"),
            Ok(()) => {}
        }
        tokio::time::sleep(PACE).await;
    }
}

struct Kubelet {
    client: Client,
    /// By UID. No address is given twice.
    addresses: HashMap<String, String>,
    given: u32,
    /// When the deletion of a Pod was seen, by UID.
    ending: HashMap<String, Instant>,
}

impl Kubelet {
    async fn round(&mut self) -> kube::Result<()> {
        let pods = Api::<Pod>::all(self.client.clone())
            .list(&ListParams::default())
            .await?;
        let uids: Vec<String> = pods.iter().filter_map(kube::ResourceExt::uid).collect();
        self.addresses.retain(|uid, _| uids.contains(uid));
        self.ending.retain(|uid, _| uids.contains(uid));
        for pod in pods {
            self.look_after(&pod).await?;
        }
        Ok(())
    }

    async fn look_after(&mut self, pod: &Pod) -> kube::Result<()> {
        let (name, namespace) = (pod.name_any(), pod.namespace().unwrap_or_default());
        let uid = pod.uid().unwrap_or_default();
        if pod.metadata.deletion_timestamp.is_some() {
            let since = *self.ending.entry(uid).or_insert_with(Instant::now);
            if since.elapsed() >= PACE {
                delete_now(&self.client, &namespace, &name).await?;
            }
            return Ok(());
        }
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &namespace);
        if pod.spec.as_ref().is_none_or(|spec| spec.node_name.is_none()) {
            let (node, _) = NODES[self.addresses.len() % NODES.len()];
            self.give_address(&uid);
            return bind(&pods, &name, node).await;
        }
        let address = self.give_address(&uid);
        let status = pod.status.as_ref();
        let running = status.is_some_and(|status| status.pod_ip.is_some());
        let ready = status
            .and_then(|status| status.conditions.as_ref())
            .and_then(|conditions| conditions.iter().find(|condition| condition.type_ == "Ready"))
            .is_some_and(|condition| condition.status == "True");
        // It gets its address first, and readiness a round later.
        let wanted = running && pod.annotations().get(READY).is_none_or(|value| value != "false");
        if running && ready == wanted {
            return Ok(());
        }
        let patch = json!({ "status": {
            "phase": "Running",
            "podIP": address,
            "podIPs": [{ "ip": address }],
            "containerStatuses": container_statuses(pod, wanted),
            "conditions": [{
                "type": "Ready",
                "status": if wanted { "True" } else { "False" },
                "lastTransitionTime": Timestamp::now().to_string(),
            }],
        }});
        pods.patch_status(&name, &PatchParams::default(), &Patch::Strategic(patch))
            .await?;
        Ok(())
    }

    /// From 10.244.0.2 upwards, whatever the node.
    fn give_address(&mut self, uid: &str) -> String {
        let given = &mut self.given;
        self.addresses
            .entry(uid.to_owned())
            .or_insert_with(|| {
                *given += 1;
                format!("10.244.{}.{}", *given / 250, *given % 250 + 1)
            })
            .clone()
    }
}

/// What `kubectl get pods` counts under READY.
fn container_statuses(pod: &Pod, ready: bool) -> Vec<Value> {
    let before = pod
        .status
        .as_ref()
        .and_then(|status| status.container_statuses.as_ref());
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    containers
        .map(|container| {
            // The list is replaced whole, and a container that runs goes on.
            let state = before
                .into_iter()
                .flatten()
                .find(|status| status.name == container.name)
                .and_then(|status| status.state.as_ref());
            json!({
                "name": container.name,
                "image": container.image,
                "imageID": "",
                "ready": ready,
                "started": true,
                "restartCount": 0,
                "state": state.map_or_else(
                    || json!({ "running": { "startedAt": Timestamp::now().to_string() } }),
                    |state| json!(state),
                ),
            })
        })
        .collect()
}

/// What the scheduler does.
async fn bind(pods: &Api<Pod>, name: &str, node: &str) -> kube::Result<()> {
    let binding = Binding {
        metadata: kube::api::ObjectMeta {
            name: Some(name.to_owned()),
            ..kube::api::ObjectMeta::default()
        },
        target: ObjectReference {
            kind: Some("Node".to_owned()),
            name: Some(node.to_owned()),
            ..ObjectReference::default()
        },
    };
    let _: serde_json::Value = pods
        .create_subresource("binding", name, &PostParams::default(), &binding)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use quaymaster_testkit::pod;

    use super::*;

    #[test]
    fn each_container_has_a_status_and_keeps_its_start() {
        let mut pod = pod("a").build();
        let mut first = container_statuses(&pod, false);
        assert_eq!(first.len(), 1);
        assert_eq!(
            (&first[0]["name"], &first[0]["ready"]),
            (&json!("app"), &json!(false))
        );
        let state = json!({ "running": { "startedAt": "2020-01-01T00:00:00Z" } });
        first[0]["state"] = state.clone();
        pod.status = serde_json::from_value(json!({ "containerStatuses": first })).unwrap();
        let second = container_statuses(&pod, true);
        assert_eq!((&second[0]["state"], &second[0]["ready"]), (&state, &json!(true)));
    }
}
