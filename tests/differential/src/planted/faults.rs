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
    pub edits: &'static [Edit],
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
const ISSUE: &str = "crates/slices/src/issue.rs";
const LABELS: &str = "crates/slices/src/labels.rs";
const PLAN: &str = "crates/slices/src/plan.rs";
const REVIEW: &str = "crates/slices/src/review.rs";
const TOPOLOGY: &str = "crates/slices/src/topology.rs";
const VIEW: &str = "controllers/endpointslice/src/view.rs";

/// In conversion, in placement, in the order of writes, and in what is noticed.
pub const FAULTS: &[Fault] = &[
    Fault {
        name: "terminating-ready",
        what: "a Pod that terminates stays ready",
        edits: &[Edit {
            file: CONVERT,
            from: "(serving && !terminating);",
            to: r#"(serving && (!terminating || quaymaster_model::planted("terminating-ready")));"#,
        }],
    },
    Fault {
        name: "hostname-anywhere",
        what: "a hostname is published whatever the subdomain",
        edits: &[Edit {
            file: BACKING,
            from: "(names.subdomain == service.key.name && ",
            to: r#"((names.subdomain == service.key.name || quaymaster_model::planted("hostname-anywhere")) && "#,
        }],
    },
    Fault {
        name: "first-address-only",
        what: "only the first address of a Pod counts",
        edits: &[Edit {
            file: BACKING,
            from: "        .addresses\n        .iter()\n",
            to: "        .addresses\n        .iter()\n        .take(if quaymaster_model::planted(\"first-address-only\") { 1 } else { usize::MAX })\n",
        }],
    },
    Fault {
        name: "other-protocol",
        what: "a port is found by its name whatever its protocol",
        edits: &[Edit {
            file: BACKING,
            from: "pod.named_port(name, &port.protocol)",
            to: r#"pod.named_port(name, &port.protocol).or_else(|| {
            let other = pod.ports.iter().find(|port| port.name == *name);
            other.filter(|_| quaymaster_model::planted("other-protocol")).map(|port| port.number)
        })"#,
        }],
    },
    Fault {
        name: "zone-stays",
        what: "a changed zone does not reach endpoints that are there",
        edits: &[Edit {
            file: CONVERT,
            from: "|| desired.zone != observed.zone",
            to: r#"|| desired.zone != observed.zone && !quaymaster_model::planted("zone-stays")"#,
        }],
    },
    Fault {
        name: "same-node-forgotten",
        what: "PreferSameNode gives no hints to Nodes",
        edits: &[Edit {
            file: CONVERT,
            from: "if rules.prefer_same => Self::OwnPlace { nodes: true }",
            to: r#"if rules.prefer_same => Self::OwnPlace { nodes: !quaymaster_model::planted("same-node-forgotten") }"#,
        }],
    },
    Fault {
        name: "labels-stay",
        what: "labels that a slice should not have stay, and those that it should have do not come",
        edits: &[Edit {
            file: LABELS,
            from: "    !own(slice).eq(own(service))",
            to: r#"    !quaymaster_model::planted("labels-stay") && !own(slice).eq(own(service))"#,
        }],
    },
    Fault {
        name: "one-too-many",
        what: "a slice takes one endpoint more than the maximum",
        edits: &[Edit {
            file: FILL,
            from: "let count = max.saturating_sub(into.len())",
            to: r#"let count = (max + usize::from(quaymaster_model::planted("one-too-many"))).saturating_sub(into.len())"#,
        }],
    },
    Fault {
        name: "more-than-fits",
        what: "the rest goes into a slice with room for all but one of it",
        edits: &[Edit {
            file: FILL,
            from: "..=(max - remaining.len(), SliceId(usize::MAX))",
            to: r#"..=(max - remaining.len() + usize::from(quaymaster_model::planted("more-than-fits")), SliceId(usize::MAX))"#,
        }],
    },
    Fault {
        name: "no-placeholder",
        what: "a Service without endpoints has no slice",
        edits: &[Edit {
            file: DRAFT,
            from: "if !self.new.is_empty() || self.state.live != self.going() {",
            to: r#"if !self.new.is_empty() || self.state.live != self.going() || quaymaster_model::planted("no-placeholder") {"#,
        }],
    },
    Fault {
        name: "pods-leave-first",
        what: "a Pod leaves a slice before another one that holds it is stored",
        edits: &[Edit {
            file: REVIEW,
            from: "        let Some((slice, _)) = self.slices[id].observed.as_ref() else {\n            return HashSet::new();\n        };\n        let staying",
            to: "        if quaymaster_model::planted(\"pods-leave-first\") {\n            return HashSet::new();\n        }\n        let Some((slice, _)) = self.slices[id].observed.as_ref() else {\n            return HashSet::new();\n        };\n        let staying",
        }],
    },
    Fault {
        name: "readiness-stays",
        what: "changes of Pods that stay with their Service are not noticed",
        edits: &[Edit {
            file: VIEW,
            from: "for id in &moved.stayed {",
            to: r#"for id in moved.stayed.iter().filter(|_| !quaymaster_model::planted("readiness-stays")) {"#,
        }],
    },
    Fault {
        name: "node-forgotten",
        what: "changes of Nodes are not noticed",
        edits: &[Edit {
            file: VIEW,
            from: "Delta::Node { change } => self.node_changed(world, *change, dirty),",
            to: r#"Delta::Node { .. } if quaymaster_model::planted("node-forgotten") => {}
            Delta::Node { change } => self.node_changed(world, *change, dirty),"#,
        }],
    },
    Fault {
        name: "edit-not-repaired",
        what: "what others do to slices is not noticed",
        edits: &[Edit {
            file: VIEW,
            from: "            } => self.slice_changed(world, *change, dirty),",
            to: r#"            } => if !quaymaster_model::planted("edit-not-repaired") { self.slice_changed(world, *change, dirty) },"#,
        }],
    },
    Fault {
        name: "target-stays",
        what: "an endpoint keeps the uid of a Pod that was replaced",
        edits: &[Edit {
            file: CONVERT,
            from: "|| !same_target",
            to: r#"|| !same_target && !quaymaster_model::planted("target-stays")"#,
        }],
    },
    Fault {
        name: "unmanaged-emptied",
        what: "the slices of a Service are emptied when its selector goes or it becomes ExternalName",
        edits: &[
            Edit {
                file: VIEW,
                from: "        if !service.selects_pods() {\n            // Its slices",
                to: "        if !service.selects_pods() && !(quaymaster_model::planted(\"unmanaged-emptied\") && before.is_some() && self.services.contains_key(&id)) {\n            // Its slices",
            },
            Edit {
                file: VIEW,
                from: "        if world.service(id).is_some_and(ServiceRecord::selects_pods) {\n            return false;",
                to: "        if world.service(id).is_some_and(ServiceRecord::selects_pods) || quaymaster_model::planted(\"unmanaged-emptied\") && self.services.contains_key(&id) {\n            return false;",
            },
            Edit {
                file: PLAN,
                from: "if !cx.service.selects_pods() {",
                to: r#"if !cx.service.selects_pods() && !quaymaster_model::planted("unmanaged-emptied") {"#,
            },
        ],
    },
    Fault {
        name: "external-name-kept",
        what: "a Service of type ExternalName gets slices like any other",
        edits: &[Edit {
            file: "crates/model/src/service.rs",
            from: "self.selector.is_some() && self.kind != ServiceType::ExternalName",
            to: r#"self.selector.is_some() && (self.kind != ServiceType::ExternalName || crate::planted("external-name-kept"))"#,
        }],
    },
    Fault {
        name: "empties-stay",
        what: "slices that lose all endpoints stay",
        edits: &[Edit {
            file: DRAFT,
            from: "if review.changed && review.kept.is_empty() {",
            to: r#"if review.changed && review.kept.is_empty() && !quaymaster_model::planted("empties-stay") {"#,
        }],
    },
    Fault {
        name: "fragment",
        what: "the rest always goes into a new slice",
        edits: &[Edit {
            file: FILL,
            from: ".find(|id| !updated.contains(id) && !gone(*id));",
            to: r#".find(|id| !updated.contains(id) && !gone(*id) && !quaymaster_model::planted("fragment"));"#,
        }],
    },
    Fault {
        name: "annotations-go",
        what: "annotations of others are lost when a slice is written",
        edits: &[Edit {
            file: ISSUE,
            from: "kept.map(foreign_annotations)",
            to: r#"kept.filter(|_| !quaymaster_model::planted("annotations-go")).map(foreign_annotations)"#,
        }],
    },
    Fault {
        name: "headless-forgotten",
        what: "slices of headless Services lack the label",
        edits: &[Edit {
            file: LABELS,
            from: "        .without_cluster_ip()\n        .then(",
            to: "        .without_cluster_ip()\n        .then_some(())\n        .filter(|()| !quaymaster_model::planted(\"headless-forgotten\"))\n        .is_some()\n        .then(",
        }],
    },
    Fault {
        name: "hints-to-nodes",
        what: "hints by annotation name nodes as well",
        edits: &[
            Edit {
                file: TOPOLOGY,
                from: "hints.nodes.is_empty() && *hints.zones == [zone.clone()]",
                to: r#"(hints.nodes.is_empty() || quaymaster_model::planted("hints-to-nodes")) && *hints.zones == [zone.clone()]"#,
            },
            Edit {
                file: TOPOLOGY,
                from: "        zones: smallvec![zone],\n        nodes: smallvec![],",
                to: "        nodes: if quaymaster_model::planted(\"hints-to-nodes\") { smallvec![zone.clone()] } else { smallvec![] },\n        zones: smallvec![zone],",
            },
        ],
    },
];
