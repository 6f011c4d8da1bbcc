//! What mirrored slices have beside ports and endpoints (kubernetes/kubernetes
//! `pkg/controller/endpointslicemirroring/utils.go`, `newEndpointSlice`; `reconciler.go`, `reconcileByPortMapping`).

use quaymaster_model::{EndpointsRecord, LabelSet, OwnerRef, SliceRecord, Text, names};

/// Annotations of Endpoints that slices do not have.
const NOT_COPIED: [&str; 2] = [names::ANNOTATION_TRIGGER_TIME, names::ANNOTATION_LAST_APPLIED];

/// The metadata of all slices of one Endpoints object.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// Those of the Endpoints, and which Service and manager the slice is of, whatever the Endpoints say of that.
    pub(crate) labels: LabelSet,
    /// Those of the Endpoints but for two, sorted by key.
    pub(crate) annotations: Vec<(Text, Text)>,
    /// The Endpoints.
    pub(crate) owner: OwnerRef,
}

impl Wanted {
    pub(crate) fn of(endpoints: &EndpointsRecord) -> Self {
        let copied = endpoints
            .labels
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()));
        let own = [
            (Text::new(names::LABEL_SERVICE_NAME), endpoints.key.name.clone()),
            (
                Text::new(names::LABEL_MANAGED_BY),
                Text::new(names::MANAGER_MIRRORING),
            ),
        ];
        let annotations = endpoints.annotations.iter();
        Self {
            labels: LabelSet::new(copied.chain(own)),
            annotations: annotations
                .filter(|(key, _)| !NOT_COPIED.contains(&key.as_str()))
                .cloned()
                .collect(),
            owner: OwnerRef::controller(
                "v1",
                "Endpoints",
                endpoints.key.name.clone(),
                endpoints.uid.clone(),
            ),
        }
    }

    /// Whether the metadata of a slice is right. Upstream lets a slice without any owner reference pass, too; the garbage
    /// collector would leave it where the Endpoints go while nobody mirrors.
    pub(crate) fn fits(&self, slice: &SliceRecord) -> bool {
        *slice.labels == self.labels
            && slice.annotations == self.annotations
            && slice.owners.iter().any(|owner| self.is_owner(owner))
            && !slice.owners.iter().any(|owner| self.is_predecessor(owner))
    }

    /// The owners of a slice that is written in place: the Endpoints and those that others named, unless they claim to be
    /// the controller, of which there is one only.
    pub(crate) fn owners(&self, slice: Option<&SliceRecord>) -> Vec<OwnerRef> {
        let others = slice.into_iter().flat_map(|slice| &slice.owners);
        let others = others.filter(|owner| {
            owner.controller != Some(true) && !self.is_owner(owner) && !self.is_predecessor(owner)
        });
        std::iter::once(&self.owner).chain(others).cloned().collect()
    }

    fn is_owner(&self, owner: &OwnerRef) -> bool {
        owner.uid == self.owner.uid
            && owner.kind == self.owner.kind
            && owner.api_version == self.owner.api_version
    }

    /// Earlier Endpoints of this name (kubernetes/kubernetes#125359, `needRebuildExistingSlices`).
    fn is_predecessor(&self, owner: &OwnerRef) -> bool {
        owner.kind == self.owner.kind && owner.name == self.owner.name && owner.uid != self.owner.uid
    }
}

#[cfg(test)]
mod tests;
