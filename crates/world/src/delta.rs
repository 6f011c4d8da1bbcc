//! What changed.

use std::sync::Arc;

use quaymaster_membership::{Moved, PodId, ServiceId};
use quaymaster_model::{
    EndpointsRecord, IpAddressRecord, NamespaceRecord, NodeRecord, PodRecord, ServiceCidrRecord,
    ServiceRecord, SliceRecord,
};

use crate::{
    AllocationClaimRecord, Kind, NodePortPoolRecord, ServiceIpPoolRecord, ServiceReservationRecord, World,
};

/// An object before and after.
#[derive(Debug, PartialEq, Eq)]
pub enum Change<'a, T> {
    /// Was not there.
    Added(&'a T),
    /// Differs from before.
    Updated {
        /// Before.
        old: &'a T,
        /// After.
        new: &'a T,
    },
    /// Is not there any more.
    Removed(&'a T),
}

// Derived, these would ask that the record itself can be copied.
impl<T> Clone for Change<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Change<'_, T> {}

impl<'a, T> Change<'a, T> {
    /// The object before; none if it was added.
    pub fn before(self) -> Option<&'a T> {
        match self {
            Self::Added(_) => None,
            Self::Updated { old, .. } | Self::Removed(old) => Some(old),
        }
    }

    /// The object after; none if it was removed.
    pub fn after(self) -> Option<&'a T> {
        match self {
            Self::Added(new) | Self::Updated { new, .. } => Some(new),
            Self::Removed(_) => None,
        }
    }

    /// The latest there is of the object: after the change or, if it was removed, before.
    pub fn latest(self) -> &'a T {
        match self {
            Self::Added(latest) | Self::Updated { new: latest, .. } | Self::Removed(latest) => latest,
        }
    }
}

/// From where a change of an object became known that is read as well as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// From the watch: usually another's doing. To one controller of several, also what another one wrote.
    Watch,
    /// From the response to an own write of whoever is told.
    OwnWrite,
}

/// One change of one object.
#[derive(Debug, Clone, Copy)]
pub enum Delta<'a> {
    /// A Pod.
    Pod {
        /// Stable while the object lives. The id of a removed Pod may be given to another one afterwards.
        id: PodId,
        /// Before and after.
        change: Change<'a, PodRecord>,
        /// Its Services before and after.
        moved: &'a Moved,
    },
    /// A Service.
    Service {
        /// Stable while the object lives. The id of a removed Service may be given to another one afterwards.
        id: ServiceId,
        /// Before and after. A Service that was deleted and created again was removed and added.
        change: Change<'a, ServiceRecord>,
    },
    /// A Node.
    Node {
        /// Before and after.
        change: Change<'a, NodeRecord>,
    },
    /// An EndpointSlice, of whatever manager.
    Slice {
        /// Before and after.
        change: Change<'a, Arc<SliceRecord>>,
        /// From where it became known.
        origin: Origin,
    },
    /// An Endpoints object.
    Endpoints {
        /// Before and after.
        change: Change<'a, Arc<EndpointsRecord>>,
        /// From where it became known.
        origin: Origin,
    },
    /// A ServiceCIDR.
    ServiceCidr {
        /// Before and after.
        change: Change<'a, Arc<ServiceCidrRecord>>,
        /// From where it became known.
        origin: Origin,
    },
    /// An IPAddress.
    IpAddress {
        /// Before and after.
        change: Change<'a, Arc<IpAddressRecord>>,
        /// From where it became known.
        origin: Origin,
    },
    /// A Namespace.
    Namespace {
        /// Before and after.
        change: Change<'a, NamespaceRecord>,
    },
    /// A `ServiceIPPool`.
    ServiceIpPool {
        /// Before and after.
        change: Change<'a, Arc<ServiceIpPoolRecord>>,
        /// From where it became known.
        origin: Origin,
    },
    /// A `NodePortPool`.
    NodePortPool {
        /// Before and after.
        change: Change<'a, Arc<NodePortPoolRecord>>,
        /// From where it became known.
        origin: Origin,
    },
    /// A `ServiceReservation`.
    ServiceReservation {
        /// Before and after.
        change: Change<'a, Arc<ServiceReservationRecord>>,
        /// From where it became known.
        origin: Origin,
    },
    /// An `AllocationClaim`.
    AllocationClaim {
        /// Before and after.
        change: Change<'a, Arc<AllocationClaimRecord>>,
        /// From where it became known.
        origin: Origin,
    },
}

impl Delta<'_> {
    /// The change as it is told to whoever did not make it: what another one wrote is as good as told by the watch.
    #[must_use]
    pub const fn of_another(self) -> Self {
        // Every field is named, so that a kind that is written, or becomes so, cannot be forgotten here.
        match self {
            Self::Slice { change, origin: _ } => Self::Slice {
                change,
                origin: Origin::Watch,
            },
            Self::Endpoints { change, origin: _ } => Self::Endpoints {
                change,
                origin: Origin::Watch,
            },
            Self::ServiceCidr { change, origin: _ } => Self::ServiceCidr {
                change,
                origin: Origin::Watch,
            },
            Self::IpAddress { change, origin: _ } => Self::IpAddress {
                change,
                origin: Origin::Watch,
            },
            Self::ServiceIpPool { change, origin: _ } => Self::ServiceIpPool {
                change,
                origin: Origin::Watch,
            },
            Self::NodePortPool { change, origin: _ } => Self::NodePortPool {
                change,
                origin: Origin::Watch,
            },
            Self::ServiceReservation { change, origin: _ } => Self::ServiceReservation {
                change,
                origin: Origin::Watch,
            },
            Self::AllocationClaim { change, origin: _ } => Self::AllocationClaim {
                change,
                origin: Origin::Watch,
            },
            Self::Pod {
                id: _,
                change: _,
                moved: _,
            }
            | Self::Service { id: _, change: _ }
            | Self::Node { change: _ }
            | Self::Namespace { change: _ } => self,
        }
    }

    /// What kind of object changed.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Pod { .. } => Kind::Pod,
            Self::Service { .. } => Kind::Service,
            Self::Node { .. } => Kind::Node,
            Self::Slice { .. } => Kind::Slice,
            Self::Endpoints { .. } => Kind::Endpoints,
            Self::ServiceCidr { .. } => Kind::ServiceCidr,
            Self::IpAddress { .. } => Kind::IpAddress,
            Self::Namespace { .. } => Kind::Namespace,
            Self::ServiceIpPool { .. } => Kind::ServiceIpPool,
            Self::NodePortPool { .. } => Kind::NodePortPool,
            Self::ServiceReservation { .. } => Kind::ServiceReservation,
            Self::AllocationClaim { .. } => Kind::AllocationClaim,
        }
    }
}

/// Whoever is told what changed.
pub trait View {
    /// Called once for each change, in order. The world is as after this change and before the next one.
    fn on(&mut self, world: &World, delta: &Delta<'_>);
}

impl<F: FnMut(&World, &Delta<'_>)> View for F {
    fn on(&mut self, world: &World, delta: &Delta<'_>) {
        self(world, delta);
    }
}
