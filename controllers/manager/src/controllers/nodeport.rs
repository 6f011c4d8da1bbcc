//! The controller of node ports out of pools.

use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use quaymaster_engine::Registration;
use quaymaster_model::Text;
use quaymaster_nodeport::{NodePorts, Options, range};

use super::{Built, Part, Setting};
use crate::permissions::{Need, READ};

const POOLS: Need = Need {
    group: "quaymaster.io",
    resource: "nodeportpools",
    verbs: READ,
};

const STATUS: Need = Need {
    group: "quaymaster.io",
    resource: "nodeportpools/status",
    verbs: &["update"],
};

pub(super) const PART: Part = Part {
    canonical: quaymaster_nodeport::NAME,
    aliases: &[],
    replaces: false,
    by_default: false,
    needs: &[
        // Creating asks for the apiserver's range.
        Need::core("services", &["list", "watch", "create"]),
        Need::core("namespaces", READ),
        POOLS,
        STATUS,
    ],
    build,
};

/// The same controller where the range is given.
pub(super) const TOLD: Part = Part {
    needs: &[
        Need::core("services", READ),
        Need::core("namespaces", READ),
        POOLS,
        STATUS,
    ],
    ..PART
};

/// The same controller where it moves node ports.
pub(super) const MOVING: Part = Part {
    needs: &[
        Need::core("services", &["list", "watch", "create", "patch"]),
        Need::core("namespaces", READ),
        POOLS,
        STATUS,
    ],
    ..PART
};

/// Settings of the controller of node ports.
#[derive(Debug, Args)]
pub(crate) struct NodePortFlags {
    /// The flag of the same name of kube-apiserver, such as 30000-32767 [default: asked for, by a Service that the apiserver
    /// refuses, in the namespace of the Lease]
    #[arg(long, value_name = "RANGE", value_parser = parse_range)]
    pub(crate) service_node_port_range: Option<range::Bounds>,
    /// Where no webhook chooses node ports: those of Services that are younger than a minute, or name a NodePortPool, are
    /// changed to ones of their pool, once
    #[arg(long)]
    pub(crate) move_node_ports: bool,
}

/// `first-last`, as kube-apiserver takes it; its other forms are seldom seen.
fn parse_range(text: &str) -> Result<range::Bounds, String> {
    let bounds = text.split_once('-').and_then(|(first, last)| {
        let bounds: range::Bounds = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (bounds.0 != 0 && bounds.0 <= bounds.1).then_some(bounds)
    });
    bounds.ok_or_else(|| "give the first and the last port, such as 30000-32767".to_owned())
}

fn build(setting: &Setting<'_>) -> Built {
    let flags = &setting.flags.nodeport;
    let options = Options {
        // The one of the Lease, which there is, or kube-system.
        namespace: Text::new(&setting.flags.election.leader_elect_resource_namespace),
        range: flags.service_node_port_range,
        moves: flags.move_node_ports,
    };
    let index = Arc::clone(setting.index);
    Built {
        controller: Box::new(NodePorts::new(
            index,
            &options,
            setting.registry,
            Instant::now,
            rand::random,
        )),
        registration: Registration {
            queue: quaymaster_nodeport::QUEUE,
            reporter: quaymaster_nodeport::REPORTER,
            most_keys: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_written_as_for_the_apiserver_and_has_at_least_one_port() {
        assert_eq!(parse_range("30000-32767"), Ok((30_000, 32_767)));
        assert_eq!(parse_range("80-80"), Ok((80, 80)));
        for wrong in ["", "30000", "0-10", "10-9", "1-65536", "a-b"] {
            assert!(parse_range(wrong).unwrap_err().contains("30000-32767"), "{wrong}");
        }
    }
}
