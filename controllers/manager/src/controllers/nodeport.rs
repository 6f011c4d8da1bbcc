//! The controller of node ports out of pools.

use std::sync::Arc;
use std::time::Instant;

use quaymaster_engine::Registration;
use quaymaster_nodeport::NodePorts;

use super::{Built, Part, Setting};
use crate::permissions::{Need, READ};

pub(super) const PART: Part = Part {
    canonical: quaymaster_nodeport::NAME,
    aliases: &[],
    replaces: false,
    by_default: false,
    needs: &[
        Need::core("services", READ),
        Need::core("namespaces", READ),
        Need {
            group: "quaymaster.io",
            resource: "nodeportpools",
            verbs: READ,
        },
    ],
    build,
};

fn build(setting: &Setting<'_>) -> Built {
    Built {
        controller: Box::new(NodePorts::new(Arc::clone(setting.index), Instant::now)),
        registration: Registration {
            queue: quaymaster_nodeport::QUEUE,
            reporter: quaymaster_nodeport::REPORTER,
            most_keys: None,
        },
    }
}
