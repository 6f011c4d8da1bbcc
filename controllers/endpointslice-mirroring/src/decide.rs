//! From what is desired and what is observed to what is to be written next (kubernetes/kubernetes
//! `pkg/controller/endpointslicemirroring/reconciler.go`, `reconcileByPortMapping` and `finalize`).
//!
//! There is one slice for each group that has endpoints. Of several the one that is right already stays, or that named
//! first. Creates and updates come first, and deletes when all of these are answered, as upstream. What upstream does not
//! do: an address that is to be published in another slice stays where it is until it is seen stored there.

use std::collections::HashMap;
use std::sync::Arc;

use quaymaster_model::{AddressType, EndpointRecord, IpFamily, PortSet, SliceRecord};

use crate::desired::{Desired, Group};
use crate::difference::Difference;
use crate::recycle;
use crate::union::{self, Level, Union};
use crate::wanted::Wanted;

/// The apiserver takes no more endpoints in one slice (kubernetes/kubernetes `pkg/apis/discovery/validation`,
/// `maxEndpoints`).
const MOST_ENDPOINTS: usize = 1000;

/// What a decision rests on.
#[derive(Debug)]
pub(crate) struct Situation<'a> {
    pub(crate) desired: &'a Desired,
    pub(crate) wanted: &'a Wanted,
    /// The mirrored slices, sorted by name, but for those that terminate or have a write in flight.
    pub(crate) slices: &'a [Arc<SliceRecord>],
    /// What writes in flight fill.
    pub(crate) filling: &'a [(IpFamily, PortSet)],
    /// Not where all that is there is on its way out.
    pub(crate) may_create: bool,
}

/// A slice to be created or rewritten.
#[derive(Debug)]
pub(crate) struct Put<'a> {
    pub(crate) target: Target<'a>,
    pub(crate) group: &'a Group,
    /// Those of the group, and those that stay until they are stored elsewhere.
    pub(crate) endpoints: Vec<EndpointRecord>,
    pub(crate) difference: Difference,
}

/// What is written over.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target<'a> {
    /// Nothing.
    New,
    /// The slice of this group: what others put on it stays.
    Kept(&'a Arc<SliceRecord>),
    /// One that was of another group: nothing of it stays but the name.
    Recycled(&'a Arc<SliceRecord>),
}

/// A slice that goes.
#[derive(Debug)]
pub(crate) struct Delete<'a> {
    pub(crate) slice: &'a Arc<SliceRecord>,
    pub(crate) difference: Difference,
}

/// What is to be written next.
#[derive(Debug, Default)]
pub(crate) struct Decision<'a> {
    pub(crate) puts: Vec<Put<'a>>,
    /// None while there are puts, or such in flight.
    pub(crate) deletes: Vec<Delete<'a>>,
    /// There is more to decide once what is written is answered.
    pub(crate) waits: bool,
}

impl Decision<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.puts.is_empty() && self.deletes.is_empty()
    }
}

/// A group and the slice that is there for it.
struct Place<'a> {
    group: &'a Group,
    /// A write in flight fills it.
    filling: bool,
    slices: Vec<&'a Arc<SliceRecord>>,
    kept: Option<&'a Arc<SliceRecord>>,
    recycled: Option<&'a Arc<SliceRecord>>,
}

pub(crate) fn decide<'a>(situation: &Situation<'a>) -> Decision<'a> {
    let (mut places, mut leaving) = sort(situation);
    let mut decision = Decision::default();
    for place in &mut places {
        place.kept = choose(place, situation.wanted);
        leaving.extend(place.slices.iter().filter(|slice| !same(place.kept, slice)));
    }
    recycle(&mut places, &mut leaving);
    let union = union(&places, situation.may_create);
    let mut held_back = Vec::new();
    for place in places.iter().filter(|place| !place.filling) {
        match place.put(situation, &union) {
            Next::Settled => {}
            Next::Put(put) => {
                // What stays for the moment goes with the next write.
                decision.waits |= put.endpoints.len() > put.group.endpoints.len();
                decision.puts.push(put);
            }
            Next::Waits => decision.waits = true,
            Next::HeldBack(put) => held_back.push(put),
        }
    }
    let in_flight = !situation.filling.is_empty();
    if decision.puts.is_empty() && !in_flight && !held_back.is_empty() {
        let put = held_back.remove(0);
        if situation.may_create {
            // All wait for each other. This one comes beside what it was to replace, which goes afterwards.
            leaving.extend(
                put.target
                    .slice()
                    .filter(|_| matches!(put.target, Target::Recycled(_))),
            );
            let target = Target::New;
            decision.puts.push(Put { target, ..put });
        } else {
            decision.puts.push(put);
        }
    }
    decision.waits |= !held_back.is_empty();
    if decision.puts.is_empty() && held_back.is_empty() && !in_flight && !decision.waits {
        let delete = |slice| delete(slice, situation.desired);
        decision.deletes.extend(leaving.into_iter().map(delete));
    } else {
        decision.waits |= !leaving.is_empty();
    }
    decision
}

/// Which slices are of which group; those of none leave.
fn sort<'a>(situation: &Situation<'a>) -> (Vec<Place<'a>>, Vec<&'a Arc<SliceRecord>>) {
    let groups = situation.desired.groups.iter();
    let mut places: Vec<Place<'a>> = groups
        .filter(|group| !group.endpoints.is_empty())
        .map(|group| Place {
            group,
            filling: situation
                .filling
                .iter()
                .any(|(family, ports)| *family == group.family && *ports == group.ports),
            slices: Vec::new(),
            kept: None,
            recycled: None,
        })
        .collect();
    let by_group: HashMap<(IpFamily, &PortSet), usize> = places
        .iter()
        .enumerate()
        .map(|(at, place)| ((place.group.family, &place.group.ports), at))
        .collect();
    let mut leaving = Vec::new();
    for slice in situation.slices {
        let family = family(slice);
        match family.and_then(|family| by_group.get(&(family, &*slice.ports))) {
            Some(at) => places[*at].slices.push(slice),
            None => leaving.push(slice),
        }
    }
    (places, leaving)
}

/// Types other than these two are never wanted.
fn family(slice: &SliceRecord) -> Option<IpFamily> {
    match slice.address_type {
        AddressType::IPv4 => Some(IpFamily::V4),
        AddressType::IPv6 => Some(IpFamily::V6),
        AddressType::Other(_) => None,
    }
}

fn same(kept: Option<&Arc<SliceRecord>>, slice: &Arc<SliceRecord>) -> bool {
    kept.is_some_and(|kept| kept.key == slice.key)
}

/// The slice of a group that stays.
fn choose<'a>(place: &Place<'a>, wanted: &Wanted) -> Option<&'a Arc<SliceRecord>> {
    let first = place.slices.first()?;
    let is_right = |slice: &&&Arc<SliceRecord>| {
        wanted.fits(slice) && Difference::of(&slice.endpoints, &place.group.endpoints).is_none()
    };
    let right = (place.slices.len() > 1).then(|| place.slices.iter().find(is_right));
    Some(*right.flatten().unwrap_or(first))
}

fn recycle<'a>(places: &mut [Place<'a>], leaving: &mut Vec<&'a Arc<SliceRecord>>) {
    if leaving.is_empty() {
        return;
    }
    let bare: Vec<usize> = (0..places.len())
        .filter(|at| !places[*at].filling && places[*at].kept.is_none())
        .collect();
    let groups: Vec<&Group> = bare.iter().map(|at| places[*at].group).collect();
    let paired = recycle::pair(&groups, leaving);
    for (at, slice) in bare.into_iter().zip(paired) {
        places[at].recycled = slice.map(|slice| leaving[slice]);
    }
    leaving.retain(|slice| !places.iter().any(|place| same(place.recycled, slice)));
}

fn union<'a>(places: &[Place<'a>], may_create: bool) -> Union<'a> {
    let mut union = Union::default();
    for place in places {
        if place.filling || place.kept.is_some() || place.recycled.is_some() || may_create {
            union.want(&place.group.endpoints);
        }
        if let Some(slice) = place.kept {
            union.secure(&slice.endpoints, &place.group.endpoints);
        }
    }
    union
}

/// What is to be done for a group.
enum Next<'a> {
    /// Nothing.
    Settled,
    Put(Put<'a>),
    /// Nothing but to take out what is not stored elsewhere yet.
    Waits,
    /// As written, addresses would be missing until another write is stored.
    HeldBack(Put<'a>),
}

impl<'a> Place<'a> {
    fn put(&self, situation: &Situation<'a>, union: &Union<'a>) -> Next<'a> {
        let put = |target, difference| Put {
            target,
            group: self.group,
            endpoints: self.group.endpoints.clone(),
            difference,
        };
        if let Some(slice) = self.kept {
            return self.put_in_place(slice, situation.wanted, union);
        }
        let all_new = Difference {
            added: self.group.endpoints.len(),
            ..Difference::default()
        };
        let Some(slice) = self.recycled else {
            return if situation.may_create {
                Next::Put(put(Target::New, all_new))
            } else {
                Next::Settled
            };
        };
        let difference = Difference {
            removed: removed(slice, situation.desired),
            ..all_new
        };
        let put = put(Target::Recycled(slice), difference);
        if self.retained(slice, union).is_empty() {
            Next::Put(put)
        } else {
            Next::HeldBack(put)
        }
    }

    fn put_in_place(&self, slice: &'a Arc<SliceRecord>, wanted: &Wanted, union: &Union<'a>) -> Next<'a> {
        let fits = wanted.fits(slice);
        let difference = Difference::of(&slice.endpoints, &self.group.endpoints);
        if fits && difference.is_none() {
            return Next::Settled;
        }
        let mut put = Put {
            target: Target::Kept(slice),
            group: self.group,
            endpoints: self.group.endpoints.clone(),
            difference,
        };
        let retained = self.retained(slice, union);
        if retained.is_empty() {
            return Next::Put(put);
        }
        if put.endpoints.len() + retained.len() > MOST_ENDPOINTS {
            return Next::HeldBack(put);
        }
        put.endpoints.extend(retained);
        put.difference = Difference::of(&slice.endpoints, &put.endpoints);
        if fits && put.difference.is_none() {
            Next::Waits
        } else {
            Next::Put(put)
        }
    }

    /// The endpoints of a slice that may not leave it yet, no more ready than they are to be. Under the ports that the slice
    /// has, an address that is not ready any more is so at once; under others that is no reason to lose what it is.
    fn retained(&self, slice: &SliceRecord, union: &Union<'a>) -> Vec<EndpointRecord> {
        let own = union::levels(&self.group.endpoints);
        let in_place = self.kept.is_some();
        let retained = |endpoint: &EndpointRecord| {
            let level = union.holds(endpoint)?;
            let there = endpoint
                .addresses
                .iter()
                .filter_map(|address| own.get(address))
                .max();
            let stays = there.is_some_and(|there| in_place || *there >= level);
            let mut endpoint = (!stays).then(|| endpoint.clone())?;
            if level == Level::NotReady {
                endpoint.conditions.ready = Some(false);
            }
            Some(endpoint)
        };
        slice.endpoints.iter().filter_map(retained).collect()
    }
}

impl<'a> Target<'a> {
    pub(crate) fn slice(self) -> Option<&'a Arc<SliceRecord>> {
        match self {
            Self::New => None,
            Self::Kept(slice) | Self::Recycled(slice) => Some(slice),
        }
    }
}

fn delete<'a>(slice: &'a Arc<SliceRecord>, desired: &Desired) -> Delete<'a> {
    let difference = Difference {
        removed: removed(slice, desired),
        ..Difference::default()
    };
    Delete { slice, difference }
}

/// How many endpoints are removed with a slice, as upstream counts them: none where no subset has its ports, or where
/// another slice stays for its group.
fn removed(slice: &SliceRecord, desired: &Desired) -> usize {
    let emptied = desired.groups.iter().any(|group| {
        group.endpoints.is_empty() && Some(group.family) == family(slice) && group.ports == *slice.ports
    });
    if emptied { slice.endpoints.len() } else { 0 }
}
