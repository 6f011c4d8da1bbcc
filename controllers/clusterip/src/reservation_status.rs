//! What the status of a reservation should be.

use quaymaster_api::{BoundService, ServiceReservationSpec, ServiceReservationStatus};
use quaymaster_ipam::Value;
use quaymaster_ipam::reservations::{self, Settled};
use quaymaster_model::{ObjectKey, ServiceRecord, Timestamp};

use crate::conditions::{self, Wanted};

/// Types of conditions.
pub(crate) const RESERVED: &str = "Reserved";
pub(crate) const BOUND: &str = "Bound";
pub(crate) const CONFLICT: &str = "Conflict";

/// The reason of [`BOUND`] while there is no Service of the name.
pub(crate) const NO_SERVICE: &str = "NoService";

/// All that a status follows from.
pub(crate) struct Facts<'a> {
    pub(crate) key: &'a ObjectKey,
    pub(crate) generation: i64,
    pub(crate) spec: &'a ServiceReservationSpec,
    pub(crate) settled: &'a Settled,
    /// The Service of the name, if there is one.
    pub(crate) service: Option<&'a ServiceRecord>,
    /// A reserved value that another Service has.
    pub(crate) taken: Option<(Value, &'a ObjectKey)>,
    pub(crate) old: &'a ServiceReservationStatus,
    pub(crate) wall: Timestamp,
}

/// What the status of a reservation should be.
pub(crate) fn status(facts: &Facts<'_>) -> ServiceReservationStatus {
    let (bound, bound_to) = bound(facts);
    let wanted = vec![reserved(facts), bound, conflict(facts)];
    ServiceReservationStatus {
        observed_generation: Some(facts.generation),
        conditions: conditions::merged(&facts.old.conditions, wanted, facts.generation, facts.wall),
        bound_to,
    }
}

fn reserved(facts: &Facts<'_>) -> Wanted {
    let (key, service) = (facts.key, reservations::service(facts.key, facts.spec));
    let not = |reason, message: String| Wanted::new(RESERVED, false, reason, message);
    match (facts.settled, facts.taken) {
        (Settled::Kept { .. }, None) => Wanted::new(
            RESERVED,
            true,
            "Kept",
            format!("what ServiceReservation {key} asks for is kept for Service {service}"),
        ),
        (Settled::Kept { .. } | Settled::Conflict { .. }, _) => {
            not("Conflict", contested(facts).unwrap_or_default())
        }
        (Settled::Expired, _) => not(
            "Expired",
            format!(
                "Service {service} did not come in time: delete ServiceReservation {key}, or make expireAfterSeconds larger or \
                 leave it out"
            ),
        ),
        (Settled::Invalid(problem), _) => not(
            "Invalid",
            format!("ServiceReservation {key} reserves nothing until its spec is corrected: {problem}"),
        ),
    }
}

/// Who has what is asked for.
fn contested(facts: &Facts<'_>) -> Option<String> {
    let (key, service) = (facts.key, reservations::service(facts.key, facts.spec));
    match (facts.settled, facts.taken) {
        (Settled::Conflict { with, over: None }, _) => Some(format!(
            "ServiceReservation {with}, which is older, is for Service {service} as well: put all into one, and delete the other"
        )),
        (
            Settled::Conflict {
                with,
                over: Some(value),
            },
            _,
        ) => Some(format!(
            "ServiceReservation {with}, which is older, has {} as well: choose another for ServiceReservation {key}, or delete the \
             older one",
            value.told()
        )),
        (Settled::Kept { .. }, Some((value, other))) => Some(format!(
            "Service {other} has {}, which ServiceReservation {key} is to keep for Service {service}: delete that Service, or \
             reserve another one",
            value.told()
        )),
        _ => None,
    }
}

fn conflict(facts: &Facts<'_>) -> Wanted {
    let message = contested(facts);
    match (message, facts.settled) {
        (Some(message), Settled::Kept { .. }) => Wanted::new(CONFLICT, true, "InUse", message),
        (Some(message), _) => Wanted::new(CONFLICT, true, "OlderReservation", message),
        (None, _) => Wanted::new(
            CONFLICT,
            false,
            "NoConflict",
            format!("nobody else has what ServiceReservation {} asks for", facts.key),
        ),
    }
}

fn bound(facts: &Facts<'_>) -> (Wanted, Option<BoundService>) {
    let service = reservations::service(facts.key, facts.spec);
    // Since when there is no Service is told by the time of the transition: a reservation may end by it.
    let not = |reason, message: String| (Wanted::new(BOUND, false, reason, message).by_reason(), None);
    let Some(record) = facts.service else {
        return not(NO_SERVICE, format!("there is no Service {service} yet"));
    };
    let Settled::Kept { reservation, .. } = facts.settled else {
        return not(
            "NothingReserved",
            format!(
                "nothing is reserved for Service {service} by ServiceReservation {}",
                facts.key
            ),
        );
    };
    let lacks = |value: &&Value| match (value.address(), value.node_port()) {
        (Some(address), _) => record.cluster_ips.iter().all(|ip| ip.address != address),
        (None, Some(port)) => {
            record.ports.iter().all(|one| one.node_port != port) && record.health_check_node_port != port
        }
        (None, None) => true,
    };
    let values = reservation.values();
    if let Some(lacking) = values.iter().find(lacks) {
        return not(
            "OtherValues",
            format!(
                "Service {service} does not have {}: delete it and create it anew, and leave the choice to its reservation",
                lacking.told()
            ),
        );
    }
    let bound_to = BoundService {
        name: record.key.name.to_string(),
        uid: record.uid.to_string(),
    };
    let message = format!("Service {service} has all that is reserved for it");
    (Wanted::new(BOUND, true, "Bound", message), Some(bound_to))
}
