//! One test's place on a shared cluster.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::events::v1::Event;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use quaymaster_testkit::audit::{Entry, Mark};
use quaymaster_testkit::objects::{self, PodBuilder, ServiceBuilder};
use quaymaster_testkit::{eventually, pod, service};
use serde_json::Value;

use super::{Cluster, SOON, USER, describe_all};

/// Addresses given so far, to all tests.
static ADDRESSES: AtomicU32 = AtomicU32::new(1);

/// What names begin with that [`Test::all_is_read`] gives; what the binary writes for it counts for no test.
pub(crate) const FENCE: &str = "fence-";

/// An IPv4 address that no other Pod has.
pub(crate) fn fresh_ip() -> String {
    let [_, a, b, c] = ADDRESSES.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    format!("10.{}.{b}.{c}", 64 + a)
}

/// An IPv6 address that no other Pod has, in canonical form.
pub(crate) fn fresh_ipv6() -> String {
    format!("fd00:64::1:{:x}", ADDRESSES.fetch_add(1, Ordering::Relaxed))
}

/// A namespace with helpers for its objects.
pub(crate) struct Test {
    pub(crate) cluster: &'static Cluster,
    pub(crate) client: Client,
    pub(crate) namespace: String,
    mark: Mark,
}

impl Test {
    pub(crate) async fn new(cluster: &'static Cluster, name: &str) -> Self {
        let prefix: String = name.replace('_', "-").chars().take(50).collect();
        let namespace = cluster.plane.namespace(prefix.trim_matches('-')).await.unwrap();
        Self {
            cluster,
            client: cluster.client().await,
            namespace,
            mark: cluster.plane.audit().mark().unwrap(),
        }
    }

    /// A Service for Pods with the label `app` of its name, port `http` 80 to 8080; not yet created.
    pub(crate) fn service(&self, name: &str) -> ServiceBuilder {
        self.bare_service(name).port("http", 80, 8080)
    }

    /// The same without ports.
    pub(crate) fn bare_service(&self, name: &str) -> ServiceBuilder {
        service(name).namespace(&self.namespace).selector([("app", name)])
    }

    /// A ready Pod with the label `app`, on `node-a`, with an address of its own; not yet created.
    pub(crate) fn pod(&self, name: &str, app: &str) -> PodBuilder {
        pod(name)
            .namespace(&self.namespace)
            .labels([("app", app)])
            .node("node-a")
            .ip(fresh_ip())
            .ready()
    }

    pub(crate) async fn ready(&self, pod: &str, ready: bool) {
        objects::set_ready(&self.client, &self.namespace, pod, ready)
            .await
            .unwrap();
    }

    pub(crate) async fn remove(&self, pod: &str) {
        objects::delete_now(&self.client, &self.namespace, pod)
            .await
            .unwrap();
    }

    pub(crate) fn services(&self) -> Api<Service> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) fn endpoint_slices(&self) -> Api<EndpointSlice> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Changes a Service by a merge patch.
    pub(crate) async fn patch_service(&self, name: &str, patch: Value) -> Service {
        self.services()
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap()
    }

    /// Changes a Pod by a merge patch.
    pub(crate) async fn patch_pod(&self, name: &str, patch: Value) {
        self.pods()
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap();
    }

    /// Changes a slice by a merge patch, as its owner's user would.
    pub(crate) async fn patch_slice(&self, name: &str, patch: Value) -> EndpointSlice {
        self.endpoint_slices()
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap()
    }

    pub(crate) async fn delete_service(&self, name: &str) {
        self.services()
            .delete(name, &DeleteParams::default())
            .await
            .unwrap();
    }

    /// The slices of a Service, whoever keeps them.
    pub(crate) async fn slices(&self, service: &str) -> Vec<EndpointSlice> {
        let params = ListParams::default().labels(&format!("kubernetes.io/service-name={service}"));
        self.endpoint_slices().list(&params).await.unwrap().items
    }

    /// The one slice of a Service.
    pub(crate) async fn slice(&self, service: &str) -> EndpointSlice {
        let mut slices = self.slices(service).await;
        assert_eq!(slices.len(), 1, "{:?}", describe_all(&slices));
        slices.remove(0)
    }

    /// Waits until the Service's slices are these, in any order, and gives them.
    pub(crate) async fn expect<const N: usize>(&self, service: &str, lines: [&str; N]) -> Vec<EndpointSlice> {
        let mut wanted = lines.map(str::to_owned).to_vec();
        wanted.sort();
        self.expect_slices(service, &format!("{wanted:?}"), |slices| {
            let found = describe_all(slices);
            if found == wanted {
                Ok(())
            } else {
                Err(format!("{found:?}"))
            }
        })
        .await
    }

    /// Waits until the binary has read all Services and Pods as they are now, and works with them.
    ///
    /// Each kind comes to it by a watch of its own: of a change of a Pod after one of a Service, either may be seen first.
    /// Within a kind they come in order, so that a Service and a Pod made later and served show that those before are known.
    pub(crate) async fn all_is_read(&self) {
        static FENCES: AtomicU32 = AtomicU32::new(0);
        let name = format!("{FENCE}{}", FENCES.fetch_add(1, Ordering::Relaxed));
        self.pod(&name, &name).create(&self.client).await.unwrap();
        self.service(&name).create(&self.client).await.unwrap();
        self.expect(&name, [&format!("IPv4 http:8080 = {name}")]).await;
        self.expect_subsets(&name, [&format!("http:8080 = {name}")]).await;
    }

    /// Waits until a condition holds for the Service's slices, and gives them.
    pub(crate) async fn expect_slices(
        &self,
        service: &str,
        what: &str,
        check: impl Fn(&[EndpointSlice]) -> Result<(), String>,
    ) -> Vec<EndpointSlice> {
        eventually(SOON, &format!("{service} to have {what}"), async || {
            let slices = self.slices(service).await;
            check(&slices).map(|()| slices)
        })
        .await
    }

    /// Waits until an Event about the Service has this reason and a text that contains `text`.
    pub(crate) async fn expect_event(&self, service: &str, reason: &str, text: &str) -> Event {
        let events: Api<Event> = Api::namespaced(self.client.clone(), &self.namespace);
        eventually(SOON, &format!("an Event {reason} with {text:?}"), async || {
            let found = events.list(&ListParams::default()).await.unwrap().items;
            let of_service = |event: &Event| {
                event.regarding.as_ref().and_then(|object| object.name.as_deref()) == Some(service)
            };
            found
                .iter()
                .find(|event| {
                    of_service(event)
                        && event.reason.as_deref() == Some(reason)
                        && event.note.as_deref().is_some_and(|note| note.contains(text))
                })
                .cloned()
                .ok_or_else(|| {
                    format!(
                        "{:?}",
                        found
                            .iter()
                            .map(|event| (&event.reason, &event.note))
                            .collect::<Vec<_>>()
                    )
                })
        })
        .await
    }

    /// Waits until the binary has written nothing to this namespace for `quiet`, and gives what it wrote to slices
    /// since the mark.
    pub(crate) async fn writes_since(&self, mark: Mark, quiet: Duration) -> Vec<Entry> {
        let ours = |entry: &Entry| self.is_slice_write(entry);
        self.cluster
            .plane
            .audit()
            .wait_quiet(mark, quiet, SOON, ours)
            .await
            .unwrap()
    }

    /// The end of the audit log as it is now.
    pub(crate) fn mark(&self) -> Mark {
        self.cluster.plane.audit().mark().unwrap()
    }

    fn is_slice_write(&self, entry: &Entry) -> bool {
        entry.user.username == USER
            && entry.is_write()
            && entry.is_complete()
            && entry.resource() == "endpointslices"
            && entry.namespace() == self.namespace
            && !entry.name().starts_with(FENCE)
    }

    /// Waits until the apiserver forbids what is tried, without doing it: it knows of quotas by a watch of its own.
    pub(crate) async fn expect_forbidden<K: Debug>(
        &self,
        attempt: impl AsyncFn(&PostParams) -> kube::Result<K>,
    ) {
        let dry = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        eventually(SOON, "it to be forbidden", async || match attempt(&dry).await {
            Err(kube::Error::Api(status)) if status.code == 403 => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
    }

    /// What the binary did to this namespace was asked for with verbs it is known to use, and was not refused but for
    /// reasons that a change at the same time explains.
    pub(crate) fn check_writes(&self) {
        let entries = self.cluster.plane.audit().entries_since(self.mark).unwrap();
        for entry in entries
            .iter()
            .filter(|entry| entry.user.username == USER && entry.is_complete())
        {
            if !entry.is_write() || entry.namespace() != self.namespace {
                continue;
            }
            match (entry.resource(), entry.verb.as_str()) {
                ("endpointslices" | "endpoints", "create" | "update" | "delete")
                | ("events", "create" | "patch") => {}
                _ => panic!("unexpected {} {}", entry.verb, entry.request_uri),
            }
        }
        let mut manager = self.cluster.manager.lock().unwrap();
        let manager = manager.as_mut().unwrap();
        assert!(
            manager.process.server().exited().is_none(),
            "the binary ended: {}",
            manager.log()
        );
        assert!(!manager.log().contains("panicked"), "{}", manager.log());
    }
}
