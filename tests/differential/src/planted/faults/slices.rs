//! In the EndpointSlice controller: in conversion, in placement, in the order of writes, in what is noticed, and in hints.

use super::{Edit, Fault};
use crate::controllers::Controller;

const SLICES: &[Controller] = &[Controller::EndpointSlice];

const ALLOCATE: &str = "crates/slices/src/topology/allocate.rs";
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

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "terminating-ready",
        what: "a Pod that terminates stays ready",
        controllers: SLICES,
        handover: false,
        edits: &[Edit {
            file: CONVERT,
            from: "(serving && !terminating);",
            to: r#"(serving && (!terminating || quaymaster_model::planted("terminating-ready")));"#,
        }],
    },
    Fault {
        name: "hostname-anywhere",
        what: "a hostname is published whatever the subdomain",
        controllers: SLICES,
        handover: false,
        edits: &[Edit {
            file: BACKING,
            from: "(names.subdomain == service.key.name && ",
            to: r#"((names.subdomain == service.key.name || quaymaster_model::planted("hostname-anywhere")) && "#,
        }],
    },
    Fault {
        name: "first-address-only",
        what: "only the first address of a Pod counts",
        controllers: SLICES,
        handover: false,
        edits: &[Edit {
            file: BACKING,
            from: "        .addresses\n        .iter()\n",
            to: "        .addresses\n        .iter()\n        .take(if quaymaster_model::planted(\"first-address-only\") { 1 } else { usize::MAX })\n",
        }],
    },
    Fault {
        name: "other-protocol",
        what: "a port is found by its name whatever its protocol",
        controllers: SLICES,
        handover: false,
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
        controllers: SLICES,
        handover: false,
        edits: &[Edit {
            file: CONVERT,
            from: "|| desired.zone != observed.zone",
            to: r#"|| desired.zone != observed.zone && !quaymaster_model::planted("zone-stays")"#,
        }],
    },
    Fault {
        name: "same-node-forgotten",
        what: "PreferSameNode gives no hints to Nodes",
        controllers: SLICES,
        handover: false,
        edits: &[Edit {
            file: CONVERT,
            from: "if rules.prefer_same => Self::OwnPlace { nodes: true }",
            to: r#"if rules.prefer_same => Self::OwnPlace { nodes: !quaymaster_model::planted("same-node-forgotten") }"#,
        }],
    },
    Fault {
        name: "labels-stay",
        what: "labels that a slice should not have stay, and those that it should have do not come",
        controllers: SLICES,
        handover: false,
        edits: &[Edit {
            file: LABELS,
            from: "    !own(slice).eq(own(service))",
            to: r#"    !quaymaster_model::planted("labels-stay") && !own(slice).eq(own(service))"#,
        }],
    },
    Fault {
        name: "headless-put-right",
        what: "a wrong headless label alone is reason for a write",
        controllers: SLICES,
        handover: true,
        edits: &[Edit {
            file: LABELS,
            from: "        labels.iter().filter(|(key, _)| !is_reserved(key))\n",
            to: "        let headless = |key: &str| key == names::LABEL_HEADLESS && quaymaster_model::planted(\"headless-put-right\");\n        labels.iter().filter(move |(key, _)| headless(key) || !is_reserved(key))\n",
        }],
    },
    Fault {
        name: "one-too-many",
        what: "a slice takes one endpoint more than the maximum",
        controllers: SLICES,
        handover: false,
        edits: &[Edit {
            file: FILL,
            from: "let count = max.saturating_sub(into.len())",
            to: r#"let count = (max + usize::from(quaymaster_model::planted("one-too-many"))).saturating_sub(into.len())"#,
        }],
    },
    Fault {
        name: "more-than-fits",
        what: "the rest goes into a slice with room for all but one of it",
        controllers: SLICES,
        handover: false,
        edits: &[Edit {
            file: FILL,
            from: "..=(max - remaining.len(), SliceId(usize::MAX))",
            to: r#"..=(max - remaining.len() + usize::from(quaymaster_model::planted("more-than-fits")), SliceId(usize::MAX))"#,
        }],
    },
    Fault {
        name: "no-placeholder",
        what: "a Service without endpoints has no slice",
        controllers: SLICES,
        handover: false,
        edits: &[Edit {
            file: DRAFT,
            from: "if !self.new.is_empty() || self.state.live != self.going() {",
            to: r#"if !self.new.is_empty() || self.state.live != self.going() || quaymaster_model::planted("no-placeholder") {"#,
        }],
    },
    Fault {
        name: "pods-leave-first",
        what: "a Pod leaves a slice before another one that holds it is stored",
        controllers: SLICES,
        handover: false,
        edits: &[Edit {
            file: REVIEW,
            from: "        let Some((slice, _)) = self.slices[id].observed.as_ref() else {\n            return HashSet::new();\n        };\n        let staying",
            to: "        if quaymaster_model::planted(\"pods-leave-first\") {\n            return HashSet::new();\n        }\n        let Some((slice, _)) = self.slices[id].observed.as_ref() else {\n            return HashSet::new();\n        };\n        let staying",
        }],
    },
    Fault {
        name: "readiness-stays",
        what: "changes of Pods that stay with their Service are not noticed",
        controllers: SLICES,
        handover: false,
        edits: &[Edit {
            file: VIEW,
            from: "for id in &moved.stayed {",
            to: r#"for id in moved.stayed.iter().filter(|_| !quaymaster_model::planted("readiness-stays")) {"#,
        }],
    },
    Fault {
        name: "node-forgotten",
        what: "changes of Nodes are not noticed",
        controllers: SLICES,
        handover: false,
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
        controllers: SLICES,
        handover: false,
        edits: &[Edit {
            file: VIEW,
            from: "            } => self.slice_changed(world, *change, dirty),",
            to: r#"            } => if !quaymaster_model::planted("edit-not-repaired") { self.slice_changed(world, *change, dirty) },"#,
        }],
    },
    Fault {
        name: "target-stays",
        what: "an endpoint keeps the uid of a Pod that was replaced",
        controllers: SLICES,
        handover: false,
        edits: &[Edit {
            file: CONVERT,
            from: "|| !same_target",
            to: r#"|| !same_target && !quaymaster_model::planted("target-stays")"#,
        }],
    },
    Fault {
        name: "unmanaged-emptied",
        what: "the slices of a Service are emptied when its selector goes or it becomes ExternalName",
        controllers: SLICES,
        handover: false,
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
        controllers: SLICES,
        handover: false,
        edits: &[Edit {
            file: "crates/model/src/service.rs",
            from: "self.selector.is_some() && self.kind != ServiceType::ExternalName",
            to: r#"self.selector.is_some() && (self.kind != ServiceType::ExternalName || crate::planted("external-name-kept"))"#,
        }],
    },
    Fault {
        name: "empties-stay",
        what: "slices that lose all endpoints stay",
        controllers: SLICES,
        handover: false,
        edits: &[Edit {
            file: DRAFT,
            from: "if review.changed && review.kept.is_empty() {",
            to: r#"if review.changed && review.kept.is_empty() && !quaymaster_model::planted("empties-stay") {"#,
        }],
    },
    Fault {
        name: "fragment",
        what: "the rest always goes into a new slice",
        controllers: SLICES,
        handover: false,
        edits: &[Edit {
            file: FILL,
            from: ".find(|id| !updated.contains(id) && !gone(*id));",
            to: r#".find(|id| !updated.contains(id) && !gone(*id) && !quaymaster_model::planted("fragment"));"#,
        }],
    },
    Fault {
        name: "annotations-go",
        what: "annotations of others are lost when a slice is written",
        controllers: SLICES,
        handover: false,
        edits: &[Edit {
            file: ISSUE,
            from: "kept.map(foreign_annotations)",
            to: r#"kept.filter(|_| !quaymaster_model::planted("annotations-go")).map(foreign_annotations)"#,
        }],
    },
    Fault {
        name: "headless-forgotten",
        what: "slices of headless Services lack the label",
        controllers: SLICES,
        handover: false,
        edits: &[Edit {
            file: LABELS,
            from: "        .without_cluster_ip()\n        .then(",
            to: "        .without_cluster_ip()\n        .then_some(())\n        .filter(|()| !quaymaster_model::planted(\"headless-forgotten\"))\n        .is_some()\n        .then(",
        }],
    },
    Fault {
        name: "hints-to-nodes",
        what: "hints by annotation name nodes as well",
        controllers: SLICES,
        handover: false,
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
    Fault {
        name: "surplus-empties",
        what: "slices of ports that no Pod has any more are emptied and stay beside those with endpoints",
        controllers: SLICES,
        handover: false,
        edits: &[
            Edit {
                file: DRAFT,
                from: "if self.slices.groups.get(*group).eligible == 0 {",
                to: r#"let surplus = quaymaster_model::planted("surplus-empties")
            && self.slices.groups.get(*group).eligible == 0
            && self.slices.pods.values().any(|place| place.group.is_some());
        if self.slices.groups.get(*group).eligible == 0 && !surplus {"#,
            },
            Edit {
                file: DRAFT,
                from: "if review.changed && review.kept.is_empty()",
                to: "if review.changed && review.kept.is_empty() && !surplus",
            },
        ],
    },
    Fault {
        name: "empties-for-placeholder",
        what: "the slices of a Service whose last Pod goes are emptied and stay in place of one without ports",
        controllers: SLICES,
        handover: false,
        edits: &[Edit {
            file: DRAFT,
            from: "            self.foreign.push(id);\n            return;\n        }\n",
            to: r#"            self.foreign.push(id);
            return;
        }
        if quaymaster_model::planted("empties-for-placeholder")
            && *group != self.slices.portless
            && self.slices.pods.values().all(|place| place.group.is_none())
        {
            if slice.endpoints.is_empty() {
                self.draft.settled.push(id);
                return;
            }
            let empty = Reviewed { id, group: *group, endpoints: Vec::new(), added: 0, urgent: true, again: false };
            self.updating.entry(*group).or_default().push(empty);
            return;
        }
"#,
        }],
    },
    Fault {
        name: "hints-mixed-up",
        what: "hints by annotation are right in number for each zone, and on the wrong endpoints",
        controllers: SLICES,
        handover: false,
        edits: &[Edit {
            file: TOPOLOGY,
            from: "    let mut transfers = Transfers::between(&allocations, &counted);\n    for index in open {",
            to: r#"    let mut transfers = Transfers::between(&allocations, &counted);
    if quaymaster_model::planted("hints-mixed-up") {
        let mut places = Vec::new();
        let mut zones = Vec::new();
        for index in &open {
            for (at, endpoint) in slices[*index].endpoints.iter().enumerate() {
                if let Some(own) = zone_of(endpoint).filter(|_| is_ready(endpoint)).cloned() {
                    zones.push(transfers.next(&own, &mut counted).unwrap_or(own));
                    places.push((*index, at));
                }
            }
        }
        zones.sort();
        for ((index, at), zone) in places.into_iter().zip(zones) {
            if hint_to(&mut slices[index].endpoints[at], zone) && slices[index].bucket == Bucket::Unchanged {
                slices[index].bucket = Bucket::Update;
            }
        }
        return Ok(counted);
    }
    for index in open {"#,
        }],
    },
    Fault {
        name: "hints-to-one-zone",
        what: "what some zones have too much of is hinted to one zone, whatever others lack",
        controllers: SLICES,
        handover: false,
        edits: &[Edit {
            file: ALLOCATE,
            from: "        uncount(&mut self.receiving, &receiver);\n",
            to: "        if !quaymaster_model::planted(\"hints-to-one-zone\") {\n            uncount(&mut self.receiving, &receiver);\n        }\n",
        }],
    },
    Fault {
        name: "hints-overload",
        what: "hints by annotation may load endpoints with eight times their share",
        controllers: SLICES,
        handover: false,
        edits: &[Edit {
            file: ALLOCATE,
            from: "(1.0 / (1.0 + OVERLOAD_THRESHOLD))",
            to: r#"(1.0 / (1.0 + if quaymaster_model::planted("hints-overload") { 7.0 } else { OVERLOAD_THRESHOLD }))"#,
        }],
    },
];
