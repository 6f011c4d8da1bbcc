//! `kube_runtime::watcher` over the same server, to show what it makes of a scenario.

use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use kube::runtime::watcher::{Config, Event, watcher};
use tokio::time::timeout;

use crate::ours::client;
use crate::server::Server;

/// The watcher is taken to be done, or stuck, when it says nothing for so long.
const QUIET: Duration = Duration::from_millis(800);

/// The watcher is taken to go round in circles when it has said so much.
const LINES: usize = 40;

/// Everything that the bare watcher says. Errors are followed by a short pause, in place of a backoff.
pub(crate) async fn says(server: &Server, config: Config) -> Vec<String> {
    let mut events = Box::pin(watcher(kube::Api::<ConfigMap>::all(client(server)), config));
    let mut said = Vec::new();
    while said.len() < LINES
        && let Ok(Some(event)) = timeout(QUIET, events.next()).await
    {
        let failed = event.is_err();
        said.push(match event {
            Ok(Event::Init) => "init".to_owned(),
            Ok(Event::InitApply(object) | Event::Apply(object)) => format!("+{}", object.name_any()),
            Ok(Event::InitDone) => "done".to_owned(),
            Ok(Event::Delete(object)) => format!("-{}", object.name_any()),
            Err(error) => format!("error: {error}"),
        });
        if failed {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    said
}

/// The same without the errors.
pub(crate) async fn tells(server: &Server, config: Config) -> Vec<String> {
    let mut said = says(server, config).await;
    said.retain(|line| !line.starts_with("error"));
    said
}
