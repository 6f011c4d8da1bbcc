//! Port groups: endpoints with the same ports share slices.

use std::collections::{BTreeSet, HashMap};

use quaymaster_model::{IpFamily, PortSet};
use slab::Slab;

use crate::held::SliceId;

/// A port group of a Service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct GroupId(usize);

/// Pods and slices with the same ports.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) ports: PortSet,
    /// Eligible Pods with these ports. The group is wanted while there are any, even if none of them becomes an
    /// endpoint (Node not known, no address of the family).
    pub(crate) eligible: usize,
    /// Slices in force by number of endpoints, for the best fit. In force: with what a write in flight makes of it.
    by_length: [BTreeSet<(usize, SliceId)>; 2],
    /// Endpoints in these slices.
    endpoints: [usize; 2],
    /// All names of new slices with lower ordinals are taken.
    next_ordinal: [u32; 2],
    /// Slices that refer to this group in any way; with `eligible`, what keeps the group alive.
    references: usize,
}

impl Group {
    pub(crate) fn by_length(&self, family: IpFamily) -> &BTreeSet<(usize, SliceId)> {
        &self.by_length[index(family)]
    }

    /// Endpoints in slices in force.
    pub(crate) fn endpoints(&self, family: IpFamily) -> usize {
        self.endpoints[index(family)]
    }

    /// A slice with this many endpoints is in force.
    pub(crate) fn add(&mut self, family: IpFamily, length: usize, id: SliceId) {
        self.by_length[index(family)].insert((length, id));
        self.endpoints[index(family)] += length;
    }

    /// The slice no longer is, with this many endpoints.
    pub(crate) fn take(&mut self, family: IpFamily, length: usize, id: SliceId) {
        self.by_length[index(family)].remove(&(length, id));
        self.endpoints[index(family)] -= length;
    }

    pub(crate) fn next_ordinal(&self, family: IpFamily) -> u32 {
        self.next_ordinal[index(family)]
    }

    pub(crate) fn set_next_ordinal(&mut self, family: IpFamily, ordinal: u32) {
        self.next_ordinal[index(family)] = ordinal;
    }
}

/// The place of a family in arrays of two.
pub(crate) fn index(family: IpFamily) -> usize {
    match family {
        IpFamily::V4 => 0,
        IpFamily::V6 => 1,
    }
}

/// All port groups of a Service. A group is forgotten when no Pod and no slice has its ports any more.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    groups: Slab<Group>,
    by_ports: HashMap<PortSet, GroupId>,
}

impl Groups {
    pub(crate) fn get(&self, id: GroupId) -> &Group {
        &self.groups[id.0]
    }

    pub(crate) fn get_mut(&mut self, id: GroupId) -> &mut Group {
        &mut self.groups[id.0]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter().map(|(_, group)| group)
    }

    /// A slice begins to refer to the group of these ports.
    pub(crate) fn refer(&mut self, ports: &PortSet) -> GroupId {
        let id = self.find_or_add(ports);
        self.groups[id.0].references += 1;
        id
    }

    /// A further reference to a known group.
    pub(crate) fn refer_again(&mut self, id: GroupId) {
        self.groups[id.0].references += 1;
    }

    /// A slice no longer refers to the group.
    pub(crate) fn release(&mut self, id: GroupId) {
        self.groups[id.0].references -= 1;
        self.forget_if_unused(id);
    }

    /// An eligible Pod joins the group of these ports.
    pub(crate) fn join(&mut self, ports: &PortSet) -> GroupId {
        let id = self.find_or_add(ports);
        self.groups[id.0].eligible += 1;
        id
    }

    /// An eligible Pod leaves. Returns whether the group is still there.
    pub(crate) fn leave(&mut self, id: GroupId) -> bool {
        self.groups[id.0].eligible -= 1;
        self.forget_if_unused(id)
    }

    /// The name with this ordinal is free again. The group may be gone, and another one be in its place: that one merely
    /// tries some names in vain.
    pub(crate) fn free_ordinal(&mut self, id: GroupId, family: IpFamily, ordinal: u32) {
        if let Some(group) = self.groups.get_mut(id.0) {
            let next = &mut group.next_ordinal[index(family)];
            *next = ordinal.min(*next);
        }
    }

    fn find_or_add(&mut self, ports: &PortSet) -> GroupId {
        if let Some(id) = self.by_ports.get(ports) {
            return *id;
        }
        let id = GroupId(self.groups.insert(Group {
            ports: ports.clone(),
            eligible: 0,
            by_length: [BTreeSet::new(), BTreeSet::new()],
            endpoints: [0; 2],
            next_ordinal: [0; 2],
            references: 0,
        }));
        self.by_ports.insert(ports.clone(), id);
        id
    }

    fn forget_if_unused(&mut self, id: GroupId) -> bool {
        let group = &self.groups[id.0];
        if group.eligible > 0 || group.references > 0 {
            return true;
        }
        let group = self.groups.remove(id.0);
        self.by_ports.remove(&group.ports);
        false
    }
}
