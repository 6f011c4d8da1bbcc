//! The EndpointSlice controller.

use std::num::NonZeroUsize;
use std::time::Duration;

use clap::Args;
use quaymaster_endpointslice::EndpointSlices;
use quaymaster_engine::Registration;
use quaymaster_slices::Settings;

use super::{Built, Part, Setting};
use crate::duration;
use crate::permissions::{Need, READ, WRITE};

pub(super) const PART: Part = Part {
    canonical: "endpointslice-controller",
    aliases: &[quaymaster_endpointslice::NAME],
    replaces: true,
    by_default: true,
    needs: &[
        Need::core("services", READ),
        Need::core("pods", READ),
        Need::core("nodes", READ),
        Need::slices(WRITE),
    ],
    build,
};

/// Where `--rebalance-quiet` is not given: the time that an autoscaler waits before it takes Pods away
/// (`--horizontal-pod-autoscaler-downscale-stabilization` of kube-controller-manager).
const QUIET: Duration = Duration::from_mins(5);

/// Settings of the EndpointSlice controller, with kube-controller-manager's names.
#[derive(Debug, Args)]
pub(crate) struct EndpointSliceFlags {
    /// Most endpoints that a slice is filled to, 1 to 1000
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) max_endpoints_per_slice: u16,
    /// How long changes of Pods are gathered before slices are written
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, allow_hyphen_values = true, default_value = "0s")]
    pub(crate) endpointslice_updates_batch_period: Duration,
    /// Most Services whose slices are written at once, 1 to 50 [default: no bound but that of all writes in flight,
    /// which follows the apiserver's latency]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u16).range(1..=50))]
    pub(crate) concurrent_service_endpoint_syncs: Option<u16>,
    /// Merge slices of a Service that are less than half full all together, two at a time; over all Services at most
    /// one merge a second. kube-controller-manager never does
    #[arg(long)]
    pub(crate) rebalance: bool,
    /// With --rebalance: how long no Pod of a Service must have come or gone before its slices are merged, and how long
    /// it is left alone after each merge [default: 5m]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, allow_hyphen_values = true)]
    pub(crate) rebalance_quiet: Option<Duration>,
}

fn build(setting: &Setting<'_>) -> Built {
    let flags = &setting.flags.endpointslice;
    let options = quaymaster_endpointslice::Options {
        settings: Settings {
            max_endpoints: usize::from(flags.max_endpoints_per_slice),
            rules: setting.rules,
            rebalance_after: flags.rebalance.then(|| flags.rebalance_quiet.unwrap_or(QUIET)),
        },
        batch_period: flags.endpointslice_updates_batch_period,
    };
    Built {
        controller: Box::new(EndpointSlices::new(options, setting.registry)),
        registration: Registration {
            queue: quaymaster_endpointslice::QUEUE,
            reporter: quaymaster_endpointslice::REPORTER,
            most_keys: flags
                .concurrent_service_endpoint_syncs
                .and_then(|most| NonZeroUsize::new(most.into())),
        },
    }
}
