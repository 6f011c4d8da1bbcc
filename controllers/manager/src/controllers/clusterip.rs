//! The controller of ClusterIPs out of pools.

use std::sync::Arc;
use std::time::Instant;

use quaymaster_clusterip::ClusterIps;
use quaymaster_engine::Registration;

use super::{Built, Part, Setting};
use crate::permissions::{Need, READ};

pub(super) const PART: Part = Part {
    canonical: quaymaster_clusterip::NAME,
    aliases: &[],
    replaces: false,
    by_default: false,
    needs: &[
        Need::core("services", READ),
        Need::core("namespaces", READ),
        Need {
            group: "networking.k8s.io",
            resource: "servicecidrs",
            verbs: READ,
        },
        Need {
            group: "networking.k8s.io",
            resource: "ipaddresses",
            verbs: READ,
        },
        Need {
            group: "quaymaster.io",
            resource: "serviceippools",
            verbs: READ,
        },
    ],
    build,
};

fn build(setting: &Setting<'_>) -> Built {
    Built {
        controller: Box::new(ClusterIps::new(Arc::clone(setting.index), Instant::now)),
        registration: Registration {
            queue: quaymaster_clusterip::QUEUE,
            reporter: quaymaster_clusterip::REPORTER,
            most_keys: None,
        },
    }
}
