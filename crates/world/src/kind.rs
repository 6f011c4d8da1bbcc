//! The kinds of objects that are read, and how far reading each has come.

/// A kind of object that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `v1` Pod.
    Pod,
    /// `v1` Service.
    Service,
    /// `v1` Node.
    Node,
    /// `discovery.k8s.io/v1` EndpointSlice.
    Slice,
    /// `v1` Endpoints.
    Endpoints,
    /// `networking.k8s.io/v1` ServiceCIDR.
    ServiceCidr,
    /// `networking.k8s.io/v1` IPAddress.
    IpAddress,
    /// `v1` Namespace.
    Namespace,
    /// `quaymaster.io/v1alpha1` `ServiceIPPool`.
    ServiceIpPool,
    /// `quaymaster.io/v1alpha1` `NodePortPool`.
    NodePortPool,
    /// `quaymaster.io/v1alpha1` `ServiceReservation`.
    ServiceReservation,
    /// `quaymaster.io/v1alpha1` `AllocationClaim`.
    AllocationClaim,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::Pod,
        Self::Service,
        Self::Node,
        Self::Slice,
        Self::Endpoints,
        Self::ServiceCidr,
        Self::IpAddress,
        Self::Namespace,
        Self::ServiceIpPool,
        Self::NodePortPool,
        Self::ServiceReservation,
        Self::AllocationClaim,
    ];
}

/// How far each kind has been read.
#[derive(Debug, Default)]
pub(crate) struct Progress([KindProgress; Kind::ALL.len()]);

#[derive(Debug, Default, Clone, Copy)]
struct KindProgress {
    listing: bool,
    synced: bool,
    absent: bool,
    losses: u32,
}

impl Progress {
    pub(crate) fn begin(&mut self, kind: Kind) {
        let progress = &mut self.0[kind as usize];
        progress.listing = true;
        progress.absent = false;
    }

    pub(crate) fn miss(&mut self, kind: Kind) {
        self.0[kind as usize].absent = true;
    }

    pub(crate) fn absent(&self, kind: Kind) -> bool {
        self.0[kind as usize].absent
    }

    /// Ends a list; false if none was begun, and then nothing changes.
    pub(crate) fn end(&mut self, kind: Kind) -> bool {
        let progress = &mut self.0[kind as usize];
        let listing = std::mem::take(&mut progress.listing);
        progress.synced |= listing;
        listing
    }

    pub(crate) fn lose(&mut self, kind: Kind) {
        self.0[kind as usize].losses += 1;
    }

    pub(crate) fn losses(&self, kind: Kind) -> u32 {
        self.0[kind as usize].losses
    }

    pub(crate) fn listing(&self, kind: Kind) -> bool {
        self.0[kind as usize].listing
    }

    pub(crate) fn synced(&self, kind: Kind) -> bool {
        self.0[kind as usize].synced
    }
}
