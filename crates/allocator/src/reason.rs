//! Why a value is not free.

/// Why a value is not free. Where several hold, the one that ends last counts: the caller says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A Service has it.
    Used,
    /// It was handed out, and the Service is not seen yet.
    Pending,
    /// It was released a short while ago.
    Quarantined,
    /// It is kept for a Service that there may not be yet.
    Reserved,
    /// Somebody else has it: an IPAddress that no Service of the pool stands behind, say.
    Foreign,
    /// The pool leaves it out, or nobody may have it.
    Excluded,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::Used,
        Self::Pending,
        Self::Quarantined,
        Self::Reserved,
        Self::Foreign,
        Self::Excluded,
    ];
}
