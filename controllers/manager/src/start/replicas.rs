//! This process as one of several that give values out.

use std::sync::Arc;
use std::time::Duration;

use quaymaster_admission::claims::{ByObjects, Claims};
use quaymaster_election::View;
use quaymaster_ipam::{Replicas, Shared, lock};
use quaymaster_runtime::client::{Connection, UserAgent};
use quaymaster_runtime::permit::AnyReplica;
use quaymaster_runtime::replicas::Replica;
use tokio_util::sync::CancellationToken;

/// Between two attempts to be seen by the others.
const PAUSE: Duration = Duration::from_secs(1);

/// Makes this process known to the others, in a namespace, and learns which there are: before that nothing may be given out. It goes
/// on until `cancel`. `None` where that comes first.
pub(super) async fn join(
    connection: &Connection,
    agent: &UserAgent,
    namespace: &str,
    index: &Shared,
    cancel: &CancellationToken,
) -> anyhow::Result<Option<Box<dyn Claims>>> {
    let client = connection
        .client(agent)
        .map_err(|error| anyhow::anyhow!(error.line()))?;
    let permit = AnyReplica::of_process();
    let me = agent.holder.clone();
    let mut replica = Replica::new(client.clone(), namespace, me.clone(), permit);
    let first = async {
        loop {
            let looked = tokio::time::timeout(PAUSE * 5, replica.look()).await;
            let error = match looked {
                Ok(Ok(view)) => return view,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer in time".to_owned(),
            };
            tracing::warn!(namespace, %error, "this replica cannot be made known to others: no admission reviews are answered");
            tokio::time::sleep(PAUSE).await;
        }
    };
    let Some(first) = cancel.run_until_cancelled(first).await else {
        return Ok(None);
    };
    tell(index, &me, first);
    let (shared, cancel, name) = (Arc::clone(index), cancel.clone(), me.clone());
    tokio::spawn(async move {
        let _end = cancel.clone().drop_guard();
        replica.keep(cancel, |view| tell(&shared, &name, view)).await;
    });
    Ok(Some(Box::new(ByObjects::new(client, me, permit))))
}

fn tell(index: &Shared, me: &str, view: View) {
    let replicas = Replicas {
        me: me.to_owned(),
        now: view.now,
        before: view.before,
    };
    let mut index = lock(index);
    index.addresses.set_replicas(replicas.clone());
    index.ports.set_replicas(replicas);
}
