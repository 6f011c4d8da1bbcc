//! Changes by others to slices that a controller keeps.

use k8s_openapi::api::discovery::v1::{Endpoint, EndpointHints, EndpointSlice, ForZone};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::generate::Generator;
use crate::generate::object::{Key, Object};
use crate::generate::rng::Rng;
use crate::generate::step::{Action, Step, StepKind, listed_enum};
use crate::names;
use crate::rules::reconcile::Write;

listed_enum! {
    /// What is done to a slice.
    SliceEditKind {
        /// An endpoint is taken out.
        DropEndpoint,
        /// All endpoints are taken out.
        DropAllEndpoints,
        /// An endpoint is listed twice in its slice.
        DuplicateEndpoint,
        /// An endpoint nobody wants is put in.
        StrayEndpoint,
        /// An endpoint's conditions are turned round.
        FlipConditions,
        /// An endpoint gets a hint for a zone that may not exist.
        ForeignHint,
        /// A label that is not the Service's is added.
        ForeignLabel,
        /// A label of the Service is taken off.
        DropLabel,
        /// The headless label is turned on or off, which upstream does not notice by itself.
        HeadlessLabel,
        /// An annotation of someone else, to be kept by updates in place.
        ForeignAnnotation,
        /// The owner reference is taken off, so that the slice counts as someone else's.
        DropOwner,
        /// The slice is deleted.
        Delete,
        /// A slice of another manager for the same Service appears.
        OtherManagersSlice,
        /// A copy of the slice appears beside it.
        Copy,
    }
}

/// An edit of one of the slices of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SliceEdit {
    /// Namespace of the Service.
    pub namespace: String,
    /// Name of the Service.
    pub service: String,
    /// What is done.
    pub kind: SliceEditKind,
    /// Decides which slice and which endpoint, and names what is new.
    pub pick: u64,
    /// Of whose slices it is one, by the value of the managed-by label.
    pub manager: &'static str,
}

impl SliceEdit {
    /// The write that performs this edit on the slices there are now, or `None` when no slice allows it. Updates
    /// carry the resource version they were made from.
    pub fn write(&self, slices: &[EndpointSlice]) -> Option<Write> {
        let mut rng = Rng::new(self.pick);
        if self.kind == SliceEditKind::OtherManagersSlice {
            return Some(Write::Create(self.other_managers_slice()));
        }
        let label = |slice: &EndpointSlice, key: &str| -> Option<String> {
            slice.metadata.labels.as_ref()?.get(key).cloned()
        };
        let candidates: Vec<&EndpointSlice> = slices
            .iter()
            .filter(|slice| {
                slice.metadata.namespace.as_deref() == Some(&self.namespace)
                    && label(slice, names::SERVICE_NAME).as_deref() == Some(&self.service)
                    && label(slice, names::SLICE_MANAGED_BY).as_deref() == Some(self.manager)
                    && slice.metadata.deletion_timestamp.is_none()
            })
            .collect();
        let slice = (*rng.pick_opt(&candidates)?).clone();
        if self.kind == SliceEditKind::Delete {
            return Some(Write::Delete(slice));
        }
        let mut edited = slice.clone();
        if self.kind == SliceEditKind::Copy {
            let metadata = &mut edited.metadata;
            metadata.name = Some(format!("{}-copy-{}", self.service, self.pick));
            metadata.uid = None;
            metadata.resource_version = None;
            metadata.generate_name = None;
            return Some(Write::Create(edited));
        }
        self.edit(&mut edited, &mut rng);
        (edited != slice).then_some(Write::Update(edited))
    }

    fn edit(&self, slice: &mut EndpointSlice, rng: &mut Rng) {
        let endpoints = slice.endpoints.get_or_insert_default();
        let index = rng.below(endpoints.len());
        let metadata = &mut slice.metadata;
        let labels = metadata.labels.get_or_insert_default();
        match self.kind {
            SliceEditKind::DropEndpoint if !endpoints.is_empty() => _ = endpoints.remove(index),
            SliceEditKind::DropAllEndpoints => endpoints.clear(),
            SliceEditKind::DuplicateEndpoint => endpoints.extend(endpoints.get(index).cloned()),
            SliceEditKind::StrayEndpoint => {
                endpoints.push(stray_endpoint(&slice.address_type, self.pick));
            }
            SliceEditKind::FlipConditions => {
                if let Some(conditions) = endpoints
                    .get_mut(index)
                    .and_then(|endpoint| endpoint.conditions.as_mut())
                {
                    conditions.ready = conditions.ready.map(|ready| !ready);
                    conditions.serving = conditions.serving.map(|serving| !serving);
                }
            }
            SliceEditKind::ForeignHint => {
                if let Some(endpoint) = endpoints.get_mut(index) {
                    let for_zones = Some(vec![ForZone {
                        name: "zone-of-nobody".to_owned(),
                    }]);
                    endpoint.hints = Some(EndpointHints {
                        for_nodes: None,
                        for_zones,
                    });
                }
            }
            SliceEditKind::ForeignLabel => {
                labels.insert("example.com/foreign".to_owned(), "yes".to_owned());
            }
            SliceEditKind::DropLabel => {
                let own: Vec<String> = labels
                    .keys()
                    .filter(|key| !names::is_reserved_on_slices(key))
                    .cloned()
                    .collect();
                if let Some(key) = rng.pick_opt(&own) {
                    labels.remove(key);
                }
            }
            SliceEditKind::HeadlessLabel => {
                if labels.remove(names::HEADLESS).is_none() {
                    labels.insert(names::HEADLESS.to_owned(), String::new());
                }
            }
            SliceEditKind::ForeignAnnotation => {
                let annotations = metadata.annotations.get_or_insert_default();
                annotations.insert(format!("{}note", names::EDITS), self.pick.to_string());
            }
            SliceEditKind::DropOwner => metadata.owner_references = None,
            SliceEditKind::DropEndpoint
            | SliceEditKind::Delete
            | SliceEditKind::OtherManagersSlice
            | SliceEditKind::Copy => {}
        }
    }

    fn other_managers_slice(&self) -> EndpointSlice {
        let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        EndpointSlice {
            address_type: "IPv4".to_owned(),
            endpoints: Some(vec![stray_endpoint("IPv4", self.pick)]),
            metadata: ObjectMeta {
                name: Some(format!("{}-other-{}", self.service, self.pick)),
                namespace: Some(self.namespace.clone()),
                labels: Some(
                    [
                        label(names::SERVICE_NAME, &self.service),
                        label(names::SLICE_MANAGED_BY, "other.example.com"),
                    ]
                    .into(),
                ),
                ..ObjectMeta::default()
            },
            ports: None,
        }
    }
}

fn stray_endpoint(address_type: &str, pick: u64) -> Endpoint {
    let byte = pick % 250 + 1;
    let address = if address_type == "IPv6" {
        format!("fd00:99::{byte:x}")
    } else {
        format!("10.99.0.{byte}")
    };
    Endpoint {
        addresses: vec![address],
        ..Endpoint::default()
    }
}

impl Generator {
    pub(super) fn edit_slice(&mut self) -> Option<Step> {
        let key = Object::from(self.any_service()?).key();
        self.slice_edit(key, StepKind::SliceEdited, names::SLICE_CONTROLLER, |kind| {
            kind != SliceEditKind::Copy
        })
    }

    /// Hints are nobody's business there, and a slice of another manager is no mirrored one.
    pub(super) fn edit_mirrored_slice(&mut self) -> Option<Step> {
        const NOT: [SliceEditKind; 2] = [SliceEditKind::ForeignHint, SliceEditKind::OtherManagersSlice];
        let services = self.without_selector();
        let key = self.rng.pick_opt(&services)?.clone();
        let kind = StepKind::MirroredSliceEdited;
        self.slice_edit(key, kind, names::MIRRORING_CONTROLLER, |kind| {
            !NOT.contains(&kind)
        })
    }

    fn slice_edit(
        &mut self,
        service: Key,
        kind: StepKind,
        manager: &'static str,
        may: impl Fn(SliceEditKind) -> bool,
    ) -> Option<Step> {
        let kinds: Vec<SliceEditKind> = SliceEditKind::ALL
            .iter()
            .copied()
            .filter(|kind| may(*kind))
            .collect();
        let edit = SliceEdit {
            namespace: service.namespace,
            service: service.name,
            kind: *self.rng.pick_opt(&kinds)?,
            pick: self.rng.next_u64() >> 32,
            manager,
        };
        Some(Step {
            kind,
            action: Action::EditSlice(edit),
        })
    }
}
