//! The inverted index: a label pair of a namespace, the groups that carry it, the Services filed under it.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use quaymaster_model::Text;
use slab::Slab;

use crate::ServiceId;
use crate::group::GroupId;
use crate::id::narrow;

/// Index of a pair in [`Pairs`].
pub(crate) type PairId = u32;

/// A place in the index: in the list of a pair, so that removing it from there is no search.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filed {
    pub(crate) pair: PairId,
    pub(crate) at: u32,
}

/// One pair; present as long as a group carries it or a Service is filed under it.
struct Pair {
    namespace: Text,
    key: Text,
    value: Text,
    groups: Vec<GroupId>,
    services: Vec<ServiceId>,
}

/// All pairs in use.
pub(crate) struct Pairs {
    slab: Slab<Pair>,
    index: HashTable<PairId>,
    hasher: DefaultHashBuilder,
}

impl Pairs {
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
        self.slab.capacity() * size_of::<Pair>() + self.index.capacity() * (size_of::<PairId>() + 1)
    }

    pub(crate) fn find(&self, namespace: &Text, key: &Text, value: &Text) -> Option<PairId> {
        let hash = hash(&self.hasher, namespace, key, value);
        self.index
            .find(hash, |id| self.slab[*id as usize].is(namespace, key, value))
            .copied()
    }

    pub(crate) fn find_or_insert(&mut self, namespace: &Text, key: &Text, value: &Text) -> PairId {
        if let Some(id) = self.find(namespace, key, value) {
            return id;
        }
        let id = narrow(self.slab.insert(Pair {
            namespace: namespace.clone(),
            key: key.clone(),
            value: value.clone(),
            groups: Vec::new(),
            services: Vec::new(),
        }));
        let (slab, hasher) = (&self.slab, &self.hasher);
        self.index
            .insert_unique(hash(hasher, namespace, key, value), id, |id| {
                let pair = &slab[*id as usize];
                hash(hasher, &pair.namespace, &pair.key, &pair.value)
            });
        id
    }

    /// Groups that carry the pair.
    pub(crate) fn groups(&self, id: PairId) -> &[GroupId] {
        &self.slab[id as usize].groups
    }

    /// Services filed under the pair.
    pub(crate) fn services(&self, id: PairId) -> &[ServiceId] {
        &self.slab[id as usize].services
    }

    pub(crate) fn file_group(&mut self, id: PairId, group: GroupId) -> Filed {
        let groups = &mut self.slab[id as usize].groups;
        groups.push(group);
        Filed {
            pair: id,
            at: narrow(groups.len() - 1),
        }
    }

    pub(crate) fn file_service(&mut self, id: PairId, service: ServiceId) -> Filed {
        let services = &mut self.slab[id as usize].services;
        services.push(service);
        Filed {
            pair: id,
            at: narrow(services.len() - 1),
        }
    }

    /// Takes out what is filed there; gives the group that now stands in its place, if any.
    pub(crate) fn unfile_group(&mut self, filed: Filed) -> Option<GroupId> {
        let groups = &mut self.slab[filed.pair as usize].groups;
        groups.swap_remove(filed.at as usize);
        let moved = groups.get(filed.at as usize).copied();
        self.drop_if_unused(filed.pair);
        moved
    }

    /// Takes out what is filed there; gives the Service that now stands in its place, if any.
    pub(crate) fn unfile_service(&mut self, filed: Filed) -> Option<ServiceId> {
        let services = &mut self.slab[filed.pair as usize].services;
        services.swap_remove(filed.at as usize);
        let moved = services.get(filed.at as usize).copied();
        self.drop_if_unused(filed.pair);
        moved
    }

    fn drop_if_unused(&mut self, id: PairId) {
        let pair = &self.slab[id as usize];
        if !pair.groups.is_empty() || !pair.services.is_empty() {
            return;
        }
        let pair = self.slab.remove(id as usize);
        let hash = hash(&self.hasher, &pair.namespace, &pair.key, &pair.value);
        if let Ok(entry) = self.index.find_entry(hash, |found| *found == id) {
            entry.remove();
        }
    }
}

impl Pair {
    fn is(&self, namespace: &Text, key: &Text, value: &Text) -> bool {
        self.value == *value && self.key == *key && self.namespace == *namespace
    }
}

fn hash(hasher: &DefaultHashBuilder, namespace: &Text, key: &Text, value: &Text) -> u64 {
    hasher.hash_one((namespace, key, value))
}
