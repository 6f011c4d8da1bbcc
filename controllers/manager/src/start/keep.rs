//! What the webhook needs in the cluster.

use std::sync::Arc;
use std::time::Instant;

use quaymaster_admission::{Authority, Keep, Keeper, TURN};
use quaymaster_ipam::Shared;
use quaymaster_runtime::client::{Connection, UserAgent};
use quaymaster_runtime::permit::Permits;
use quaymaster_webhook::Certificates;
use quaymaster_webhook::authority::Names;
use quaymaster_webhook::rotation::Policy;

use crate::flags::WebhookFlags;

/// Keeps the certificate, where it comes out of a Secret; and, while this process leads, the webhook's configuration and the
/// policies beside it. Goes on until it is dropped.
pub(super) fn keep(
    flags: &WebhookFlags,
    connection: &Connection,
    agent: &UserAgent,
    index: &Shared,
    permits: &Permits,
    certificates: &Certificates,
) -> anyhow::Result<impl Future<Output = ()> + use<>> {
    let agent = UserAgent {
        controller: quaymaster_admission::NAME.to_owned(),
        ..agent.clone()
    };
    let client = connection
        .client(&agent)
        .map_err(|error| anyhow::anyhow!(error.line()))?;
    let keep = wanted(flags);
    let is_idle = keep.configuration.is_empty() && keep.authority.is_none();
    let current = permits.clone();
    let keeper = Keeper::new(
        keep,
        client,
        Arc::clone(index),
        certificates.clone(),
        Box::new(move || current.current().is_valid(Instant::now())),
    );
    let (wake, mut terms) = (keeper.wake(), permits.clone());
    let follow = async move {
        loop {
            terms.next().await;
            wake.notify_one();
        }
    };
    Ok(async move {
        if !is_idle {
            tokio::join!(keeper.run(), follow);
        }
    })
}

fn wanted(flags: &WebhookFlags) -> Keep {
    let own = flags.webhook_secret.iter().chain(&flags.webhook_service);
    let mut exempt: Vec<String> = flags
        .webhook_exempt_namespaces
        .iter()
        .chain(own.map(|own| &own.namespace))
        .filter(|namespace| !namespace.is_empty())
        .cloned()
        .collect();
    exempt.sort();
    exempt.dedup();
    let service = flags.webhook_service.as_ref();
    let names = service.map(|service| Names::service(&service.namespace, &service.name));
    Keep {
        configuration: flags.webhook_configuration.clone(),
        exempt,
        authority: flags.webhook_secret.as_ref().map(|secret| Authority {
            namespace: secret.namespace.clone(),
            name: secret.name.clone(),
            policy: Policy::new(names.unwrap_or_default()),
        }),
        turn: TURN,
    }
}
