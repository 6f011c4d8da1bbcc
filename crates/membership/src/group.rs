//! Pods of one namespace with equal labels.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use quaymaster_model::{Interned, LabelSet, Text};
use slab::Slab;
use smallvec::SmallVec;

use crate::id::narrow;
use crate::pairs::Filed;
use crate::{PodId, ServiceId};

/// Index of a group in [`Groups`].
pub(crate) type GroupId = u32;

/// Pods of one namespace with equal labels; never empty between two operations.
pub(crate) struct Group {
    pub(crate) namespace: Text,
    pub(crate) labels: Interned<LabelSet>,
    /// In no order; each Pod knows its place here.
    pub(crate) pods: SmallVec<[PodId; 4]>,
    /// Services that match the labels, sorted.
    pub(crate) services: SmallVec<[ServiceId; 2]>,
    /// For each of `services`, where this group stands in that Service's list of groups.
    pub(crate) places: SmallVec<[u32; 2]>,
    /// Where the group is filed: one entry for each label.
    pub(crate) filed: Box<[Filed]>,
}

/// All groups, found by namespace and labels. The labels are hashed through the slab, not held twice.
pub(crate) struct Groups {
    slab: Slab<Group>,
    index: HashTable<GroupId>,
    hasher: DefaultHashBuilder,
}

impl Groups {
    pub(crate) fn new() -> Self {
        Self {
            slab: Slab::new(),
            index: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.slab.capacity() * size_of::<Group>() + self.index.capacity() * (size_of::<GroupId>() + 1)
    }

    pub(crate) fn get(&self, id: GroupId) -> &Group {
        &self.slab[id as usize]
    }

    pub(crate) fn get_mut(&mut self, id: GroupId) -> &mut Group {
        &mut self.slab[id as usize]
    }

    pub(crate) fn find(&self, namespace: &Text, labels: &Interned<LabelSet>) -> Option<GroupId> {
        let hash = hash(&self.hasher, namespace, labels);
        self.index
            .find(hash, |id| self.get(*id).is(namespace, labels))
            .copied()
    }

    /// Adds a group without Pods, Services and files. The caller knows that there is none yet.
    pub(crate) fn insert(&mut self, namespace: &Text, labels: &Interned<LabelSet>) -> GroupId {
        let id = narrow(self.slab.insert(Group {
            namespace: namespace.clone(),
            labels: labels.clone(),
            pods: SmallVec::new(),
            services: SmallVec::new(),
            places: SmallVec::new(),
            filed: Box::default(),
        }));
        let (slab, hasher) = (&self.slab, &self.hasher);
        self.index
            .insert_unique(hash(hasher, namespace, labels), id, |id| {
                let group = &slab[*id as usize];
                hash(hasher, &group.namespace, &group.labels)
            });
        id
    }

    pub(crate) fn remove(&mut self, id: GroupId) -> Group {
        let group = self.slab.remove(id as usize);
        let hash = hash(&self.hasher, &group.namespace, &group.labels);
        if let Ok(entry) = self.index.find_entry(hash, |found| *found == id) {
            entry.remove();
        }
        group
    }
}

impl Group {
    pub(crate) fn is(&self, namespace: &Text, labels: &Interned<LabelSet>) -> bool {
        self.labels == *labels && self.namespace == *namespace
    }
}

fn hash(hasher: &DefaultHashBuilder, namespace: &Text, labels: &Interned<LabelSet>) -> u64 {
    hasher.hash_one((namespace, labels))
}
