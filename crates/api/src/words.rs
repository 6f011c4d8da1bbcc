//! Fields that hold one of a few words.
//!
//! Each of them has `Unknown` for a word that a newer version has written: one such object must not make a whole list
//! unreadable. The schema does not offer it, it is never written, and [`Problem`](crate::Problem) says where it stands.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An enum of words, with the default first, and `Unknown`.
macro_rules! words {
    (
        $(#[$of:meta])*
        $name:ident {
            $(#[doc = $of_default:literal])+ $default:ident
            $(, $(#[doc = $of_word:literal])+ $word:ident)*
            $(,)?
        }
    ) => {
        $(#[$of])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
        #[schemars(inline)]
        pub enum $name {
            $(#[doc = $of_default])+
            #[default]
            $default,
            $($(#[doc = $of_word])+
            $word,)*
            /// A word of a newer version. What it stands in must not be acted upon.
            #[serde(other, skip_serializing)]
            #[schemars(skip)]
            Unknown,
        }

        impl $name {
            /// What may stand in the field, and what it means.
            pub(crate) const WORDS: Words = &[
                (stringify!($default), concat!($($of_default),+)),
                $((stringify!($word), concat!($($of_word),+))),*
            ];

            /// Whether this version does not know what stands in the field.
            pub fn is_unknown(self) -> bool {
                self == Self::Unknown
            }
        }
    };
}

/// Words, and what they mean.
pub(crate) type Words = &'static [(&'static str, &'static str)];

/// The words of every enum here.
pub(crate) const ALL: [Words; 9] = [
    Usage::WORDS,
    State::WORDS,
    Strategy::WORDS,
    Consistency::WORDS,
    OnExhausted::WORDS,
    EnforceAddresses::WORDS,
    EnforcePorts::WORDS,
    EnforceReservation::WORDS,
    PortUse::WORDS,
];

words! {
    /// What the addresses of a pool are for.
    Usage {
        /// ClusterIPs of Services.
        ClusterIP,
    }
}

words! {
    /// What a pool does.
    State {
        /// It serves who it is for.
        Active,
        /// It serves only Services that ask for it by name.
        Manual,
        /// It gives nothing out any more; what is used stays.
        Draining,
        /// As if it did not exist, but what is used is still counted.
        Disabled,
    }
}

words! {
    /// Which free value is given next.
    Strategy {
        /// Any, so that a value comes back late and replicas seldom choose the same.
        Random,
        /// One that was never used, then the one that was released longest ago.
        LeastRecent,
        /// The first one.
        Sequential,
        /// One computed from namespace and name of the Service, or the next free one after it: a Service that is created
        /// anew most often gets what it had.
        Stable,
    }
}

words! {
    /// How replicas avoid to choose the same value at the same time. The apiserver refuses the second one in any case.
    Consistency {
        /// Each replica gives out of parts of its own, without a write.
        Sharded,
        /// Each value is claimed by an object first: one more write, and no refused request.
        Strict,
    }
}

words! {
    /// What becomes of a Service for which nothing is left in a pool.
    OnExhausted {
        /// The next pool that serves it is asked.
        NextPool,
        /// It is refused, with a message that names the pool.
        Reject,
        /// The allocator of kube-apiserver chooses.
        BuiltIn,
    }
}

words! {
    /// How it is ensured that a released address is given to nobody while it is in quarantine.
    EnforceAddresses {
        /// By an IPAddress object of ours, made as soon as the release is seen: binds kube-apiserver's allocator too. On
        /// Kubernetes 1.33 in memory, unless kube-apiserver runs with `DisableAllocatorDualWrite=true`.
        Hold,
        /// By a finalizer on the IPAddress of the Service, so that there is no moment between; Kubernetes 1.36 and newer.
        Gapless,
        /// In the memory of each replica: lost at a restart, and unknown to kube-apiserver's allocator.
        Memory,
        /// Not at all.
        Off,
    }
}

words! {
    /// How it is ensured that a released node port is given to nobody while it is in quarantine.
    EnforcePorts {
        /// In the memory of each replica: unknown to kube-apiserver's allocator.
        Memory,
        /// By a Service that stands in for it and takes a ClusterIP: binds kube-apiserver's allocator too.
        Hold,
        /// Not at all.
        Off,
    }
}

words! {
    /// How it is ensured that nobody else gets what is reserved.
    EnforceReservation {
        /// By objects that hold it: an IPAddress for an address, a Service that stands in for node ports. Binds
        /// kube-apiserver's allocator too. Addresses on Kubernetes 1.33 as by `Memory`, unless kube-apiserver runs with
        /// `DisableAllocatorDualWrite=true`.
        Hold,
        /// In the memory of each replica: unknown to kube-apiserver's allocator.
        Memory,
    }
}

words! {
    /// What a node port is for.
    PortUse {
        /// Ports of Services of type `NodePort`.
        NodePort,
        /// Ports of Services of type `LoadBalancer`.
        LoadBalancer,
        /// `healthCheckNodePort` of Services of type `LoadBalancer` with `externalTrafficPolicy: Local`.
        HealthCheck,
    }
}
