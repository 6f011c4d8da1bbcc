//! Changes by others to what a controller keeps of ServiceCIDRs.

use k8s_openapi::api::networking::v1::ServiceCIDR;

use crate::generate::Generator;
use crate::generate::step::{Action, Step, StepKind, listed_enum};
use crate::names;

listed_enum! {
    /// What is done to a ServiceCIDR.
    CidrEditKind {
        /// The finalizer is taken off.
        DropFinalizer,
        /// Another finalizer is put beside it, and taken off again by the next edit of this kind.
        OtherFinalizer,
        /// All conditions are taken off.
        DropConditions,
        /// The condition `Ready` says something else.
        OtherMessage,
        /// A label is added.
        Label,
    }
}

/// An edit of a ServiceCIDR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CidrEdit {
    /// Its name.
    pub name: String,
    /// What is done.
    pub kind: CidrEditKind,
}

impl CidrEdit {
    /// The object after the edit, with the resource version it was made from; `None` where nothing would change.
    pub fn edited(&self, cidr: &ServiceCIDR) -> Option<ServiceCIDR> {
        let mut edited = cidr.clone();
        let finalizers = edited.metadata.finalizers.get_or_insert_default();
        let conditions = edited
            .status
            .as_mut()
            .and_then(|status| status.conditions.as_mut());
        match self.kind {
            CidrEditKind::DropFinalizer => finalizers.retain(|one| one != names::SERVICE_CIDR_FINALIZER),
            CidrEditKind::OtherFinalizer => {
                let other = "example.com/hold".to_owned();
                let before = finalizers.len();
                finalizers.retain(|one| *one != other);
                // None can be added to what is being deleted.
                if finalizers.len() == before && cidr.metadata.deletion_timestamp.is_none() {
                    finalizers.push(other);
                }
            }
            CidrEditKind::DropConditions => conditions.into_iter().for_each(Vec::clear),
            CidrEditKind::OtherMessage => {
                for condition in conditions.into_iter().flatten() {
                    "somebody was here".clone_into(&mut condition.message);
                }
            }
            CidrEditKind::Label => {
                let labels = edited.metadata.labels.get_or_insert_default();
                labels.insert("team".to_owned(), "red".to_owned());
            }
        }
        (edited != *cidr).then_some(edited)
    }

    /// Whether it is an edit of the status.
    pub fn is_of_status(&self) -> bool {
        matches!(
            self.kind,
            CidrEditKind::DropConditions | CidrEditKind::OtherMessage
        )
    }
}

impl Generator {
    /// An edit of a ServiceCIDR that the scenario has.
    pub(in crate::generate) fn edit_cidr(&mut self) -> Option<Step> {
        let cidrs: Vec<String> = self
            .cluster
            .all::<ServiceCIDR>()
            .filter_map(|cidr| cidr.metadata.name.clone())
            .collect();
        let name = self.rng.pick_opt(&cidrs)?.clone();
        let kind = *self.rng.pick_opt(CidrEditKind::ALL)?;
        Some(Step {
            kind: StepKind::CidrEdited,
            action: Action::EditCidr(CidrEdit { name, kind }),
        })
    }
}
