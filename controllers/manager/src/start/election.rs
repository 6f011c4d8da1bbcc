//! Which of several replicas writes.

use std::time::Duration;

use anyhow::{Context as _, bail};
use quaymaster_election::{Settings, SettingsError};
use quaymaster_runtime::client::{Connection, UserAgent};
use quaymaster_runtime::leader::{self, Contest, Ended};
use quaymaster_runtime::permit::{Permits, Terms};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::flags::ElectionFlags;

/// How a replica gets to write.
pub(super) struct Election {
    pub(super) permits: Permits,
    contest: Option<JoinHandle<Ended>>,
}

impl Election {
    /// One that writes from the beginning, or stands for election until `cancel`. Where it leads and loses that, it cancels all.
    pub(super) fn begin(
        flags: &ElectionFlags,
        connection: &Connection,
        agent: &UserAgent,
        cancel: &CancellationToken,
    ) -> anyhow::Result<Self> {
        if !flags.leader_elect {
            return Ok(Self {
                permits: Permits::permanent(),
                contest: None,
            });
        }
        let contest = Contest {
            identity: agent.holder.clone(),
            namespace: flags.leader_elect_resource_namespace.clone(),
            name: flags.leader_elect_resource_name.clone(),
            settings: settings(flags)?,
        };
        // A connection that is not there within a retry is tried anew.
        let limit = flags.leader_elect_retry_period.max(Duration::from_millis(100));
        let client = connection
            .client_within(agent, limit)
            .map_err(|error| anyhow::anyhow!(error.line()))?;
        let terms = Terms::new();
        let permits = terms.permits();
        let cancel = cancel.clone();
        let contest = tokio::spawn(async move {
            // However it ends, all ends: a replica that cannot lead any more must not look as if it could.
            let _end = cancel.clone().drop_guard();
            leader::stand(client, contest, terms, cancel).await
        });
        Ok(Self {
            permits,
            contest: Some(contest),
        })
    }

    /// Waits for the end, and says whether it was asked for.
    pub(super) async fn ended(self) -> anyhow::Result<()> {
        let Some(contest) = self.contest else {
            return Ok(());
        };
        match contest.await.context("the election broke")? {
            Ended::Asked => Ok(()),
            Ended::Lost => bail!("this process led and does no more: start again to stand by"),
        }
    }
}

fn settings(flags: &ElectionFlags) -> anyhow::Result<Settings> {
    let settings = Settings::new(
        flags.leader_elect_lease_duration,
        flags.leader_elect_renew_deadline,
        flags.leader_elect_retry_period,
    );
    settings.map_err(|error| match error {
        SettingsError::DeadlineNotBeforeLease => anyhow::anyhow!(
            "--leader-elect-renew-deadline: it must be less than --leader-elect-lease-duration, or two replicas may lead at once"
        ),
        SettingsError::RetryNotBeforeDeadline => anyhow::anyhow!(
            "--leader-elect-retry-period: 1.2 times of it must be less than --leader-elect-renew-deadline, and more than nothing"
        ),
        SettingsError::NoWholeSeconds => {
            anyhow::anyhow!("--leader-elect-lease-duration: a Lease says whole seconds, at least one")
        }
    })
}
