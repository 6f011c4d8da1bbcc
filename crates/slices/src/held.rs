//! One slice of a Service: what was observed of it, and what a write in flight makes of it.

use std::sync::Arc;

use quaymaster_model::{
    EndpointRecord, IpFamily, LabelSet, ResourceVersion, SliceRecord, Text, Timestamp, Uid,
};

use crate::groups::GroupId;
use crate::write::WriteId;

/// A slice among those of one Service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SliceId(pub(crate) usize);

/// A slice of a Service.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) name: Text,
    /// None for address types other than IPv4 and IPv6, which are only ever deleted.
    pub(crate) family: Option<IpFamily>,
    /// As the apiserver last gave it, with the group of its ports; none while a create is in flight.
    pub(crate) observed: Option<(Arc<SliceRecord>, GroupId)>,
    /// An owner reference of the observed slice names this very Service.
    pub(crate) owned: bool,
    /// Given, sent and taken away by [`Pending::change`](crate::pending::Pending::change) alone, as its lists go by it.
    pub(crate) in_flight: Option<InFlight>,
    /// Group and ordinal that its name was made from, as far as known.
    pub(crate) ordinal: Option<(GroupId, u32)>,
    /// Set by [`ServiceSlices::set_mark`](crate::ServiceSlices) alone, as the lists of slices go by it.
    pub(crate) mark: Mark,
    /// The round of planning in which it was first found to be deletable.
    pub(crate) deletable_since: Option<u64>,
    /// The last write failed without an answer about what is stored, and nothing was observed since: consumers may see
    /// something other than `observed`.
    pub(crate) uncertain: bool,
    /// What the apiserver stored instead of what was sent last, and still stores. `observed` then has what was sent:
    /// to send it again would change nothing.
    pub(crate) altered: Option<Arc<SliceRecord>>,
}

/// What is to be done about a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Mark {
    /// Nothing: it is as it should be, or it does not count.
    #[default]
    Settled,
    /// To be looked at. It has no write in flight.
    Dirty,
    /// To be looked at once its write in flight is answered.
    Again,
    /// It holds a Pod which must be seen elsewhere before it leaves, and is looked at again once that is.
    Waiting,
    /// To be deleted, as was found in this round of planning.
    Leaving(u64),
}

/// What is sent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// Takes traffic away from a Pod that cannot serve it.
    Urgent,
    Create,
    Update,
}

/// The one write that a slice may have in flight, or decided and not sent yet.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) id: WriteId,
    /// The round of planning that decided it.
    pub(crate) round: u64,
    pub(crate) what: InFlightWrite,
    /// Decided only; its place in the outbox.
    pub(crate) unsent: Option<Rank>,
    pub(crate) trigger: Option<Timestamp>,
    /// The object written to; none for a create.
    pub(crate) over: Option<(Uid, ResourceVersion)>,
    /// The slice that was last seen to go while the write was in flight. The write came first, if it was to that slice
    /// or to one before it.
    pub(crate) gone: Option<(Uid, ResourceVersion)>,
}

#[derive(Debug)]
pub(crate) enum InFlightWrite {
    Put {
        endpoints: Arc<Vec<EndpointRecord>>,
        group: GroupId,
        labels: LabelSet,
        /// What others put on the object stays.
        in_place: bool,
        /// Endpoints that come to stand in a slice by this write.
        added: usize,
    },
    Delete,
}

impl InFlight {
    /// Group of a create or update.
    pub(crate) fn put_into(&self) -> Option<GroupId> {
        match self.what {
            InFlightWrite::Put { group, .. } => Some(group),
            InFlightWrite::Delete => None,
        }
    }
}

/// The endpoints that a slice has once its write in flight, if any, has succeeded.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    endpoints: Endpoints,
    pub(crate) group: GroupId,
}

#[derive(Debug, Clone)]
enum Endpoints {
    Observed(Arc<SliceRecord>),
    Written(Arc<Vec<EndpointRecord>>),
}

impl Content {
    pub(crate) fn endpoints(&self) -> &[EndpointRecord] {
        match &self.endpoints {
            Endpoints::Observed(slice) => &slice.endpoints,
            Endpoints::Written(endpoints) => endpoints,
        }
    }
}

impl Held {
    /// Whether the slice counts: it is there, not on its way out, and no delete is in flight.
    pub(crate) fn is_live(&self) -> bool {
        match &self.in_flight {
            Some(InFlight {
                what: InFlightWrite::Delete,
                ..
            }) => false,
            Some(_) => true,
            None => self
                .observed
                .as_ref()
                .is_some_and(|(slice, _)| !slice.terminating),
        }
    }

    /// What takes part in placement: none for a slice that does not count or belongs to somebody else.
    pub(crate) fn content(&self) -> Option<Content> {
        match &self.in_flight {
            Some(InFlight {
                what: InFlightWrite::Delete,
                ..
            }) => None,
            Some(InFlight {
                what: InFlightWrite::Put { endpoints, group, .. },
                ..
            }) => Some(Content {
                endpoints: Endpoints::Written(Arc::clone(endpoints)),
                group: *group,
            }),
            None => self
                .observed
                .as_ref()
                .filter(|(slice, _)| self.owned && !slice.terminating)
                .map(|(slice, group)| Content {
                    endpoints: Endpoints::Observed(Arc::clone(slice)),
                    group: *group,
                }),
        }
    }

    /// The endpoints of the observed slice, if it counts and is ours to read from: what consumers see now. Where the
    /// apiserver stored something other than what was sent, that is what they see.
    pub(crate) fn confirmed(&self) -> Option<(&[EndpointRecord], GroupId)> {
        self.observed
            .as_ref()
            .filter(|(slice, _)| self.owned && !self.uncertain && !slice.terminating)
            .map(|(slice, group)| {
                let stored = self.altered.as_ref().unwrap_or(slice);
                (&*stored.endpoints, *group)
            })
    }

    /// Whether what was sent to this slice is not what is stored, and nothing is under way that could change it.
    pub(crate) fn stays_altered(&self) -> bool {
        self.altered.is_some() && self.in_flight.is_none()
    }
}

/// The Pod that an endpoint of this namespace's Service stands for, by its target.
pub(crate) fn pod_name<'a>(endpoint: &'a EndpointRecord, namespace: &Text) -> Option<&'a Text> {
    endpoint
        .target
        .as_ref()
        .filter(|target| target.namespace == *namespace)
        .map(|target| &target.name)
}
