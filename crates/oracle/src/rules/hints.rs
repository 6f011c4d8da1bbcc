//! Hints by `spec.trafficDistribution`, and taking hints away (`trafficdist` and `topologycache/utils.go` in
//! `k8s.io/endpointslice`).

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointHints, EndpointSlice, ForNode, ForZone};

use crate::names;
use crate::rules::desired::Rules;
use crate::rules::minors::PREFER_SAME;
use crate::rules::slices::endpoints;

#[cfg(test)]
mod tests;

/// Slices of one address type on their way to being written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Planned {
    pub(crate) create: Vec<EndpointSlice>,
    pub(crate) update: Vec<EndpointSlice>,
    pub(crate) unchanged: Vec<EndpointSlice>,
}

impl Planned {
    /// Slices that will be written, creates first.
    pub(crate) fn written_mut(&mut self) -> impl Iterator<Item = &mut EndpointSlice> {
        self.create.iter_mut().chain(&mut self.update)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &EndpointSlice> {
        self.create.iter().chain(&self.update).chain(&self.unchanged)
    }

    /// Turns the unchanged slices for which `touched` is true into updates.
    pub(crate) fn touch(&mut self, mut touched: impl FnMut(&EndpointSlice) -> bool) {
        let (update, unchanged) = std::mem::take(&mut self.unchanged)
            .into_iter()
            .partition::<Vec<_>, _>(|slice| touched(slice));
        self.update.extend(update);
        self.unchanged = unchanged;
    }
}

/// Whether topology hints by annotation are on. The deprecated key wins, also with a value that is not `Auto`.
pub fn auto(service: &Service) -> bool {
    let Some(annotations) = &service.metadata.annotations else {
        return false;
    };
    let value = annotations
        .get(names::TOPOLOGY_HINTS)
        .or_else(|| annotations.get(names::TOPOLOGY_MODE));
    value.is_some_and(|value| value == "Auto" || value == "auto")
}

/// The `trafficDistribution` in use, if any: the annotation goes before it, unknown values are none.
pub(crate) fn traffic_distribution(service: &Service, rules: Rules) -> Option<&str> {
    let value = service.spec.as_ref()?.traffic_distribution.as_deref()?;
    let known = value == "PreferClose"
        || (rules.minor >= PREFER_SAME && (value == "PreferSameZone" || value == "PreferSameNode"));
    (known && !auto(service)).then_some(value)
}

/// Whether an endpoint is ready for hints: the condition is there, and true.
pub(crate) fn ready(endpoint: &Endpoint) -> bool {
    endpoint
        .conditions
        .as_ref()
        .and_then(|conditions| conditions.ready)
        == Some(true)
}

/// Hints of one zone.
pub(crate) fn for_zone(zone: &str) -> EndpointHints {
    EndpointHints {
        for_nodes: None,
        for_zones: Some(vec![ForZone {
            name: zone.to_owned(),
        }]),
    }
}

/// Hints a ready endpoint should have under a traffic distribution.
fn wanted(distribution: &str, endpoint: &Endpoint) -> Option<EndpointHints> {
    let for_zones = endpoint.zone.clone().map(|name| vec![ForZone { name }]);
    let for_nodes = endpoint
        .node_name
        .clone()
        .filter(|_| distribution == "PreferSameNode")
        .map(|name| vec![ForNode { name }]);
    (for_zones.is_some() || for_nodes.is_some()).then_some(EndpointHints { for_nodes, for_zones })
}

/// Gives a ready endpoint the hints the Service's traffic distribution wants; without one, leaves it alone.
pub(crate) fn set_wanted(service: &Service, endpoint: &mut Endpoint, rules: Rules) {
    if let Some(distribution) = traffic_distribution(service, rules)
        && ready(endpoint)
    {
        endpoint.hints = wanted(distribution, endpoint);
    }
}

/// Makes slices follow a traffic distribution. Unready endpoints keep what hints they have.
pub(crate) fn follow(planned: &mut Planned, distribution: &str) {
    // Absent hints and hints without entries are alike here.
    let entries = |hints: &Option<EndpointHints>| {
        let hints = hints.clone().unwrap_or_default();
        (
            hints.for_zones.unwrap_or_default(),
            hints.for_nodes.unwrap_or_default(),
        )
    };
    planned.touch(|slice| {
        endpoints(slice)
            .iter()
            .filter(|endpoint| ready(endpoint))
            .any(|endpoint| entries(&endpoint.hints) != entries(&wanted(distribution, endpoint)))
    });
    for slice in planned.written_mut() {
        for endpoint in slice
            .endpoints
            .iter_mut()
            .flatten()
            .filter(|endpoint| ready(endpoint))
        {
            endpoint.hints = wanted(distribution, endpoint);
        }
    }
}

/// Takes all hints away, also from slices that would otherwise not be written.
pub(crate) fn remove(planned: &mut Planned) {
    planned.touch(|slice| endpoints(slice).iter().any(|endpoint| endpoint.hints.is_some()));
    for slice in planned.written_mut() {
        for endpoint in slice.endpoints.iter_mut().flatten() {
            endpoint.hints = None;
        }
    }
}
