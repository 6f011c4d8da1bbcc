//! In the controller of ServiceCIDRs.

use super::{Edit, Fault};
use crate::controllers::Controller;

const SERVICE_CIDR: &[Controller] = &[Controller::ServiceCidr];

const BLOCKERS: &str = "controllers/service-cidr/src/blockers.rs";
const PLAN: &str = "controllers/service-cidr/src/plan.rs";

/// In what holds a ServiceCIDR, and in what is said of it.
pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "cidr-held-for-nothing",
        what: "a ServiceCIDR stays for addresses that another one has as well",
        controllers: SERVICE_CIDR,
        handover: false,
        edits: &[Edit {
            file: BLOCKERS,
            from: "        cidr.deleted?;\n",
            to: "        if quaymaster_model::planted(\"cidr-held-for-nothing\") && cidr.deleted.is_none() {\n            continue;\n        }\n        cidr.deleted?;\n",
        }],
    },
    Fault {
        name: "cidr-let-go",
        what: "a ServiceCIDR goes although addresses hang on it alone",
        controllers: SERVICE_CIDR,
        handover: false,
        edits: &[Edit {
            file: PLAN,
            from: "if facts.held {",
            to: r#"if facts.held && !quaymaster_model::planted("cidr-let-go") {"#,
        }],
    },
    Fault {
        name: "cidr-without-condition",
        what: "a ServiceCIDR is not said to be ready",
        controllers: SERVICE_CIDR,
        handover: false,
        edits: &[Edit {
            file: PLAN,
            from: "return if has_finalizer(cidr) {",
            to: "return if has_finalizer(cidr) && quaymaster_model::planted(\"cidr-without-condition\") {\n            Step::Rest\n        } else if has_finalizer(cidr) {",
        }],
    },
    Fault {
        name: "cidr-without-grace",
        what: "a ServiceCIDR goes at once, and not after ten seconds",
        controllers: SERVICE_CIDR,
        handover: false,
        edits: &[Edit {
            file: PLAN,
            from: "match left(deleted, facts) {",
            to: r#"match left(deleted, facts) * u32::from(!quaymaster_model::planted("cidr-without-grace")) {"#,
        }],
    },
];
