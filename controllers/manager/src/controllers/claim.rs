//! The controller of claims: it runs wherever values are given out.

use std::sync::Arc;
use std::time::Instant;

use quaymaster_claim::ClaimController;
use quaymaster_engine::Registration;

use super::{Built, Part, Setting};
use crate::permissions::{Need, READ};

pub(super) const PART: Part = Part {
    canonical: quaymaster_claim::NAME,
    aliases: &[],
    replaces: false,
    by_default: false,
    needs: &[
        Need::core("services", READ),
        Need {
            group: "quaymaster.io",
            resource: "allocationclaims",
            verbs: &["get", "list", "watch", "create", "delete"],
        },
    ],
    build,
};

fn build(setting: &Setting<'_>) -> Built {
    Built {
        controller: Box::new(ClaimController::new(Arc::clone(setting.index), Instant::now)),
        registration: Registration {
            queue: quaymaster_claim::QUEUE,
            reporter: quaymaster_claim::REPORTER,
            most_keys: None,
        },
    }
}
