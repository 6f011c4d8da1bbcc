//! What placement asks of its surroundings.

use std::time::Duration;

use quaymaster_model::{NodeRecord, PodRecord, ServiceRecord, Text, UpstreamRules};

use crate::topology::Zones;

/// The Pods of one Service and the Nodes they run on, as last read.
pub trait Cluster {
    /// All Pods that the Service's selector matches, in any order.
    fn members(&self) -> impl Iterator<Item = &PodRecord>;

    /// The Pod of this name, if the Service's selector matches it.
    fn member(&self, name: &Text) -> Option<&PodRecord>;

    /// The Node of this name.
    fn node(&self, name: &Text) -> Option<&NodeRecord>;

    /// Whether any EndpointSlice of this name, whoever manages it, exists in the Service's namespace.
    fn slice_exists(&self, name: &str) -> bool;

    /// CPU by zone, for topology hints by annotation.
    fn zones(&self) -> &Zones;
}

/// Settings of the process, the same for all Services.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Most endpoints that a slice is filled to, 1 to 1000 (`--max-endpoints-per-slice`).
    pub max_endpoints: usize,
    /// Rules of the apiserver's version.
    pub rules: UpstreamRules,
    /// Sparse slices of a Service are merged once its Pods have stood where they stand for this long (`--rebalance`,
    /// `--rebalance-quiet`). None: never, as upstream.
    pub rebalance_after: Option<Duration>,
}

/// What every decision about one Service is given.
#[derive(Debug)]
pub struct Context<'a, C> {
    /// The Service.
    pub service: &'a ServiceRecord,
    /// Its Pods and Nodes.
    pub cluster: &'a C,
    /// Settings of the process.
    pub settings: &'a Settings,
}

impl<C> Clone for Context<'_, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Context<'_, C> {}
