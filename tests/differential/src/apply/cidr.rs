//! ServiceCIDRs.

use k8s_openapi::api::networking::v1::ServiceCIDR;
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt as _};

use super::{Edits, gone};

/// One that is there can get a second range and nothing else.
pub(super) async fn put(
    client: &Client,
    old: Option<&ServiceCIDR>,
    new: &ServiceCIDR,
) -> kube::Result<Edits> {
    let cidrs: Api<ServiceCIDR> = Api::all(client.clone());
    if old.is_none() {
        let mut body = new.clone();
        body.metadata.uid = None;
        let stored = cidrs.create(&PostParams::default(), &body).await?;
        return Ok(Edits::written(&stored));
    }
    let Some(mut live) = gone(cidrs.get(&new.name_any()).await)? else {
        return Ok(Edits::default());
    };
    let read = live.clone();
    live.spec.clone_from(&new.spec);
    // Others write its metadata meanwhile.
    live.metadata.resource_version = None;
    let stored = gone(
        cidrs
            .replace(&new.name_any(), &PostParams::default(), &live)
            .await,
    )?;
    Ok(stored
        .map(|stored| Edits::written_over(&read, &stored))
        .unwrap_or_default())
}
