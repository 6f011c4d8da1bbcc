//! Which Services stand for which others by their external names.

use std::collections::{HashMap, HashSet};

use quaymaster_model::{ObjectKey, ServiceRecord};

use crate::checks::external_name;
use crate::domain::ClusterDomain;

/// By Service, those whose external names need it. Holds what points into the cluster alone.
#[derive(Debug)]
pub struct Targets {
    domain: ClusterDomain,
    sources: HashMap<ObjectKey, HashSet<ObjectKey>>,
}

impl Targets {
    /// Nobody points anywhere.
    pub fn new(domain: ClusterDomain) -> Self {
        Self {
            domain,
            sources: HashMap::new(),
        }
    }

    /// The domain that external names are looked up in.
    pub fn domain(&self) -> &ClusterDomain {
        &self.domain
    }

    fn of(&self, service: &ServiceRecord) -> Option<ObjectKey> {
        let target = self.domain.target(external_name(service)?);
        target.service().cloned()
    }

    /// A Service has changed.
    pub fn changed(&mut self, before: Option<&ServiceRecord>, after: Option<&ServiceRecord>) {
        if let Some(service) = before
            && let Some(target) = self.of(service)
            && let Some(sources) = self.sources.get_mut(&target)
        {
            sources.remove(&service.key);
            if sources.is_empty() {
                self.sources.remove(&target);
            }
        }
        if let Some(service) = after
            && let Some(target) = self.of(service)
        {
            self.sources
                .entry(target)
                .or_default()
                .insert(service.key.clone());
        }
    }

    /// All whose external names lead to this Service, whatever the number of steps, and not the Service itself.
    pub fn leading_to(&self, service: &ObjectKey) -> HashSet<&ObjectKey> {
        let mut found = HashSet::new();
        let mut next = vec![service];
        while let Some(at) = next.pop() {
            for source in self.sources.get(at).into_iter().flatten() {
                if source != service && found.insert(source) {
                    next.push(source);
                }
            }
        }
        found
    }
}
