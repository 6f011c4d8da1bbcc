//! The controller of ClusterIPs out of pools.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use clap::Args;
use quaymaster_clusterip::{ClusterIps, Holds};
use quaymaster_engine::{Moment, Registration};
use quaymaster_model::Timestamp;

use super::{Built, Part, Setting};
use crate::permissions::{Need, READ};

pub(super) const PART: Part = Part {
    canonical: quaymaster_clusterip::NAME,
    aliases: &[],
    replaces: false,
    by_default: false,
    needs: &[
        // One is asked for where its address has lost its IPAddress.
        Need::core("services", &["list", "watch", "get"]),
        Need::core("namespaces", READ),
        Need {
            group: "networking.k8s.io",
            resource: "servicecidrs",
            verbs: READ,
        },
        Need {
            group: "networking.k8s.io",
            resource: "ipaddresses",
            verbs: &["list", "watch", "create", "delete"],
        },
        Need {
            group: "quaymaster.io",
            resource: "serviceippools",
            verbs: READ,
        },
        Need {
            group: "quaymaster.io",
            resource: "serviceippools/status",
            verbs: &["update"],
        },
        Need {
            group: "quaymaster.io",
            resource: "servicereservations",
            verbs: READ,
        },
        Need {
            group: "quaymaster.io",
            resource: "servicereservations/status",
            verbs: &["update"],
        },
    ],
    build,
};

/// Settings of the controller of ClusterIPs.
#[derive(Debug, Args)]
pub(crate) struct ClusterIpFlags {
    /// Kubernetes 1.33 only: kube-apiserver runs with --feature-gates=DisableAllocatorDualWrite=true, so that addresses of its
    /// own range can be held by IPAddresses as well. Later ones always do
    #[arg(long)]
    pub(crate) allocator_dual_write_disabled: bool,
}

fn build(setting: &Setting<'_>) -> Built {
    let holds = Holds {
        in_default_range: !setting.rules.cluster_ip_bitmap
            || setting.flags.clusterip.allocator_dual_write_disabled,
    };
    let index = Arc::clone(setting.index);
    Built {
        controller: Box::new(ClusterIps::new(index, now, holds, setting.registry)),
        registration: Registration {
            queue: quaymaster_clusterip::QUEUE,
            reporter: quaymaster_clusterip::REPORTER,
            most_keys: None,
        },
    }
}

fn now() -> Moment {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Moment {
        at: Instant::now(),
        wall: Timestamp(since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))),
    }
}
