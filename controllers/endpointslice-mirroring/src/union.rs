//! What all slices together publish: an address that stays is not to be missing from it at any moment.

use std::collections::HashMap;

use quaymaster_model::{EndpointAddress, EndpointRecord};

/// How far an address is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    NotReady,
    Ready,
}

impl Level {
    /// A condition that is not known counts as ready (`k8s.io/api/discovery/v1`, `EndpointConditions`).
    pub(crate) fn of(endpoint: &EndpointRecord) -> Self {
        if endpoint.conditions.ready == Some(false) {
            Self::NotReady
        } else {
            Self::Ready
        }
    }
}

/// The highest level of each address.
pub(crate) type Levels<'a> = HashMap<&'a EndpointAddress, Level>;

fn raise<'a>(levels: &mut Levels<'a>, address: &'a EndpointAddress, level: Level) {
    let held = levels.entry(address).or_insert(level);
    *held = level.max(*held);
}

/// The levels of the addresses of these endpoints.
pub(crate) fn levels(endpoints: &[EndpointRecord]) -> Levels<'_> {
    let mut levels = Levels::new();
    for endpoint in endpoints {
        for address in &endpoint.addresses {
            raise(&mut levels, address, Level::of(endpoint));
        }
    }
    levels
}

/// What is to be published in the end, and what of it is stored where it is to stay.
#[derive(Debug, Default)]
pub(crate) struct Union<'a> {
    wanted: Levels<'a>,
    secured: Levels<'a>,
}

impl<'a> Union<'a> {
    /// A slice is to hold, or become, `desired`.
    pub(crate) fn want(&mut self, desired: &'a [EndpointRecord]) {
        for endpoint in desired {
            for address in &endpoint.addresses {
                raise(&mut self.wanted, address, Level::of(endpoint));
            }
        }
    }

    /// A slice that is to hold `desired` holds `observed`.
    pub(crate) fn secure(&mut self, observed: &'a [EndpointRecord], desired: &[EndpointRecord]) {
        let desired = levels(desired);
        for endpoint in observed {
            for address in &endpoint.addresses {
                if let Some(level) = desired.get(address) {
                    raise(&mut self.secured, address, Level::of(endpoint).min(*level));
                }
            }
        }
    }

    /// The level at which these addresses have to stay in a slice that they are to leave, since nothing that stays
    /// publishes them as far yet; none where they may go.
    pub(crate) fn holds(&self, endpoint: &EndpointRecord) -> Option<Level> {
        let of = |address: &EndpointAddress| {
            let level = Level::of(endpoint).min(*self.wanted.get(address)?);
            (self.secured.get(address) < Some(&level)).then_some(level)
        };
        endpoint.addresses.iter().filter_map(of).max()
    }
}

#[cfg(test)]
mod tests;
