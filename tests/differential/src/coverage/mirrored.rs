//! Rules of the mirroring controller.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{EndpointAddress, Endpoints, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use quaymaster_oracle::mirroring::{Desired, allows_mirroring, is_mirrored};
use quaymaster_oracle::names::{
    ENDPOINTS_CONTROLLER, ENDPOINTS_MANAGED_BY, LAST_APPLIED, LEADER, SERVICE_NAME, SKIP_MIRROR,
    SLICE_MANAGED_BY, TRIGGER_TIME,
};

use super::{Coverage, Rule};

impl Coverage {
    /// Endpoints that are mirrored, and what should be, at one revision.
    pub(crate) fn desired_mirror(
        &mut self,
        endpoints: &Endpoints,
        service: Option<&Service>,
        desired: &Desired,
    ) {
        let labels = endpoints.metadata.labels.clone().unwrap_or_default();
        let annotations = endpoints.metadata.annotations.clone().unwrap_or_default();
        let manager = labels.get(ENDPOINTS_MANAGED_BY).map(String::as_str);
        self.count_if(labels.contains_key(SKIP_MIRROR), Rule::MirrorSkipOther);
        self.count_if(manager == Some(ENDPOINTS_CONTROLLER), Rule::MirrorLeftBehind);
        let type_ = service.and_then(|service| service.spec.as_ref()?.type_.as_deref());
        self.count_if(type_ == Some("ExternalName"), Rule::MirrorExternal);
        let reserved = [SERVICE_NAME, SLICE_MANAGED_BY]
            .into_iter()
            .any(|key| labels.contains_key(key));
        self.count_if(reserved, Rule::MirrorReserved);
        let not_copied = [TRIGGER_TIME, LAST_APPLIED];
        self.count_if(
            not_copied.iter().any(|key| annotations.contains_key(*key)),
            Rule::MirrorNotCopied,
        );
        self.count_if(desired.skipped > 0, Rule::MirrorTooMany);
        let filled = desired
            .groups
            .iter()
            .filter(|(_, group)| !group.endpoints.is_empty());
        let families: BTreeSet<_> = filled
            .clone()
            .map(|(key, _)| (&key.ports, key.address_type))
            .collect();
        let ports: BTreeSet<_> = filled.clone().map(|(key, _)| &key.ports).collect();
        self.count_if(families.len() > ports.len(), Rule::MirrorFamilies);
        self.count_if(ports.iter().any(|ports| ports.is_empty()), Rule::MirrorNoPorts);
        self.count_if(ports.is_empty(), Rule::MirrorNothing);
        for endpoint in filled.flat_map(|(_, group)| group.endpoints.values()) {
            let ready = endpoint
                .conditions
                .as_ref()
                .and_then(|conditions| conditions.ready);
            self.count(if ready == Some(true) {
                Rule::MirrorReady
            } else {
                Rule::MirrorNotReady
            });
            let kind = endpoint.target_ref.as_ref().map(|target| target.kind.as_deref());
            self.count_if(kind.is_some_and(|kind| kind != Some("Pod")), Rule::MirrorTarget);
            self.count_if(endpoint.hostname.is_some(), Rule::MirrorHostname);
            self.count_if(endpoint.node_name.is_some(), Rule::MirrorNode);
        }
        self.subsets(endpoints);
    }

    fn subsets(&mut self, endpoints: &Endpoints) {
        let subsets = endpoints.subsets.clone().unwrap_or_default();
        let ips = |list: &Option<Vec<EndpointAddress>>| -> BTreeSet<String> {
            list.iter().flatten().map(|address| address.ip.clone()).collect()
        };
        let mut seen: BTreeSet<String> = BTreeSet::new();
        for subset in &subsets {
            let (ready, not_ready) = (ips(&subset.addresses), ips(&subset.not_ready_addresses));
            self.count_if(!ready.is_disjoint(&not_ready), Rule::MirrorTwice);
            self.count_if(
                ready.union(&not_ready).any(|ip| ip.starts_with("::ffff:")),
                Rule::MirrorMapped,
            );
            let mut ports = subset.ports.clone().unwrap_or_default();
            ports.sort_by_key(|port| port.name.clone());
            let with_protocol = ports.iter().any(|port| port.app_protocol.is_some());
            if !seen.insert(format!("{ports:?}")) {
                self.count(if with_protocol {
                    Rule::MirrorApart
                } else {
                    Rule::MirrorMerged
                });
            }
        }
    }

    /// Endpoints that are not mirrored, at one revision.
    pub(crate) fn not_mirrored(&mut self, endpoints: &Endpoints, service: Option<&Service>) {
        let labels = endpoints.metadata.labels.clone().unwrap_or_default();
        let annotations = endpoints.metadata.annotations.clone().unwrap_or_default();
        if is_mirrored(endpoints) {
            self.count_if(service.is_none(), Rule::MirrorNoService);
            self.count_if(
                service.is_some_and(|service| !allows_mirroring(service)),
                Rule::MirrorSelector,
            );
        }
        self.count_if(
            labels.get(SKIP_MIRROR).is_some_and(|value| value == "true"),
            Rule::MirrorSkipped,
        );
        self.count_if(annotations.contains_key(LEADER), Rule::MirrorLeader);
    }

    /// A write of the controller; the Endpoints where they are mirrored.
    pub(crate) fn mirrored(
        &mut self,
        old: Option<&EndpointSlice>,
        new: &EndpointSlice,
        deleted: bool,
        endpoints: Option<&Endpoints>,
    ) {
        if deleted {
            self.count(if endpoints.is_some() {
                Rule::MirrorDeleted
            } else {
                Rule::MirrorCleaned
            });
            return;
        }
        let owners = |slice: &EndpointSlice| -> BTreeSet<String> {
            let owners = slice.metadata.owner_references.iter().flatten();
            owners.map(|owner| owner.uid.clone()).collect()
        };
        match old {
            None => self.count(Rule::MirrorCreated),
            Some(old) => {
                let ports = |slice: &EndpointSlice| -> BTreeSet<String> {
                    slice
                        .ports
                        .iter()
                        .flatten()
                        .map(|port| format!("{port:?}"))
                        .collect()
                };
                let recycled = ports(old) != ports(new);
                self.count(if recycled {
                    Rule::MirrorRecycled
                } else {
                    Rule::MirrorUpdated
                });
                self.count_if(
                    !owners(old).is_empty() && owners(old) != owners(new),
                    Rule::MirrorOwner,
                );
            }
        }
        let own = [SERVICE_NAME, SLICE_MANAGED_BY];
        let mut labels = new.metadata.labels.iter().flatten();
        self.count_if(
            labels.any(|(key, _)| !own.contains(&key.as_str())),
            Rule::MirrorLabels,
        );
        let annotations = new.metadata.annotations.as_ref();
        self.count_if(
            annotations.is_some_and(|all| !all.is_empty()),
            Rule::MirrorAnnotations,
        );
    }
}
