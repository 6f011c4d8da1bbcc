//! The apiserver, and others who write to it.

use std::sync::Arc;

use quaymaster_model::{Interned, LabelSet, OwnerRef, ResourceVersion, SliceRecord, Text, Uid, names};

use super::Sim;
use crate::tests::faults::event::Edit;
use crate::tests::fixture::{Stored, stored};
use crate::write::{Failure, Op, Outcome};
use crate::{SliceDraft, Write};

impl Sim {
    pub(super) fn perform(&mut self, write: &Write) -> Outcome {
        let name = &write.key.name;
        let held = self.stored.get(name).cloned();
        match &write.op {
            Op::Create(draft) => {
                if held.is_some() {
                    return Outcome::Failed(Failure::NameTaken);
                }
                self.version += 1;
                let slice = self.admit(draft, name, &Stored::new(self.version));
                self.put(slice.clone());
                Outcome::Stored(Arc::new(slice))
            }
            Op::Update {
                draft,
                uid,
                resource_version,
            } => match held {
                None => Outcome::Failed(Failure::Missing),
                Some(held) if held.uid != *uid || held.resource_version != *resource_version => {
                    Outcome::Failed(Failure::Other)
                }
                Some(held) => {
                    let same = Stored {
                        uid: held.uid.clone(),
                        version: held.resource_version.clone(),
                        terminating: held.terminating,
                    };
                    let unchanged = self.admit(draft, name, &same);
                    if unchanged == *held {
                        return Outcome::Stored(held);
                    }
                    self.version += 1;
                    let next = Stored {
                        version: ResourceVersion::new(&self.version.to_string()),
                        ..same
                    };
                    let slice = self.admit(draft, name, &next);
                    self.put(slice.clone());
                    Outcome::Stored(Arc::new(slice))
                }
            },
            Op::Delete {
                uid,
                resource_version,
            } => match held {
                None => Outcome::Deleted,
                Some(held) if held.uid != *uid || held.resource_version != *resource_version => {
                    Outcome::Failed(Failure::Other)
                }
                Some(held) if held.finalizers.is_empty() => {
                    self.remove(&held);
                    Outcome::Deleted
                }
                Some(held) => {
                    self.version += 1;
                    self.put(SliceRecord {
                        terminating: true,
                        resource_version: ResourceVersion::new(&self.version.to_string()),
                        ..SliceRecord::clone(&held)
                    });
                    Outcome::Deleting
                }
            },
        }
    }

    /// The slice as it is stored, and a note of how it was sent.
    fn admit(&mut self, draft: &SliceDraft, name: &Text, meta: &Stored) -> SliceRecord {
        let Some(policy) = self.policy else {
            return stored(draft.clone(), name, meta);
        };
        self.sent
            .insert(name.clone(), Arc::new(stored(draft.clone(), name, meta)));
        let mut altered = draft.clone();
        policy(&mut altered);
        stored(altered, name, meta)
    }

    fn put(&mut self, slice: SliceRecord) {
        self.stored
            .insert(slice.key.name.clone(), Arc::new(slice.clone()));
        self.untold.push((slice, true));
    }

    fn remove(&mut self, slice: &SliceRecord) {
        self.stored.remove(&slice.key.name);
        self.version += 1;
        self.untold.push((slice.clone(), false));
    }

    pub(super) fn edit(&mut self, n: usize, edit: Edit) {
        let Some(at) = n.checked_rem(self.stored.len()) else {
            return;
        };
        let Some(held) = self.stored.values().nth(at).cloned() else {
            return;
        };
        self.others_wrote = true;
        self.touched_by_others.extend(
            held.endpoints
                .iter()
                .filter_map(|endpoint| Some(endpoint.target.as_ref()?.name.clone())),
        );
        let mut slice = SliceRecord::clone(&held);
        match edit {
            Edit::Delete => {
                self.remove(&held);
                return;
            }
            Edit::Replace => {
                self.remove(&held);
                slice.uid = Uid::new(&format!("again-{}", self.version));
            }
            Edit::DropEndpoint => _ = slice.endpoints.pop(),
            Edit::DropAll => slice.endpoints.clear(),
            Edit::RepeatEndpoint => slice.endpoints.extend(held.endpoints.first().cloned()),
            Edit::StripHostnames => slice
                .endpoints
                .iter_mut()
                .for_each(|endpoint| endpoint.hostname = None),
            Edit::Label => {
                let more = [("foreign".into(), "yes".into())];
                let labels = held.labels.iter().map(|(k, v)| (k.clone(), v.clone()));
                slice.labels = Interned::from_value(LabelSet::new(labels.chain(more)));
            }
            Edit::DropOwner => slice.owners = [other_owner()].into_iter().collect(),
            Edit::TakeFromService => {
                let labels = held
                    .labels
                    .iter()
                    .filter(|(key, _)| **key != *names::LABEL_SERVICE_NAME);
                let labels = labels.map(|(k, v)| (k.clone(), v.clone()));
                slice.labels = Interned::from_value(LabelSet::new(labels));
            }
            Edit::Finalizer => slice.finalizers = vec!["example.com/hold".into()],
        }
        if slice != *held {
            self.version += 1;
            slice.resource_version = ResourceVersion::new(&self.version.to_string());
            self.put(slice);
        }
    }
}

fn other_owner() -> OwnerRef {
    OwnerRef {
        api_version: "v1".into(),
        kind: "Service".into(),
        name: "svc".into(),
        uid: Uid::new("another"),
        controller: Some(true),
        block_owner_deletion: None,
    }
}
