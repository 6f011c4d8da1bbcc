//! In the Endpoints controller.

use super::{Edit, Fault};
use crate::controllers::Controller;

const ENDPOINTS: &[Controller] = &[Controller::Endpoints];

const CONTROLLER: &str = "controllers/endpoints/src/controller.rs";
const REPACK: &str = "crates/subsets/src/repack.rs";
const WANTED: &str = "controllers/endpoints/src/wanted.rs";

/// In what is read off Pods, in the form of subsets, in metadata, and in what is left.
pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "unready-published",
        what: "Endpoints have addresses that are not ready among those that are",
        controllers: ENDPOINTS,
        handover: false,
        edits: &[Edit {
            file: WANTED,
            from: "if service.publish_not_ready || pod.flags.ready {",
            to: r#"if service.publish_not_ready || pod.flags.ready || quaymaster_model::planted("unready-published") {"#,
        }],
    },
    Fault {
        name: "subsets-by-port",
        what: "subsets are sorted by their ports and not by their digest",
        controllers: ENDPOINTS,
        handover: false,
        edits: &[Edit {
            file: REPACK,
            from: "        subsets.sort_by_cached_key(",
            to: "        if quaymaster_model::planted(\"subsets-by-port\") {\n            subsets.sort_by_cached_key(|subset| subset.ports.first().map(|port| port.port));\n            return subsets;\n        }\n        subsets.sort_by_cached_key(",
        }],
    },
    Fault {
        name: "addresses-by-length",
        what: "addresses of a subset are sorted as numbers and not as texts",
        controllers: ENDPOINTS,
        handover: false,
        edits: &[Edit {
            file: REPACK,
            from: "        a.0.cmp(&b.0)\n",
            to: "        let length = |text: &str| if quaymaster_model::planted(\"addresses-by-length\") { text.len() } else { 0 };\n        length(&a.0).cmp(&length(&b.0)).then_with(|| a.0.cmp(&b.0))\n",
        }],
    },
    Fault {
        name: "over-capacity-stays",
        what: "Endpoints that are whole keep the annotation that they are cut off",
        controllers: ENDPOINTS,
        handover: false,
        edits: &[
            Edit {
                file: WANTED,
                from: "            && stored.annotation(names::ANNOTATION_OVER_CAPACITY) == ",
                to: "            && (quaymaster_model::planted(\"over-capacity-stays\") && !self.truncated\n                || stored.annotation(names::ANNOTATION_OVER_CAPACITY) == ",
            },
            Edit {
                file: WANTED,
                from: "self.over_capacity().as_ref()\n",
                to: "self.over_capacity().as_ref())\n",
            },
        ],
    },
    Fault {
        name: "endpoints-not-headless",
        what: "Endpoints of headless Services lack the label",
        controllers: ENDPOINTS,
        handover: false,
        edits: &[Edit {
            file: WANTED,
            from: "        .without_cluster_ip()\n        .then(",
            to: "        .without_cluster_ip()\n        .then_some(())\n        .filter(|()| !quaymaster_model::planted(\"endpoints-not-headless\"))\n        .is_some()\n        .then(",
        }],
    },
    Fault {
        name: "endpoints-outlive",
        what: "Endpoints stay when their Service is deleted",
        controllers: ENDPOINTS,
        handover: false,
        edits: &[Edit {
            file: CONTROLLER,
            from: "            None => self.sweep(world, key, now.at),",
            to: "            None if quaymaster_model::planted(\"endpoints-outlive\") => None,\n            None => self.sweep(world, key, now.at),",
        }],
    },
];
