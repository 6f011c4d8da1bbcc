//! Slices that the apiserver stored otherwise than they were sent, as a mutating admission policy makes it do.

use std::sync::Arc;

use quaymaster_model::write::SliceDraft;
use quaymaster_model::{Interned, PortSet, SliceRecord};

/// Such a slice. It counts as it was sent while it is as it was stored, since sending the same again would be in vain.
#[derive(Debug)]
pub(crate) struct Altered {
    pub(crate) sent: SliceDraft,
    pub(crate) stored: Arc<SliceRecord>,
}

impl Altered {
    /// The slice as it counts, in the version observed; none where somebody has changed it since.
    pub(crate) fn believed(&self, observed: &SliceRecord) -> Option<Arc<SliceRecord>> {
        let SliceRecord {
            key: _,
            uid,
            resource_version: _,
            labels,
            annotations,
            owners,
            finalizers: _,
            terminating: _,
            address_type: _,
            ports,
            endpoints,
            unknown: _,
        } = &*self.stored;
        let unchanged = *uid == observed.uid
            && *labels == observed.labels
            && *annotations == observed.annotations
            && *owners == observed.owners
            && *ports == observed.ports
            && *endpoints == observed.endpoints;
        unchanged.then(|| {
            Arc::new(SliceRecord {
                labels: Interned::from_value(self.sent.labels.clone()),
                annotations: self.sent.annotations.clone(),
                owners: self.sent.owners.iter().cloned().collect(),
                ports: Interned::from_value(PortSet::new(self.sent.ports.iter().cloned())),
                endpoints: self.sent.endpoints.to_vec(),
                ..observed.clone()
            })
        })
    }
}

/// Whether a slice is stored as it was sent, as far as that is looked at.
pub(crate) fn is_as_sent(stored: &SliceRecord, sent: &SliceDraft) -> bool {
    *stored.labels == sent.labels
        && stored.annotations == sent.annotations
        && stored.owners.as_slice() == sent.owners.as_slice()
        && *stored.ports == PortSet::new(sent.ports.iter().cloned())
        && stored.endpoints == *sent.endpoints
}
