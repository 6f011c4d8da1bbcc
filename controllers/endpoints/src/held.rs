//! What is held for one key: little, whatever its Endpoints contain.

use std::time::Instant;

use quaymaster_membership::trigger::Trigger;
use quaymaster_model::{EndpointsRecord, ResourceVersion, Timestamp, Uid};

use crate::wanted::{Look, Wanted};

/// What is held for the Service of this name and its Endpoints, either of which may not be there.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// The time of the change that the next write stems from.
    pub(crate) trigger: Trigger,
    /// The one request in flight.
    pub(crate) sent: Option<Box<Sent>>,
    /// What was told since it was sent.
    pub(crate) news: News,
    pub(crate) orphan: Orphan,
    /// What was stored otherwise than it was sent, and is left so.
    pub(crate) altered: Option<Box<Altered>>,
    /// A create was refused because the namespace is being deleted; none is tried again.
    pub(crate) namespace_terminating: bool,
    /// Addresses were left out when it was looked at last.
    pub(crate) truncated: bool,
    pub(crate) unanswered: Unanswered,
}

/// A request in flight.
#[derive(Debug)]
pub(crate) enum Sent {
    /// A create or an update.
    Write {
        /// The Service that it is for.
        service: Uid,
        /// The time that it carries.
        trigger: Option<Timestamp>,
        /// What was sent.
        look: Look,
    },
    /// The question whether there really is no Service of the name.
    Question,
    /// A delete.
    Delete,
}

/// What was told while a request is in flight, the more important last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum News {
    #[default]
    None,
    /// Endpoints, which may be what the request itself stored.
    Endpoints,
    /// Something else.
    Other,
}

/// What may have become of a create that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Unanswered {
    /// Nothing: it was refused, or there was none.
    #[default]
    None,
    /// It may have been carried out all the same.
    Create,
    /// The same, and the Service is gone meanwhile: until then the watch may tell of what it made.
    AwaitedUntil(Instant),
}

/// What is known of Endpoints that outlived their Service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Orphan {
    /// Nothing.
    #[default]
    Unknown,
    /// They were there when the Service was told as gone.
    Left {
        uid: Uid,
        /// What was written to them later may be for a new Service.
        version: ResourceVersion,
    },
    /// They are there, and the apiserver said that it has no Service of the name.
    Confirmed { uid: Uid },
}

/// What an admission plugin makes of what is sent.
#[derive(Debug)]
pub(crate) struct Altered {
    pub(crate) sent: Look,
    pub(crate) stored: Look,
}

impl Held {
    /// Whether Endpoints of the name may come that nobody has told of.
    pub(crate) fn may_make_endpoints(&self) -> bool {
        self.sent.is_some() || self.unanswered != Unanswered::None
    }

    /// Whether there is no use in sending this over what is stored: that was made of it.
    pub(crate) fn is_left_as_altered(&self, wanted: &Wanted, stored: &EndpointsRecord) -> bool {
        let altered = self.altered.as_deref();
        altered.is_some_and(|altered| altered.sent == wanted.look() && altered.stored == Look::of(stored))
    }
}

impl Orphan {
    /// What is left by a Service that has just gone.
    pub(crate) fn left(endpoints: &EndpointsRecord) -> Self {
        Self::Left {
            uid: endpoints.uid.clone(),
            version: endpoints.resource_version.clone(),
        }
    }

    /// Whether these Endpoints are to go, if there is no Service of the name.
    pub(crate) fn is(&self, endpoints: &EndpointsRecord) -> bool {
        match self {
            Self::Unknown => false,
            Self::Left { uid, .. } | Self::Confirmed { uid } => *uid == endpoints.uid,
        }
    }

    /// Whether these Endpoints are as an earlier Service left them.
    pub(crate) fn is_left_as(&self, endpoints: &EndpointsRecord) -> bool {
        *self == Self::left(endpoints)
    }

    /// Whether they were written last before this, and so not for a Service that is no older.
    pub(crate) fn is_older_than(&self, service: &ResourceVersion) -> bool {
        matches!(self, Self::Left { version, .. } if version.is_older_than(service))
    }
}
