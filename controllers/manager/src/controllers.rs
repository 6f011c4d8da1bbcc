//! The controllers of this binary: what each is called, what it needs, and how it is put together.

mod claim;
mod clusterip;
mod endpoints;
mod endpointslice;
mod endpointslice_mirroring;
mod externalname;
mod nodeport;
mod selection;
mod service_cidr;
mod upstream;

use quaymaster_engine::{Controller, Registration};
use quaymaster_model::UpstreamRules;
use quaymaster_runtime::metrics::Registry;

use crate::flags::Flags;
use crate::permissions::Need;

pub(crate) use clusterip::ClusterIpFlags;
pub(crate) use endpoints::EndpointsFlags;
pub(crate) use endpointslice::EndpointSliceFlags;
pub(crate) use endpointslice_mirroring::MirroringFlags;
pub(crate) use externalname::ExternalNameFlags;
pub(crate) use nodeport::NodePortFlags;
pub(crate) use selection::{SelectionError, select};

/// A controller of this binary. One more is a file beside `endpointslice.rs` and a line in [`ALL`].
pub(crate) struct Part {
    /// kube-controller-manager's name, which is shown (`cmd/kube-controller-manager/names/controller_names.go`).
    pub(crate) canonical: &'static str,
    /// Names that are taken as well: kube-controller-manager's alias and our own.
    pub(crate) aliases: &'static [&'static str],
    /// Whether kube-controller-manager has it too, so that it is to be switched off there.
    pub(crate) replaces: bool,
    /// Whether `*` selects it.
    pub(crate) by_default: bool,
    /// What it does with which resources, beside Events.
    pub(crate) needs: &'static [Need],
    /// Puts it together.
    pub(crate) build: fn(&Setting<'_>) -> Built,
}

/// What controllers are put together from.
pub(crate) struct Setting<'a> {
    pub(crate) flags: &'a Flags,
    pub(crate) rules: UpstreamRules,
    pub(crate) registry: &'a Registry,
    /// What admission reviews are answered from.
    pub(crate) index: &'a quaymaster_ipam::Shared,
}

/// A controller, and what the engine is to know of it.
pub(crate) struct Built {
    pub(crate) controller: Box<dyn Controller>,
    pub(crate) registration: Registration,
}

/// Every controller.
const ALL: &[Part] = &[
    endpoints::PART,
    endpointslice::PART,
    endpointslice_mirroring::PART,
    service_cidr::PART,
    externalname::PART,
    clusterip::PART,
    nodeport::PART,
];

/// What runs by these flags: the controllers that are selected by name, and what others of the flags ask for.
pub(crate) fn of(flags: &Flags) -> Result<Vec<&'static Part>, SelectionError> {
    let mut parts = select(&flags.controllers.controllers)?;
    if flags.endpoints.delete_unused_endpoints_after.is_some() {
        if parts.contains(&&endpoints::PART) {
            return Err(SelectionError::StillUsed);
        }
        parts.push(&endpoints::CLEANUP);
    }
    if flags.externalname.delete_stale_endpoints_after.is_some() {
        let part = parts.iter_mut().find(|part| **part == &externalname::PART);
        *part.ok_or(SelectionError::Unserved {
            flag: "--delete-stale-endpoints-after",
            controller: externalname::PART.canonical,
        })? = &externalname::DELETING;
    }
    let of_ports = &flags.nodeport;
    let given = [
        (
            of_ports.service_node_port_range.is_some(),
            "--service-node-port-range",
            &nodeport::TOLD,
        ),
        // The last one counts: it needs all that the others do.
        (of_ports.move_node_ports, "--move-node-ports", &nodeport::MOVING),
    ];
    for (_, flag, variant) in given.into_iter().filter(|(given, ..)| *given) {
        let part = parts.iter_mut().find(|part| **part == &nodeport::PART);
        *part.ok_or(SelectionError::Unserved {
            flag,
            controller: nodeport::PART.canonical,
        })? = variant;
    }
    let slices = &flags.endpointslice;
    if slices.rebalance_quiet.is_some() && !slices.rebalance {
        return Err(SelectionError::NotRebalanced);
    }
    if slices.rebalance && !parts.contains(&&endpointslice::PART) {
        return Err(SelectionError::Unserved {
            flag: "--rebalance",
            controller: endpointslice::PART.canonical,
        });
    }
    let allocates = parts.contains(&&clusterip::PART) || parts.contains(&&nodeport::PART);
    if flags.webhook.webhook_port != 0 && !allocates {
        return Err(SelectionError::Unserved {
            flag: "--webhook-port",
            controller: "clusterip or nodeport",
        });
    }
    if allocates {
        parts.push(&claim::PART);
    }
    Ok(parts)
}

/// The names to choose from, for `--help`.
pub(crate) fn known() -> String {
    ALL.iter()
        .map(|part| part.canonical)
        .collect::<Vec<_>>()
        .join(", ")
}

impl PartialEq for Part {
    fn eq(&self, other: &Self) -> bool {
        self.canonical == other.canonical
    }
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.canonical)
    }
}
