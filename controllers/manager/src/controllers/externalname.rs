//! What looks after Services that select no Pods.

use std::time::Duration;

use clap::Args;
use quaymaster_engine::Registration;
use quaymaster_externalname::ExternalNames;
use quaymaster_externalname::domain::ClusterDomain;

use super::{Built, Part, Setting};
use crate::duration;
use crate::permissions::Need;

/// kube-controller-manager has no controller of this name.
const NAME: &str = "externalname-controller";

pub(super) const PART: Part = Part {
    canonical: NAME,
    aliases: &[quaymaster_externalname::NAME],
    replaces: false,
    by_default: true,
    needs: &[
        Need {
            group: "",
            resource: "services",
            verbs: &["list", "watch"],
        },
        Need {
            group: "discovery.k8s.io",
            resource: "endpointslices",
            verbs: &["list", "watch"],
        },
    ],
    build,
};

/// The same controller where it deletes as well.
pub(super) const DELETING: Part = Part {
    canonical: NAME,
    aliases: PART.aliases,
    replaces: false,
    by_default: true,
    needs: &[
        Need {
            group: "",
            resource: "services",
            verbs: &["get", "list", "watch"],
        },
        Need {
            group: "",
            resource: "endpoints",
            verbs: &["get", "list", "watch", "delete"],
        },
        Need {
            group: "discovery.k8s.io",
            resource: "endpointslices",
            verbs: &["list", "watch", "delete"],
        },
    ],
    build,
};

/// Settings of what looks after Services that select no Pods.
#[derive(Debug, Args)]
pub(crate) struct ExternalNameFlags {
    /// The domain that the cluster's DNS answers for: external names in it are looked up among the Services
    #[arg(long, value_name = "DOMAIN", default_value = "cluster.local")]
    pub(crate) cluster_domain: ClusterDomain,
    /// Delete what the Endpoints and EndpointSlice controllers have left of a Service that lost its selector or became an
    /// ExternalName, so long after the last change to it, at least 1s [default: it stays, as kube-controller-manager
    /// leaves it]. What lacks the controllers' label, or has an address that is no Pod's, stays in any case
    #[arg(long, value_name = "DURATION", value_parser = duration::parse_grace, allow_hyphen_values = true)]
    pub(crate) delete_stale_endpoints_after: Option<Duration>,
}

fn build(setting: &Setting<'_>) -> Built {
    let flags = &setting.flags.externalname;
    let options = quaymaster_externalname::Options {
        domain: flags.cluster_domain.clone(),
        grace: flags.delete_stale_endpoints_after,
    };
    Built {
        controller: Box::new(ExternalNames::new(options, setting.registry)),
        registration: Registration {
            queue: quaymaster_externalname::QUEUE,
            reporter: quaymaster_externalname::REPORTER,
            most_keys: None,
        },
    }
}
