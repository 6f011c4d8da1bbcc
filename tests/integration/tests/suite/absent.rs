//! A custom resource whose definition comes and goes while it is watched.

use std::sync::Arc;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use quaymaster_api::{ServiceIPPool, ServiceIPPoolSpec, ServiceIPPoolStatus};
use quaymaster_model::{CustomRecord, Interner};
use quaymaster_testkit::ControlPlane;
use quaymaster_watch::{Batch, Config, Item, Source, StreamingSupport, Watch};
use quaymaster_wire::json::Json;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::harness::{LATER, Minor, alone_on_each_minor, install_definitions};

alone_on_each_minor!(a_kind_is_absent_until_its_definition_is_installed_and_again_when_that_goes);

type Record = CustomRecord<ServiceIPPoolSpec, ServiceIPPoolStatus>;

/// What a watch tells, a word for each item.
struct Told {
    batches: mpsc::Receiver<Batch<Record>>,
    log: Vec<String>,
}

impl Told {
    /// All that it tells up to this.
    async fn up_to(&mut self, last: &str) -> Vec<String> {
        let waited = timeout(LATER, async {
            while self.log.last().is_none_or(|line| line != last) {
                let batch = self.batches.recv().await.expect("the watch goes on");
                self.log.extend(batch.items.iter().map(|item| match item {
                    Item::Restart { history_lost } => format!("restart {history_lost}"),
                    Item::Apply(pool) => format!("+{} {}", pool.key.name, pool.spec.cidrs.join(",")),
                    Item::Delete(gone) => format!("-{}", gone.key.name),
                    Item::Unreadable(key) => format!("?{}", key.name),
                    Item::Absent => "absent".to_owned(),
                    Item::Synced(_) => "synced".to_owned(),
                }));
            }
        });
        assert!(waited.await.is_ok(), "waited in vain for {last}: {:?}", self.log);
        std::mem::take(&mut self.log)
    }
}

async fn a_kind_is_absent_until_its_definition_is_installed_and_again_when_that_goes(minor: Minor) {
    let plane = ControlPlane::builder()
        .minor(minor.text())
        .no_kcm()
        .start()
        .await
        .unwrap();
    let client = plane.client().await.unwrap();
    let source = Source::new(
        "serviceippools.quaymaster.io",
        "/apis/quaymaster.io/v1alpha1/serviceippools",
    );
    let watch = Watch::new(
        client.clone(),
        source.optional(),
        Json::<Record>::new(Arc::new(Interner::new())),
        Config::default(),
        StreamingSupport::default(),
    );
    let stats = watch.stats();
    let (sender, batches) = mpsc::channel(16);
    let cancel = CancellationToken::new();
    let task = tokio::spawn(watch.run(sender, |batch| batch, cancel.clone()));
    let log = Vec::new();
    let mut told = Told { batches, log };
    assert_eq!(told.up_to("absent").await, ["absent"]);
    assert!(stats.is_absent() && stats.is_healthy());

    install_definitions(&client).await;
    assert_eq!(told.up_to("synced").await, ["restart false", "synced"]);
    assert!(!stats.is_absent());
    let pools: Api<ServiceIPPool> = Api::all(client.clone());
    let spec = ServiceIPPoolSpec {
        cidrs: vec!["10.96.8.0/24".to_owned()],
        ..ServiceIPPoolSpec::default()
    };
    let pool = ServiceIPPool::new("blue", spec);
    pools.create(&PostParams::default(), &pool).await.unwrap();
    assert_eq!(told.up_to("+blue 10.96.8.0/24").await, ["+blue 10.96.8.0/24"]);

    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    definitions
        .delete("serviceippools.quaymaster.io", &DeleteParams::default())
        .await
        .unwrap();
    // The objects go first, and their end is told as that of any; what follows is where the watch stood when its path went.
    let gone = told.up_to("absent").await;
    assert!(gone.contains(&"-blue".to_owned()), "{gone:?}");

    install_definitions(&client).await;
    assert_eq!(told.up_to("synced").await, ["restart false", "synced"]);
    cancel.cancel();
    task.await.unwrap();
}
