//! What may differ, by name.

use std::collections::BTreeMap;

macro_rules! exceptions {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// A named reason for which two controllers' results may differ.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Exception { $($(#[$doc])* $variant,)* }

        impl Exception {
            /// Every exception.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name in `docs/differences.md`, which explains each.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

exceptions! {
    /// Slices of a Service that has lost its selector, or is of type `ExternalName`, stay as they were; how they
    /// were depends on which changes were still seen.
    LeftBehind = "left-behind";
    /// A Service that is being deleted gets no new slices: which it has depends on how far the controller was. A
    /// family of which it had a slice keeps one.
    TerminatingService = "terminating-service";
    /// Which zones the hints of the topology annotation name, within the bounds of the algorithm.
    AutoHints = "auto-hints";
    /// Hints on endpoints that are not ready stay in slices that were copied, and go in those that were built anew.
    UnreadyHints = "unready-hints";
    /// Annotations of others survive an update in place, and not one that recycles the slice.
    ForeignAnnotation = "foreign-annotation";
    /// The headless label is corrected only when something else changes.
    HeadlessLabel = "headless-label";
    /// Empty slices stay where they are once there; which there are depends on what there was before.
    EmptySlices = "empty-slices";
    /// Upstream takes a placeholder with a label without value for one that lacks the label, so the label stays
    /// missing, or stays.
    PlaceholderEmptyLabel = "placeholder-empty-label";
    /// kube-controller-manager takes an empty slice that is not, or no longer, owned by the Service for its
    /// placeholder (fixed after 1.37, kubernetes/kubernetes#141593); quaymaster replaces it by one that is owned, so
    /// that the garbage collector does not take the Service's only slice.
    UnownedPlaceholder = "unowned-placeholder";
    /// The order of subsets hangs on uids, and so does which addresses are cut off above a thousand.
    TruncatedOrder = "truncated-order";
    /// kube-controller-manager asks for Endpoints with a subset of which all addresses were cut off, which the API refuses,
    /// so that they stay as they were.
    RefusedTruncation = "refused-truncation";
    /// Endpoints of a Service without selector that was deleted and made again: whether those of the earlier one go
    /// depends on whether the controller looked in between.
    RecreatedService = "recreated-service";
    /// Endpoints that no Service is of, deleted by somebody and made again: kube-controller-manager looks for a Service when
    /// the first ones go, and deletes what has been made by then.
    RecreatedEndpoints = "recreated-endpoints";
    /// kube-controller-manager does not miss the owner of a mirrored slice.
    UnownedMirror = "unowned-mirror";
    /// kube-controller-manager mixes up which mirrored slice it makes of which, and asks for one that is there.
    MirrorRecycling = "mirror-recycling";
    /// Subsets of the same ports with an application protocol stay apart, and come together in one slice.
    ApplicationProtocol = "application-protocol";
    /// Of equal ServiceCIDRs that are deleted together kube-controller-manager lets all go, also where addresses hang on
    /// them.
    EqualCidrs = "equal-cidrs";
    /// Of ServiceCIDRs that overlap and are deleted together either may be the one that stays for the addresses in both.
    EitherCidr = "either-cidr";
    /// Whether a ServiceCIDR that somebody else's finalizer keeps has that of the controller depends on whether it was faster
    /// than the deletion.
    LateFinalizer = "late-finalizer";
}

/// How often each exception applied.
pub type Exceptions = BTreeMap<Exception, usize>;
