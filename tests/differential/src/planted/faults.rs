//! The errors themselves, as edits of quaymaster's sources.

/// The variable that switches one of them on, by name, in a quaymaster that was built with all of them.
pub const VARIABLE: &str = "QUAYMASTER_PLANTED_FAULT";

/// Added to the crate below those that the edits are in.
pub const SWITCH: Edit = Edit {
    file: "crates/model/src/lib.rs",
    from: "pub mod digest;\n",
    to: r#"pub mod digest;
/// Whether a fault is switched on.
pub fn planted(fault: &str) -> bool {
    static CHOSEN: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    CHOSEN.get_or_init(|| std::env::var("QUAYMASTER_PLANTED_FAULT").unwrap_or_default()) == fault
}
"#,
};

/// An error that somebody could make.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub what: &'static str,
    /// Where it is.
    pub edit: Edit,
}

/// A piece of source, which stands there exactly once, and what it becomes.
#[derive(Clone, Copy, Debug)]
pub struct Edit {
    /// Path from the root of the work tree.
    pub file: &'static str,
    /// The piece.
    pub from: &'static str,
    /// What replaces it.
    pub to: &'static str,
}

const BACKING: &str = "crates/membership/src/backing.rs";
const CONVERT: &str = "crates/slices/src/convert.rs";
const DRAFT: &str = "crates/slices/src/draft.rs";
const FILL: &str = "crates/slices/src/fill.rs";
const LABELS: &str = "crates/slices/src/labels.rs";
const REVIEW: &str = "crates/slices/src/review.rs";

/// In conversion, in placement, and in the order of writes.
pub const FAULTS: [Fault; 11] = [
    Fault {
        name: "terminating-ready",
        what: "a Pod that terminates stays ready",
        edit: Edit {
            file: CONVERT,
            from: "(serving && !terminating);",
            to: r#"(serving && (!terminating || quaymaster_model::planted("terminating-ready")));"#,
        },
    },
    Fault {
        name: "hostname-anywhere",
        what: "a hostname is published whatever the subdomain",
        edit: Edit {
            file: BACKING,
            from: "(names.subdomain == service.key.name && ",
            to: r#"((names.subdomain == service.key.name || quaymaster_model::planted("hostname-anywhere")) && "#,
        },
    },
    Fault {
        name: "first-address-only",
        what: "only the first address of a Pod counts",
        edit: Edit {
            file: BACKING,
            from: "        .addresses\n        .iter()\n",
            to: "        .addresses\n        .iter()\n        .take(if quaymaster_model::planted(\"first-address-only\") { 1 } else { usize::MAX })\n",
        },
    },
    Fault {
        name: "other-protocol",
        what: "a port is found by its name whatever its protocol",
        edit: Edit {
            file: BACKING,
            from: "pod.named_port(name, &port.protocol)",
            to: r#"pod.named_port(name, &port.protocol).or_else(|| {
            let other = pod.ports.iter().find(|port| port.name == *name);
            other.filter(|_| quaymaster_model::planted("other-protocol")).map(|port| port.number)
        })"#,
        },
    },
    Fault {
        name: "zone-stays",
        what: "a changed zone does not reach endpoints that are there",
        edit: Edit {
            file: CONVERT,
            from: "|| desired.zone != observed.zone",
            to: r#"|| desired.zone != observed.zone && !quaymaster_model::planted("zone-stays")"#,
        },
    },
    Fault {
        name: "same-node-forgotten",
        what: "PreferSameNode gives no hints to Nodes",
        edit: Edit {
            file: CONVERT,
            from: "if rules.prefer_same => Self::OwnPlace { nodes: true }",
            to: r#"if rules.prefer_same => Self::OwnPlace { nodes: !quaymaster_model::planted("same-node-forgotten") }"#,
        },
    },
    Fault {
        name: "labels-stay",
        what: "labels that a slice should not have stay, and those that it should have do not come",
        edit: Edit {
            file: LABELS,
            from: "    !own(slice).eq(own(service))",
            to: r#"    !quaymaster_model::planted("labels-stay") && !own(slice).eq(own(service))"#,
        },
    },
    Fault {
        name: "one-too-many",
        what: "a slice takes one endpoint more than the maximum",
        edit: Edit {
            file: FILL,
            from: "let count = max.saturating_sub(into.len())",
            to: r#"let count = (max + usize::from(quaymaster_model::planted("one-too-many"))).saturating_sub(into.len())"#,
        },
    },
    Fault {
        name: "more-than-fits",
        what: "the rest goes into a slice with room for all but one of it",
        edit: Edit {
            file: FILL,
            from: "..=(max - remaining.len(), SliceId(usize::MAX))",
            to: r#"..=(max - remaining.len() + usize::from(quaymaster_model::planted("more-than-fits")), SliceId(usize::MAX))"#,
        },
    },
    Fault {
        name: "no-placeholder",
        what: "a Service without endpoints has no slice",
        edit: Edit {
            file: DRAFT,
            from: "if !self.new.is_empty() || self.state.live != self.going() {",
            to: r#"if !self.new.is_empty() || self.state.live != self.going() || quaymaster_model::planted("no-placeholder") {"#,
        },
    },
    Fault {
        name: "pods-leave-first",
        what: "a Pod leaves a slice before another one that holds it is stored",
        edit: Edit {
            file: REVIEW,
            from: "        let Some((slice, _)) = self.slices[id].observed.as_ref() else {\n            return HashSet::new();\n        };\n        let staying",
            to: "        if quaymaster_model::planted(\"pods-leave-first\") {\n            return HashSet::new();\n        }\n        let Some((slice, _)) = self.slices[id].observed.as_ref() else {\n            return HashSet::new();\n        };\n        let staying",
        },
    },
];
