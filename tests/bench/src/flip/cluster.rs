//! What the cluster is made of.

use std::ops::Range;

use crate::pods;

/// Namespaces that Services are spread over.
const NAMESPACES: usize = 20;
/// Nodes that Pods are spread over.
pub(crate) const NODES: usize = 100;
/// The large Service has one Pod of this many: 5,000 of 20,000.
const LARGE_SHARE: usize = 4;
/// Pods of a Service that fills one slice. Its slices are as long as those of the large one.
const FULL_SLICE: usize = 100;
/// Services whose Pods are flipped for the small figure, and the number of their Pods.
const SMALL: (usize, usize) = (10, 20);
/// Services without selector, whose Endpoints somebody keeps by hand, and the number of their addresses.
const CUSTOM: (usize, usize) = (10, 20);

/// One Service with its Pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Backed {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// Numbers of its Pods; unique in the cluster.
    pub(crate) pods: Range<usize>,
    /// It has no selector, and the numbers are of addresses in Endpoints that are kept by hand.
    pub(crate) custom: bool,
}

impl Backed {
    pub(crate) fn pod_name(&self, number: usize) -> String {
        format!("{}-7d4b9c6f58-{number:05}", self.name)
    }
}

/// Services whose flips are compared with those of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    /// Pods of each of its Services.
    pub(crate) size: usize,
    /// Places in [`Layout::services`].
    pub(crate) services: Range<usize>,
}

/// All Services and Pods.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// All controllers of the family run, not that of slices alone.
    pub(crate) family: bool,
    pub(crate) namespaces: Vec<String>,
    pub(crate) services: Vec<Backed>,
    /// From small to large, then those whose Endpoints are mirrored, if there are any.
    pub(crate) groups: Vec<Group>,
}

impl Layout {
    /// Spreads `pods` over `services`: one Service with a quarter of them, one with a full slice, ten with 20, and the
    /// rest evenly. None if that cannot be done with such numbers.
    ///
    /// Beyond those there are ten Services without selector for the whole `family` of controllers.
    pub(crate) fn new(pods: usize, services: usize, family: bool) -> Option<Self> {
        let large = pods / LARGE_SHARE;
        let (small, small_size) = SMALL;
        let others = services.checked_sub(small + 2)?;
        let left = pods.checked_sub(large + FULL_SLICE + small * small_size)?;
        if others == 0 || left < others || large <= FULL_SLICE {
            return None;
        }
        let (custom, custom_size) = if family { CUSTOM } else { (0, 0) };
        let sizes = std::iter::repeat_n(small_size, small)
            .chain([FULL_SLICE, large])
            .chain((0..others).map(|at| left / others + usize::from(at < left % others)))
            .chain(std::iter::repeat_n(custom_size, custom));
        let mut next = 0;
        let all = sizes
            .enumerate()
            .map(|(at, size)| {
                let begin = next;
                next += size;
                Backed {
                    namespace: namespace(at % NAMESPACES),
                    name: format!("service-{at:04}"),
                    pods: begin..next,
                    custom: at >= services,
                }
            })
            .collect();
        let group = |size, services| Group { size, services };
        Some(Self {
            family,
            namespaces: (0..NAMESPACES).map(namespace).collect(),
            services: all,
            groups: [
                group(small_size, 0..small),
                group(FULL_SLICE, small..small + 1),
                group(large, small + 1..small + 2),
                group(custom_size, services..services + custom),
            ]
            .into_iter()
            .filter(|group| !group.services.is_empty())
            .collect(),
        })
    }

    pub(crate) fn pods(&self) -> usize {
        let selecting = self.services.iter().rfind(|service| !service.custom);
        selecting.map_or(0, |last| last.pods.end)
    }

    /// All Pods of a group with their Services.
    pub(crate) fn pods_of(&self, group: &Group) -> Vec<(&Backed, usize)> {
        self.services[group.services.clone()]
            .iter()
            .flat_map(|service| service.pods.clone().map(move |number| (service, number)))
            .collect()
    }
}

pub(crate) fn node(number: usize) -> String {
    format!("node-{:03}", number % NODES)
}

pub(crate) fn address(number: usize) -> String {
    pods::address(number)
}

fn namespace(number: usize) -> String {
    format!("team-{number:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pod_has_one_service_and_the_groups_have_their_sizes() {
        let layout = Layout::new(20_000, 1_000, true).unwrap();
        assert_eq!((layout.services.len(), layout.pods()), (1_010, 20_000));
        let mut next = 0;
        for service in &layout.services {
            assert_eq!(service.pods.start, next);
            next = service.pods.end;
            assert!(!service.pods.is_empty());
        }
        let sizes = |layout: &Layout| layout.groups.iter().map(|group| group.size).collect::<Vec<_>>();
        assert_eq!(sizes(&layout), [20, 100, 5_000, 20]);
        for group in &layout.groups {
            let pods = layout.pods_of(group).len();
            assert_eq!(pods, group.size * group.services.len());
        }
        let custom = |layout: &Layout| layout.services.iter().filter(|service| service.custom).count();
        assert_eq!(custom(&layout), 10);
        let last = layout.groups.last().unwrap();
        assert!(
            layout.services[last.services.clone()]
                .iter()
                .all(|service| service.custom)
        );
        assert!(Layout::new(100, 1_000, false).is_none());
        let layout = Layout::new(20_000, 1_000, false).unwrap();
        assert_eq!((sizes(&layout), custom(&layout)), (vec![20, 100, 5_000], 0));
    }
}
