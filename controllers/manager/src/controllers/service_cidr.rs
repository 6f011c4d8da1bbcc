//! The ServiceCIDR controller. It has no flags, as upstream has none.

use quaymaster_engine::Registration;
use quaymaster_service_cidr::ServiceCidrs;

use super::{Built, Part, Setting};
use crate::permissions::Need;

pub(super) const PART: Part = Part {
    canonical: "service-cidr-controller",
    aliases: &[quaymaster_service_cidr::NAME],
    replaces: true,
    by_default: true,
    needs: &[
        Need {
            group: "networking.k8s.io",
            resource: "servicecidrs",
            verbs: &["list", "watch", "patch"],
        },
        Need {
            group: "networking.k8s.io",
            resource: "servicecidrs/status",
            verbs: &["patch"],
        },
        Need {
            group: "networking.k8s.io",
            resource: "ipaddresses",
            verbs: &["list", "watch"],
        },
    ],
    build,
};

fn build(_: &Setting<'_>) -> Built {
    Built {
        controller: Box::new(ServiceCidrs::new()),
        registration: Registration {
            queue: quaymaster_service_cidr::QUEUE,
            reporter: quaymaster_service_cidr::REPORTER,
            most_keys: None,
        },
    }
}
