//! A control plane with what every test expects on it.

use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};

use kube::Client;
use quaymaster_testkit::controlplane::Builder;
use quaymaster_testkit::{ControlPlane, node};

use super::{ALL_RULES, Manager, Minor, USER, grant, runtime};

/// The nodes of every cluster: one in each of three zones, equal in size.
pub(crate) const NODES: [(&str, &str); 3] =
    [("node-a", "zone-a"), ("node-b", "zone-b"), ("node-c", "zone-c")];

/// A control plane for Services of both families, with the audit log, nodes, and permissions for the binary.
pub(crate) struct Cluster {
    pub(crate) plane: ControlPlane,
    pub(crate) minor: Minor,
    /// Credentials for the binary.
    pub(crate) kubeconfig: PathBuf,
    /// The binary that all tests share; a cluster of one test has none here.
    pub(crate) manager: Mutex<Option<Manager>>,
}

impl Cluster {
    /// The cluster that the tests of a minor share, with the binary running.
    pub(crate) fn shared(minor: Minor) -> &'static Self {
        static OLD: OnceLock<Result<Cluster, String>> = OnceLock::new();
        static NEW: OnceLock<Result<Cluster, String>> = OnceLock::new();
        let place = match minor {
            Minor::V1_33 => &OLD,
            Minor::V1_37 => &NEW,
        };
        let cluster = place.get_or_init(|| {
            // On a thread and runtime of its own: the first test's may end long before the last test, and a panic here
            // must not be taken for that of one test.
            let start = move || {
                runtime().block_on(async {
                    let cluster = Self::start(minor, |builder| {
                        builder
                            .kcm("deployment-controller")
                            .kcm("replicaset-controller")
                            .kcm("replicationcontroller-controller")
                    })
                    .await;
                    let manager = Manager::start(&cluster.plane, &cluster.kubeconfig, &[]).await;
                    *cluster.manager.lock().unwrap() = Some(manager);
                    cluster
                })
            };
            std::thread::spawn(start)
                .join()
                .map_err(|_| format!("the shared control plane of {} did not start", minor.text()))
        });
        match cluster {
            Ok(cluster) => cluster,
            Err(reason) => panic!("{reason}: see the first failure"),
        }
    }

    /// A new cluster, without the binary.
    pub(crate) async fn start(minor: Minor, settings: impl FnOnce(Builder) -> Builder) -> Self {
        let builder = ControlPlane::builder()
            .minor(minor.text())
            .service_cidrs(["10.0.0.0/16", "fd00:10::/108"])
            .audit_log(true)
            .rbac(true);
        let plane = settings(builder).start().await.unwrap();
        let client = plane.client().await.unwrap();
        for (name, zone) in NODES {
            node(name)
                .zone(zone)
                .cpu("4")
                .ready()
                .create(&client)
                .await
                .unwrap();
        }
        grant(&client, &ALL_RULES, None).await;
        let kubeconfig = plane.kubeconfig_for(USER, None).unwrap();
        Self {
            plane,
            minor,
            kubeconfig,
            manager: Mutex::new(None),
        }
    }

    pub(crate) async fn client(&self) -> Client {
        self.plane.client().await.unwrap()
    }

    /// Starts the binary and waits until it has read everything.
    pub(crate) async fn manager(&self) -> Manager {
        Manager::start(&self.plane, &self.kubeconfig, &[]).await
    }
}
