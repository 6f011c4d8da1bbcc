//! The Endpoints controller, and what cleans up where it is off.

use std::num::NonZeroUsize;
use std::time::Duration;

use clap::Args;
use quaymaster_endpoints::{Cleanup, Endpoints};
use quaymaster_engine::Registration;

use super::{Built, Part, Setting};
use crate::duration;
use crate::permissions::{Need, READ, WRITE};

pub(super) const PART: Part = Part {
    canonical: "endpoints-controller",
    aliases: &["endpoint", quaymaster_endpoints::NAME],
    replaces: true,
    by_default: true,
    needs: &[SERVICES, Need::core("pods", READ), Need::core("endpoints", WRITE)],
    build,
};

/// No controller to be selected by name: a flag of its own starts it.
pub(super) const CLEANUP: Part = Part {
    canonical: quaymaster_endpoints::CLEANUP_NAME,
    aliases: &[],
    replaces: false,
    by_default: true,
    needs: &[SERVICES, Need::core("endpoints", &["list", "watch", "delete"])],
    build: build_cleanup,
};

/// Before Endpoints are deleted for want of their Service, it is asked for once more.
const SERVICES: Need = Need::core("services", &["get", "list", "watch"]);

/// Settings of the Endpoints controller, with kube-controller-manager's names.
#[derive(Debug, Args)]
pub(crate) struct EndpointsFlags {
    /// How long changes of Pods are gathered before Endpoints are written
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, allow_hyphen_values = true, default_value = "0s")]
    pub(crate) endpoint_updates_batch_period: Duration,
    /// Most Services whose Endpoints are written at once, at least 1 [default: no bound but that of all writes in flight,
    /// which follows the apiserver's latency]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) concurrent_endpoint_syncs: Option<u16>,
    /// Where no Endpoints controller is on: delete the Endpoints that one has left, so long after the start, at least 1s
    /// [default: they stay]. Those that were made by hand, or are still written, stay in any case
    #[arg(long, value_name = "DURATION", value_parser = duration::parse_grace, allow_hyphen_values = true)]
    pub(crate) delete_unused_endpoints_after: Option<Duration>,
}

fn build(setting: &Setting<'_>) -> Built {
    let flags = &setting.flags.endpoints;
    let options = quaymaster_endpoints::Options {
        rules: setting.rules,
        batch_period: flags.endpoint_updates_batch_period,
    };
    Built {
        controller: Box::new(Endpoints::new(options, setting.registry)),
        registration: Registration {
            queue: quaymaster_endpoints::QUEUE,
            reporter: quaymaster_endpoints::REPORTER,
            most_keys: flags
                .concurrent_endpoint_syncs
                .and_then(|most| NonZeroUsize::new(most.into())),
        },
    }
}

fn build_cleanup(setting: &Setting<'_>) -> Built {
    let grace = setting.flags.endpoints.delete_unused_endpoints_after;
    Built {
        controller: Box::new(Cleanup::new(grace.unwrap_or_default())),
        registration: Registration {
            queue: quaymaster_endpoints::CLEANUP_QUEUE,
            reporter: quaymaster_endpoints::REPORTER,
            most_keys: None,
        },
    }
}
