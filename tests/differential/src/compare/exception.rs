//! What may differ, by name.

use std::collections::BTreeMap;

/// A named reason for which sides may differ; `docs/differences.md` explains each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exception {
    /// Slices of a Service that has lost its selector, or is of type `ExternalName`, stay as they were; how they
    /// were depends on which changes were still seen.
    LeftBehind,
    /// Which zones the hints of the topology annotation name, within the bounds of the algorithm.
    AutoHints,
    /// Hints on endpoints that are not ready stay in slices that were copied, and go in those that were built anew.
    UnreadyHints,
    /// Annotations of others survive an update in place, and not one that recycles the slice.
    ForeignAnnotation,
    /// The headless label is corrected only when something else changes.
    HeadlessLabel,
    /// Empty slices stay where they are once there; which there are depends on what there was before.
    EmptySlices,
    /// kube-controller-manager takes an empty slice that is not, or no longer, owned by the Service for its
    /// placeholder (fixed after 1.37, kubernetes/kubernetes#141593); quaymaster replaces it by one that is owned, so
    /// that the garbage collector does not take the Service's only slice.
    UnownedPlaceholder,
    /// Upstream takes a placeholder with a label without value for one that lacks the label, so the label stays
    /// missing, or stays.
    PlaceholderEmptyLabel,
    /// A Service that is being deleted gets no new slices: which it has depends on how far the controller was. A
    /// family of which it had a slice keeps one.
    TerminatingService,
}

impl Exception {
    /// Every exception.
    pub(crate) const ALL: [Self; 9] = [
        Self::LeftBehind,
        Self::AutoHints,
        Self::UnreadyHints,
        Self::ForeignAnnotation,
        Self::HeadlessLabel,
        Self::EmptySlices,
        Self::UnownedPlaceholder,
        Self::PlaceholderEmptyLabel,
        Self::TerminatingService,
    ];

    /// Its name in the documentation.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::LeftBehind => "left-behind",
            Self::AutoHints => "auto-hints",
            Self::UnreadyHints => "unready-hints",
            Self::ForeignAnnotation => "foreign-annotation",
            Self::HeadlessLabel => "headless-label",
            Self::EmptySlices => "empty-slices",
            Self::UnownedPlaceholder => "unowned-placeholder",
            Self::PlaceholderEmptyLabel => "placeholder-empty-label",
            Self::TerminatingService => "terminating-service",
        }
    }
}

/// How often each exception applied.
pub(crate) type Exceptions = BTreeMap<Exception, usize>;
