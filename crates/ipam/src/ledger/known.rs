//! What is known of a value.

use std::time::Instant;

use quaymaster_allocator::Reason;
use quaymaster_model::ObjectKey;
use smallvec::SmallVec;

/// What is known of a value.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// Services that have it: one, unless the apiserver gave it twice.
    pub(super) users: SmallVec<[ObjectKey; 1]>,
    /// The IPAddress of its name.
    pub(super) object: Option<AddressObject>,
    pub(super) pending: Option<Pending>,
    pub(super) released: Option<Released>,
    pub(super) reserved: Option<ObjectKey>,
    /// Its IPAddress is not what a failed request left behind: its Service has released it, and the apiserver is about to delete it,
    /// or it came while there was no Service of that name.
    pub(super) leaving: bool,
}

/// An IPAddress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressObject {
    /// The apiserver's allocator made it, for this Service.
    Allocators(Option<ObjectKey>),
    /// One of ours keeps the address from being given.
    Hold,
    /// Somebody else's.
    Foreign,
}

/// Who a value was handed out to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A Service of this name.
    Named(ObjectKey),
    /// A Service whose name the apiserver makes up: known by the request alone.
    Request(String),
}

/// A value that waits for its Service.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) owner: Owner,
    pub(super) until: Instant,
    /// This replica has handed it out; else another one has claimed it.
    pub(super) own: bool,
}

/// A value that was released.
#[derive(Clone, Debug)]
pub(super) struct Released {
    pub(super) at: Instant,
    pub(super) by: ObjectKey,
}

/// Whose a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder<'a> {
    /// A Service has it.
    Service(&'a ObjectKey),
    /// It was handed out, and the Service is not seen yet.
    Pending(&'a Owner),
    /// It is kept for a Service.
    Reserved(&'a ObjectKey),
    /// A Service has released it a short while ago.
    Released(&'a ObjectKey),
    /// There is an IPAddress of its name, and no Service that has it.
    Object(&'a AddressObject),
}

impl Known {
    pub(super) fn holder(&self) -> Option<Holder<'_>> {
        let service = self.users.first().map(Holder::Service);
        let pending = || Some(Holder::Pending(&self.pending.as_ref()?.owner));
        let reserved = || Some(Holder::Reserved(self.reserved.as_ref()?));
        let released = || Some(Holder::Released(&self.released.as_ref()?.by));
        let object = || Some(Holder::Object(self.object.as_ref()?));
        service
            .or_else(pending)
            .or_else(reserved)
            .or_else(released)
            .or_else(object)
    }

    pub(super) fn reason(&self) -> Option<Reason> {
        Some(match self.holder()? {
            Holder::Service(_) => Reason::Used,
            Holder::Pending(_) => Reason::Pending,
            Holder::Reserved(_) => Reason::Reserved,
            Holder::Released(_) | Holder::Object(AddressObject::Hold) => Reason::Quarantined,
            Holder::Object(_) => Reason::Foreign,
        })
    }

    /// The Service that its IPAddress names and that did not list it while we looked.
    pub(super) fn stray_of(&self) -> Option<&ObjectKey> {
        let Some(AddressObject::Allocators(Some(parent))) = &self.object else {
            return None;
        };
        (!self.leaving && !self.users.contains(parent)).then_some(parent)
    }

    /// Nothing but that it was released keeps it from being given.
    pub(super) fn is_only_released(&self) -> bool {
        let object = matches!(self.object, None | Some(AddressObject::Hold));
        self.users.is_empty() && self.pending.is_none() && self.reserved.is_none() && object
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.holder().is_none()
    }
}
