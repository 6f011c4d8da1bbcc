//! Rules of the Endpoints controller.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{EndpointAddress, EndpointSubset, Endpoints, Pod, Service};
use quaymaster_oracle::endpoints::Desired;
use quaymaster_oracle::names::{
    ENDPOINTS_CONTROLLER, ENDPOINTS_MANAGED_BY, HEADLESS, OVER_CAPACITY, TRIGGER_TIME,
};

use super::{Coverage, Rule};

impl Coverage {
    /// What should be, at one revision. `pods` are those that the Service selects; `unknown_node` says whether an address is on a
    /// node that does not exist.
    pub(crate) fn desired_endpoints(
        &mut self,
        service: &Service,
        pods: &[&Pod],
        desired: &Desired,
        unknown_node: bool,
    ) {
        self.count_if(unknown_node, Rule::EndpointsUnknownNode);
        let spec = service.spec.clone().unwrap_or_default();
        let publish = spec.publish_not_ready_addresses == Some(true);
        let dual = spec
            .ip_families
            .as_ref()
            .is_some_and(|families| families.len() > 1);
        let published: BTreeSet<&str> = addresses(&desired.subsets)
            .filter_map(|address| address.target_ref.as_ref()?.name.as_deref())
            .collect();
        for pod in pods {
            let status = pod.status.clone().unwrap_or_default();
            let families: BTreeSet<bool> = status
                .pod_ips
                .iter()
                .flatten()
                .map(|address| address.ip.contains(':'))
                .collect();
            let finished = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
            if families.is_empty() || finished {
                continue;
            }
            let primary = spec
                .ip_families
                .iter()
                .flatten()
                .next()
                .map(|family| family == "IPv6");
            let is_published = pod
                .metadata
                .name
                .as_deref()
                .is_some_and(|name| published.contains(name));
            let lacks_family = primary.is_some_and(|primary| !families.contains(&primary));
            let terminating = pod.metadata.deletion_timestamp.is_some();
            self.count_if(lacks_family, Rule::EndpointsOtherFamily);
            self.count_if(
                dual && families.len() > 1 && is_published,
                Rule::EndpointsSecondFamily,
            );
            self.count_if(
                terminating && !publish && !is_published,
                Rule::EndpointsTerminating,
            );
            self.count_if(terminating && publish && is_published, Rule::EndpointsPublished);
            let without_reason = !is_published && !lacks_family && (!terminating || publish);
            self.count_if(without_reason && !desired.truncated, Rule::EndpointsUnresolved);
        }
        let subsets = &desired.subsets;
        self.count_if(subsets.len() > 1, Rule::EndpointsSubsets);
        let ports = |subset: &EndpointSubset| subset.ports.as_ref().map_or(0, Vec::len);
        self.count_if(
            subsets.iter().any(|subset| ports(subset) > 1),
            Rule::EndpointsShared,
        );
        self.count_if(
            subsets.iter().any(|subset| ports(subset) == 0),
            Rule::EndpointsNoPorts,
        );
        let mut times: BTreeMap<&str, usize> = BTreeMap::new();
        for address in addresses(subsets) {
            *times.entry(&address.ip).or_default() += 1;
        }
        self.count_if(times.values().any(|times| *times > 1), Rule::EndpointsTwoSubsets);
        let ready = count(subsets, |subset| &subset.addresses);
        let not_ready = count(subsets, |subset| &subset.not_ready_addresses);
        self.count_if(ready > 0, Rule::EndpointsReady);
        self.count_if(not_ready > 0, Rule::EndpointsNotReady);
        self.count_if(
            addresses(subsets).any(|address| address.hostname.is_some()),
            Rule::EndpointsHostname,
        );
        // All ready ones are left, or none of the others.
        self.count_if(desired.truncated && not_ready > 0, Rule::EndpointsNotReadyCut);
        self.count_if(desired.truncated && not_ready == 0, Rule::EndpointsReadyCut);
        let labels = service.metadata.labels.clone().unwrap_or_default();
        let reserved = [HEADLESS, ENDPOINTS_MANAGED_BY]
            .into_iter()
            .any(|key| labels.contains_key(key));
        self.count_if(reserved, Rule::EndpointsReserved);
    }

    /// A write of the controller.
    pub(crate) fn endpoints(
        &mut self,
        old: Option<&Endpoints>,
        new: &Endpoints,
        deleted: bool,
        service: Option<&Service>,
    ) {
        if deleted {
            self.count_if(service.is_none(), Rule::EndpointsSwept);
            return;
        }
        let annotations = |endpoints: &Endpoints| endpoints.metadata.annotations.clone().unwrap_or_default();
        let labels = |endpoints: &Endpoints| endpoints.metadata.labels.clone().unwrap_or_default();
        let (has, is) = (annotations(new), labels(new));
        match old {
            None => self.count(Rule::EndpointsCreated),
            Some(old) => {
                self.count(Rule::EndpointsUpdated);
                let had = annotations(old);
                self.count_if(!has.contains_key(TRIGGER_TIME), Rule::EndpointsNoTrigger);
                let fits = had.contains_key(OVER_CAPACITY) && !has.contains_key(OVER_CAPACITY);
                self.count_if(fits, Rule::EndpointsFitAgain);
                let own = [TRIGGER_TIME, OVER_CAPACITY];
                let mut others = has.keys().filter(|key| !own.contains(&key.as_str()));
                self.count_if(
                    others.any(|key| had.contains_key(key)),
                    Rule::EndpointsAnnotations,
                );
                let was = labels(old);
                let manager = was.get(ENDPOINTS_MANAGED_BY).map(String::as_str);
                self.count_if(manager != Some(ENDPOINTS_CONTROLLER), Rule::EndpointsTakenOver);
                let of_service = service
                    .and_then(|service| service.metadata.labels.clone())
                    .unwrap_or_default();
                let own = [HEADLESS, ENDPOINTS_MANAGED_BY];
                let mut foreign = was
                    .keys()
                    .filter(|key| !own.contains(&key.as_str()) && !of_service.contains_key(*key));
                self.count_if(foreign.any(|key| !is.contains_key(key)), Rule::EndpointsRepaired);
            }
        }
        self.count_if(
            new.subsets.as_ref().is_none_or(Vec::is_empty),
            Rule::EndpointsEmpty,
        );
        self.count_if(has.contains_key(TRIGGER_TIME), Rule::EndpointsTrigger);
        self.count_if(is.contains_key(HEADLESS), Rule::EndpointsHeadless);
        let own = [HEADLESS, ENDPOINTS_MANAGED_BY];
        self.count_if(
            is.keys().any(|key| !own.contains(&key.as_str())),
            Rule::EndpointsLabels,
        );
    }
}

fn addresses(subsets: &[EndpointSubset]) -> impl Iterator<Item = &EndpointAddress> {
    subsets.iter().flat_map(|subset| {
        [&subset.addresses, &subset.not_ready_addresses]
            .into_iter()
            .flatten()
            .flatten()
    })
}

fn count(
    subsets: &[EndpointSubset],
    list: impl Fn(&EndpointSubset) -> &Option<Vec<EndpointAddress>>,
) -> usize {
    subsets
        .iter()
        .map(|subset| list(subset).as_ref().map_or(0, Vec::len))
        .sum()
}
