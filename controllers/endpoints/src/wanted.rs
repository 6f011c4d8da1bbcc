//! What the Endpoints of a Service are to be, and whether those that are stored are that.

use std::collections::HashMap;

use quaymaster_membership::backing;
use quaymaster_model::rules::PortOrder;
use quaymaster_model::{
    ClusterAddress, EndpointAddress, EndpointsRecord, LabelSet, PodRecord, ServiceRecord, Subset,
    SubsetAddress, SubsetPort, Text, names,
};
use quaymaster_subsets as subsets;
use smallvec::SmallVec;

/// What the Endpoints of a Service are to be, as far as it is not kept from what is stored.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) labels: LabelSet,
    /// In the order in which they are written, cut to [`subsets::MOST_ADDRESSES`].
    pub(crate) subsets: Vec<Subset>,
    /// Addresses were left out.
    pub(crate) truncated: bool,
    digest: u128,
}

/// What is compared of Endpoints: two that look the same have the same addresses, labels and mark of having been cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Look {
    digest: u128,
    labels: LabelSet,
    over_capacity: Option<Text>,
}

/// The number that each port of a Service has on a Pod.
type Numbers = SmallVec<[Option<i32>; 4]>;

impl Wanted {
    /// The cost follows the number of Pods, which are those that the Service selects.
    pub(crate) fn of<'a>(
        service: &ServiceRecord,
        pods: impl Iterator<Item = &'a PodRecord>,
        order: PortOrder,
    ) -> Self {
        let mut subsets = subsets::pack(&of_pods(service, pods), order);
        let truncated = subsets::truncate(&mut subsets);
        Self {
            labels: labels(service),
            // After the cut, which may have made the addresses of two subsets the same.
            digest: subsets::digest(&subsets),
            subsets,
            truncated,
        }
    }

    /// Whether these Endpoints of the Service need no write. How the content is said does not count, nor which Endpoints
    /// carry the label of headless Services: upstream does not look at that either.
    pub(crate) fn is_stored(&self, service: &ServiceRecord, stored: &EndpointsRecord) -> bool {
        stored.digest == self.digest
            && stored.is_managed()
            && own(&stored.labels).eq(own(&service.labels))
            && stored.annotation(names::ANNOTATION_OVER_CAPACITY) == self.over_capacity().as_ref()
    }

    /// How Endpoints look that are stored as this says.
    pub(crate) fn look(&self) -> Look {
        Look {
            digest: self.digest,
            labels: self.labels.clone(),
            over_capacity: self.over_capacity(),
        }
    }

    /// The value of the annotation that says so where addresses were left out.
    pub(crate) fn over_capacity(&self) -> Option<Text> {
        self.truncated.then(|| Text::new(names::OVER_CAPACITY_TRUNCATED))
    }
}

impl Look {
    pub(crate) fn of(stored: &EndpointsRecord) -> Self {
        Self {
            digest: stored.digest,
            labels: LabelSet::clone(&stored.labels),
            over_capacity: stored.annotation(names::ANNOTATION_OVER_CAPACITY).cloned(),
        }
    }
}

/// The labels that Endpoints of this Service are to have: the Service's own, and those two that the controller alone sets.
fn labels(service: &ServiceRecord) -> LabelSet {
    let own = own(&service.labels).map(|(key, value)| (key.clone(), value.clone()));
    let headless = service
        .without_cluster_ip()
        .then(|| (Text::new(names::LABEL_HEADLESS), Text::new("")));
    let manager = (
        Text::new(names::LABEL_ENDPOINTS_MANAGED_BY),
        Text::new(names::MANAGER_ENDPOINTS),
    );
    LabelSet::new(own.chain(headless).chain([manager]))
}

/// Labels that come from the Service. It may carry the other two as well, which do not count then.
fn own(labels: &LabelSet) -> impl Iterator<Item = (&Text, &Text)> {
    let reserved = [names::LABEL_HEADLESS, names::LABEL_ENDPOINTS_MANAGED_BY];
    labels
        .iter()
        .filter(move |(key, _)| !reserved.contains(&key.as_str()))
}

/// What Pods say, with those together that have the same ports.
fn of_pods<'a>(service: &ServiceRecord, pods: impl Iterator<Item = &'a PodRecord>) -> Vec<Subset> {
    let portless = service.ports.is_empty() && service.cluster_ip == ClusterAddress::None;
    let mut by_ports: HashMap<Numbers, Subset> = HashMap::new();
    for pod in pods.filter(|pod| backing::backs(pod, service.publish_not_ready)) {
        let Some(address) = address(service, pod) else {
            continue;
        };
        let numbers: Numbers = service
            .ports
            .iter()
            .map(|port| backing::port_number(port, pod))
            .collect();
        if numbers.iter().all(Option::is_none) && !portless {
            continue;
        }
        let subset = by_ports.entry(numbers).or_insert_with_key(|numbers| Subset {
            ports: ports(service, numbers),
            ..Subset::default()
        });
        if service.publish_not_ready || pod.flags.ready {
            subset.ready.push(address);
        } else {
            subset.not_ready.push(address);
        }
    }
    by_ports.into_values().collect()
}

/// The address of a Pod, if it has one of the Service's primary family.
fn address(service: &ServiceRecord, pod: &PodRecord) -> Option<SubsetAddress> {
    Some(SubsetAddress {
        ip: EndpointAddress::Ip(backing::primary_address(service, pod)?),
        hostname: backing::hostname(service, pod).cloned(),
        node: pod.node.clone(),
        target: Some(Box::new(backing::target(pod))),
    })
}

fn ports(service: &ServiceRecord, numbers: &Numbers) -> Vec<SubsetPort> {
    let ports = service.ports.iter().zip(numbers);
    ports
        .filter_map(|(port, number)| {
            Some(SubsetPort {
                name: port.name.clone(),
                port: (*number)?,
                protocol: port.protocol.clone(),
                app_protocol: port.app_protocol.clone(),
            })
        })
        .collect()
}
