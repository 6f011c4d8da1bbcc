//! Why a request is refused, in a sentence for whoever sent it.

use std::fmt;
use std::time::Duration;

use quaymaster_model::ObjectKey;

use crate::{Class, Value, names};

/// Why a request is refused. Its text is one sentence that names the object, the cause and the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No pool has a value left.
    Exhausted {
        /// The Service.
        service: String,
        /// What it asked for.
        class: Class,
        /// The pools that were asked, and how many values each has.
        pools: Vec<(String, u128)>,
    },
    /// The annotation names a pool that is not there, or serves no such values.
    NoSuchPool {
        /// The Service.
        service: String,
        /// The annotation.
        annotation: &'static str,
        /// Its value.
        pool: String,
        /// What it asked for.
        class: Class,
    },
    /// The annotation names a pool that is not for this Service.
    NotAdmitted {
        /// The Service.
        service: String,
        /// The annotation.
        annotation: &'static str,
        /// The pool.
        pool: String,
        /// Its namespace, not its labels, keeps it out.
        by_namespace: bool,
    },
    /// The annotation names a pool that gives nothing out.
    Closed {
        /// The Service.
        service: String,
        /// The pool.
        pool: String,
        /// `Draining` or `Disabled`.
        state: &'static str,
    },
    /// What is reserved for the Service is another one's.
    ReservationConflict {
        /// The Service.
        service: String,
        /// What is reserved.
        value: Value,
        /// Who has it.
        holder: String,
    },
    /// A given value is kept for another Service.
    Reserved {
        /// The Service.
        service: String,
        /// What it asks for.
        value: Value,
        /// Who it is kept for.
        owner: ObjectKey,
    },
    /// A given value was released a short while ago.
    Quarantined {
        /// The Service.
        service: String,
        /// What it asks for.
        value: Value,
        /// Who had it.
        by: ObjectKey,
        /// The pool that has it rest.
        pool: String,
    },
    /// A given value is of a pool that is not for this Service.
    OutOfBounds {
        /// The Service.
        service: String,
        /// What it asks for.
        value: Value,
        /// The pool.
        pool: String,
    },
    /// A given address is written in a way that the apiserver loses track of.
    NotCanonical {
        /// The Service.
        service: String,
        /// As it is written.
        written: String,
        /// As it should be.
        canonical: String,
    },
    /// The apiserver repeats an update, and each attempt would cost an address.
    Repeated {
        /// The Service.
        service: String,
        /// When to try again.
        after: Duration,
    },
    /// A request of before left an address behind that the apiserver holds for the Service.
    Stray {
        /// The Service.
        service: String,
        /// The address.
        value: Value,
    },
    /// The Service cannot be read.
    Unreadable {
        /// The Service.
        service: String,
        /// What is wrong.
        error: String,
    },
    /// Not everything has been read yet.
    NotReady,
    /// The namespace has not been seen.
    NamespaceUnknown {
        /// The Service.
        service: String,
        /// Its namespace.
        namespace: String,
    },
}

impl Refusal {
    /// The status code and the reason of the apiserver that fit (`k8s.io/apimachinery/pkg/apis/meta/v1`, `StatusReason`).
    pub fn status(&self) -> (u16, &'static str) {
        match self {
            Self::Repeated { .. } | Self::Stray { .. } => (409, "Conflict"),
            Self::NotReady | Self::NamespaceUnknown { .. } => (503, "ServiceUnavailable"),
            Self::NotAdmitted { .. } | Self::OutOfBounds { .. } | Self::Reserved { .. } => (403, "Forbidden"),
            Self::Exhausted { .. }
            | Self::NoSuchPool { .. }
            | Self::Closed { .. }
            | Self::ReservationConflict { .. }
            | Self::Quarantined { .. }
            | Self::NotCanonical { .. }
            | Self::Unreadable { .. } => (422, "Invalid"),
        }
    }

    /// A word for metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Exhausted { .. } => "exhausted",
            Self::NoSuchPool { .. } => "no_such_pool",
            Self::NotAdmitted { .. } => "not_admitted",
            Self::Closed { .. } => "closed",
            Self::ReservationConflict { .. } => "reservation_conflict",
            Self::Reserved { .. } => "reserved",
            Self::Quarantined { .. } => "quarantined",
            Self::OutOfBounds { .. } => "out_of_bounds",
            Self::NotCanonical { .. } => "not_canonical",
            Self::Repeated { .. } => "repeated",
            Self::Stray { .. } => "stray",
            Self::Unreadable { .. } => "unreadable",
            Self::NotReady => "not_ready",
            Self::NamespaceUnknown { .. } => "namespace_unknown",
        }
    }
}

impl fmt::Display for Refusal {
    #[expect(clippy::too_many_lines, reason = "a sentence for each")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exhausted { service, class, pools } => {
                let kind = kind_of(*class);
                let full = pools.iter().map(|(pool, size)| format!("{kind} {pool} has none of {size} left"));
                write!(
                    f,
                    "no {class} is free for {service}: {}; give the pool more, delete Services that use it, or name another pool \
                     with the annotation {}",
                    full.collect::<Vec<_>>().join(", and "),
                    names::annotation(*class)
                )
            }
            Self::NoSuchPool {
                service,
                annotation,
                pool,
                class,
            } => write!(
                f,
                "{service} names {pool:?} with the annotation {annotation}, but there is no {} of this name that is ready and \
                 serves an {class}: correct the name or take the annotation out",
                kind_of(*class)
            ),
            Self::NotAdmitted {
                service,
                annotation,
                pool,
                by_namespace,
            } => {
                let (what, whose) = if *by_namespace {
                    ("its namespace", "namespaces and namespaceSelector")
                } else {
                    ("its labels", "serviceSelector")
                };
                write!(
                    f,
                    "{service} names the pool {pool:?} with the annotation {annotation}, but {what} may not use it: name another \
                     pool, or let it in by {whose} of the pool"
                )
            }
            Self::Closed { service, pool, state } => write!(
                f,
                "{service} names the pool {pool:?}, whose state is {state}: it gives nothing out; name another pool, or make it \
                 Active or Manual"
            ),
            Self::ReservationConflict {
                service,
                value,
                holder,
            } => write!(
                f,
                "{value} is reserved for {service}, but {holder} has it: change the ServiceReservation, or free the value"
            ),
            Self::Reserved { service, value, owner } => write!(
                f,
                "{service} asks for {value}, which a ServiceReservation keeps for Service {owner}: choose another value, or leave \
                 it empty"
            ),
            Self::Quarantined {
                service,
                value,
                by,
                pool,
            } => write!(
                f,
                "{service} asks for {value}, which Service {by} has released a short while ago and pool {pool} still keeps from \
                 use: wait, choose another value, or leave it empty"
            ),
            Self::OutOfBounds { service, value, pool } => write!(
                f,
                "{service} asks for {value} of the exclusive pool {pool}, which is not for it: choose another value, or leave it \
                 empty"
            ),
            Self::NotCanonical {
                service,
                written,
                canonical,
            } => write!(
                f,
                "{service} asks for {written}: write it as {canonical}, or the apiserver may give the address to another Service \
                 as well"
            ),
            Self::Repeated { service, after } => write!(
                f,
                "the update of {service} conflicts with others, and each attempt costs an address or a port: try again in {} s",
                after.as_secs().max(1)
            ),
            Self::Stray { service, value } => write!(
                f,
                "an update of {service} that failed has left {value} behind, which the apiserver frees within a minute: try again \
                 then"
            ),
            Self::Unreadable { service, error } => write!(f, "{service} cannot be read: {error}"),
            Self::NotReady => f.write_str(
                "quaymaster has not yet read which addresses and ports are in use, and gives none out before: try again in some \
                 seconds",
            ),
            Self::NamespaceUnknown { service, namespace } => write!(
                f,
                "quaymaster has not yet seen the namespace {namespace} of {service}, and does not know which pools are for it: \
                 try again"
            ),
        }
    }
}

fn kind_of(class: Class) -> &'static str {
    match class {
        Class::V4 | Class::V6 => "ServiceIPPool",
        Class::Port => "NodePortPool",
    }
}
