//! In the controller that mirrors Endpoints.

use super::{Edit, Fault};
use crate::controllers::Controller;

const MIRRORING: &[Controller] = &[Controller::Mirroring];

const DESIRED: &str = "controllers/endpointslice-mirroring/src/desired.rs";
const VIEW: &str = "controllers/endpointslice-mirroring/src/view.rs";
const WANTED: &str = "controllers/endpointslice-mirroring/src/wanted.rs";

/// In what is mirrored, in content and metadata, and in what is noticed.
pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "skip-ignored",
        what: "Endpoints are mirrored whatever the label that is against it",
        controllers: MIRRORING,
        handover: false,
        edits: &[Edit {
            file: VIEW,
            from: "&& !is_skipped(endpoints)",
            to: r#"&& (!is_skipped(endpoints) || quaymaster_model::planted("skip-ignored"))"#,
        }],
    },
    Fault {
        name: "annotations-not-mirrored",
        what: "mirrored slices lack the annotations of the Endpoints",
        controllers: MIRRORING,
        handover: false,
        edits: &[Edit {
            file: WANTED,
            from: ".filter(|(key, _)| !NOT_COPIED.contains(&key.as_str()))",
            to: r#".filter(|(key, _)| !NOT_COPIED.contains(&key.as_str()) && !quaymaster_model::planted("annotations-not-mirrored"))"#,
        }],
    },
    Fault {
        name: "mirrors-one-too-many",
        what: "one address more than the maximum is mirrored of a subset",
        controllers: MIRRORING,
        handover: false,
        edits: &[Edit {
            file: DESIRED,
            from: "        let mut desired = Self::default();\n        let mut groups",
            to: "        let most = most + usize::from(quaymaster_model::planted(\"mirrors-one-too-many\"));\n        let mut desired = Self::default();\n        let mut groups",
        }],
    },
    Fault {
        name: "ipv4-mirrored-only",
        what: "IPv6 addresses are not mirrored",
        controllers: MIRRORING,
        handover: false,
        edits: &[Edit {
            file: DESIRED,
            from: "match ip(&address.ip) {",
            to: r#"match ip(&address.ip).filter(|ip| ip.is_ipv4() || !quaymaster_model::planted("ipv4-mirrored-only")) {"#,
        }],
    },
    Fault {
        name: "mirror-not-made-again",
        what: "that a mirrored slice is deleted by others is not noticed",
        controllers: MIRRORING,
        handover: false,
        edits: &[Edit {
            file: VIEW,
            from: "        let slice = &change.latest().key;\n",
            to: "        if change.after().is_none() && quaymaster_model::planted(\"mirror-not-made-again\") {\n            return;\n        }\n        let slice = &change.latest().key;\n",
        }],
    },
    Fault {
        name: "mirrored-with-selector",
        what: "what was mirrored stays when the Service gets a selector",
        controllers: MIRRORING,
        handover: false,
        edits: &[Edit {
            file: VIEW,
            from: "if is_without(change.before()) != is_without(change.after()) {",
            to: "let gets_one = is_without(change.before()) && change.after().is_some_and(|service| service.selector.is_some());\n        if is_without(change.before()) != is_without(change.after()) && !(gets_one && quaymaster_model::planted(\"mirrored-with-selector\")) {",
        }],
    },
];
