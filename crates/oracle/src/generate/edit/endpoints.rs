//! Changes by others to Endpoints that a controller keeps.

use k8s_openapi::api::core::v1::{EndpointAddress, EndpointSubset, Endpoints};

use crate::generate::Generator;
use crate::generate::object::{Key, Object};
use crate::generate::rng::Rng;
use crate::generate::step::{Action, Step, StepKind, listed_enum};
use crate::names;

listed_enum! {
    /// What is done to Endpoints.
    EndpointsEditKind {
        /// An address is taken out.
        DropAddress,
        /// An address nobody wants is put in.
        StrayAddress,
        /// A ready address is listed as not ready.
        Unready,
        /// All subsets are taken out.
        DropAllSubsets,
        /// A subset is cut in two, which says the same.
        SplitSubset,
        /// A label that is not the Service's is added.
        ForeignLabel,
        /// A label of the Service is taken off.
        DropLabel,
        /// The headless label is turned on or off, which upstream does not notice by itself.
        HeadlessLabel,
        /// The label that names the controller is taken off.
        DropManager,
        /// An annotation of someone else, to be kept.
        ForeignAnnotation,
        /// The annotation of Endpoints with too many addresses.
        OverCapacity,
        /// The object is deleted.
        Delete,
    }
}

/// An edit of the Endpoints of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointsEdit {
    /// Namespace of the Service.
    pub namespace: String,
    /// Name of the Service.
    pub service: String,
    /// What is done.
    pub kind: EndpointsEditKind,
    /// Decides which address, and names what is new.
    pub pick: u64,
}

/// A write of Endpoints.
#[derive(Clone, Debug, PartialEq)]
pub enum EndpointsWrite {
    /// PUT of this body, which carries the resource version it was made from.
    Update(Box<Endpoints>),
    /// DELETE.
    Delete,
}

impl EndpointsEdit {
    /// The write that performs this edit on Endpoints as they are now; `None` where they are not a controller's, or
    /// do not allow it.
    pub fn write(&self, endpoints: &Endpoints) -> Option<EndpointsWrite> {
        let labels = endpoints.metadata.labels.as_ref()?;
        let manager = labels.get(names::ENDPOINTS_MANAGED_BY)?;
        if manager != names::ENDPOINTS_CONTROLLER {
            return None;
        }
        if self.kind == EndpointsEditKind::Delete {
            return Some(EndpointsWrite::Delete);
        }
        let mut edited = endpoints.clone();
        self.edit(&mut edited, &mut Rng::new(self.pick));
        (edited != *endpoints).then(|| EndpointsWrite::Update(Box::new(edited)))
    }

    fn edit(&self, endpoints: &mut Endpoints, rng: &mut Rng) {
        let metadata = &mut endpoints.metadata;
        let labels = metadata.labels.get_or_insert_default();
        match self.kind {
            EndpointsEditKind::ForeignLabel => {
                labels.insert("example.com/foreign".to_owned(), "yes".to_owned());
            }
            EndpointsEditKind::DropLabel => {
                let own = [names::HEADLESS, names::ENDPOINTS_MANAGED_BY];
                let others: Vec<String> = labels
                    .keys()
                    .filter(|key| !own.contains(&key.as_str()))
                    .cloned()
                    .collect();
                if let Some(key) = rng.pick_opt(&others) {
                    labels.remove(key);
                }
            }
            EndpointsEditKind::HeadlessLabel => {
                if labels.remove(names::HEADLESS).is_none() {
                    labels.insert(names::HEADLESS.to_owned(), String::new());
                }
            }
            EndpointsEditKind::DropManager => _ = labels.remove(names::ENDPOINTS_MANAGED_BY),
            EndpointsEditKind::ForeignAnnotation => {
                let annotations = metadata.annotations.get_or_insert_default();
                annotations.insert(format!("{}note", names::EDITS), self.pick.to_string());
            }
            EndpointsEditKind::OverCapacity => {
                let annotations = metadata.annotations.get_or_insert_default();
                annotations.insert(names::OVER_CAPACITY.to_owned(), names::TRUNCATED.to_owned());
            }
            _ => self.edit_subsets(endpoints.subsets.get_or_insert_default(), rng),
        }
    }

    fn edit_subsets(&self, subsets: &mut Vec<EndpointSubset>, rng: &mut Rng) {
        if self.kind == EndpointsEditKind::DropAllSubsets {
            subsets.clear();
            return;
        }
        let index = rng.below(subsets.len());
        if subsets.is_empty() {
            return;
        }
        let subset = &mut subsets[index];
        let ready = subset.addresses.get_or_insert_default();
        match self.kind {
            // An empty subset would be refused.
            EndpointsEditKind::DropAddress if ready.len() > 1 => _ = ready.remove(rng.below(ready.len())),
            EndpointsEditKind::StrayAddress => ready.push(EndpointAddress {
                ip: format!("10.99.1.{}", self.pick % 250 + 1),
                ..EndpointAddress::default()
            }),
            EndpointsEditKind::Unready if !ready.is_empty() => {
                let address = ready.remove(rng.below(ready.len()));
                subset.not_ready_addresses.get_or_insert_default().push(address);
            }
            EndpointsEditKind::SplitSubset if ready.len() > 1 => {
                let rest = EndpointSubset {
                    addresses: Some(ready.split_off(1)),
                    not_ready_addresses: None,
                    ports: subset.ports.clone(),
                };
                subsets.push(rest);
            }
            _ => {}
        }
    }
}

impl Generator {
    pub(super) fn edit_endpoints(&mut self) -> Option<Step> {
        let key = Object::from(self.any_service()?).key();
        let kind = *self.rng.pick_opt(EndpointsEditKind::ALL)?;
        let pick = self.rng.next_u64() >> 32;
        let Key { namespace, name, .. } = key;
        Some(Step {
            kind: StepKind::EndpointsEdited,
            action: Action::EditEndpoints(EndpointsEdit {
                namespace,
                service: name,
                kind,
                pick,
            }),
        })
    }
}
