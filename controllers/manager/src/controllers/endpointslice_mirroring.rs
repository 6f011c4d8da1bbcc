//! The EndpointSlice mirroring controller.

use std::num::NonZeroUsize;
use std::time::Duration;

use clap::Args;
use quaymaster_endpointslice_mirroring::{Mirroring, Settings};
use quaymaster_engine::Registration;

use super::{Built, Part, Setting};
use crate::duration;
use crate::permissions::{Need, READ, WRITE};

pub(super) const PART: Part = Part {
    canonical: "endpointslice-mirroring-controller",
    aliases: &["endpointslicemirroring", quaymaster_endpointslice_mirroring::NAME],
    replaces: true,
    by_default: true,
    needs: &[
        Need::core("services", READ),
        Need::core("endpoints", &["get", "list", "watch"]),
        Need::slices(WRITE),
    ],
    build,
};

/// Settings of the EndpointSlice mirroring controller, with kube-controller-manager's names.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_field_names,
    reason = "they are the names of the flags, which users know"
)]
pub(crate) struct MirroringFlags {
    /// Most addresses of an Endpoints subset that are mirrored, 1 to 1000
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) mirroring_max_endpoints_per_subset: u16,
    /// How long what others do to mirrored slices is gathered before it is put right
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, allow_hyphen_values = true, default_value = "0s")]
    pub(crate) mirroring_endpointslice_updates_batch_period: Duration,
    /// Most Endpoints whose mirrored slices are written at once, 1 to 50 [default: no bound but that of all writes in
    /// flight, which follows the apiserver's latency]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u16).range(1..=50))]
    pub(crate) mirroring_concurrent_service_endpoint_syncs: Option<u16>,
}

fn build(setting: &Setting<'_>) -> Built {
    let flags = &setting.flags.mirroring;
    let options = quaymaster_endpointslice_mirroring::Options {
        settings: Settings {
            max_endpoints: usize::from(flags.mirroring_max_endpoints_per_subset),
            rules: setting.rules,
        },
        batch_period: flags.mirroring_endpointslice_updates_batch_period,
    };
    Built {
        controller: Box::new(Mirroring::new(options, setting.registry)),
        registration: Registration {
            queue: quaymaster_endpointslice_mirroring::QUEUE,
            reporter: quaymaster_endpointslice_mirroring::REPORTER,
            most_keys: flags
                .mirroring_concurrent_service_endpoint_syncs
                .and_then(|most| NonZeroUsize::new(most.into())),
        },
    }
}
