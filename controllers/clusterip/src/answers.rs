//! What becomes of what was written.

use std::net::IpAddr;
use std::sync::Arc;

use quaymaster_engine::controller::{Object, Stored};
use quaymaster_engine::{Answer, Verdict};
use quaymaster_model::{IpAddressRecord, ObjectKey, Text};
use quaymaster_runtime::api::WriteError;
use quaymaster_world::World;

use crate::controller::{Busy, ClusterIps, Watched};
use crate::{feed, notices, target};

impl ClusterIps {
    pub(crate) fn pool_answered(&mut self, name: &Text, answer: &Answer<'_>) -> Verdict {
        let Some(written) = self.pools.get_mut(name) else {
            return Verdict::Done;
        };
        written.busy = false;
        match &answer.result {
            Ok(Stored::Object(Object::ServiceIpPool(stored))) => {
                let sent = written.sent.as_ref().map(|(sent, _)| sent);
                if sent.is_none_or(|sent| *sent == *stored.status) {
                    return Verdict::Again;
                }
                written.altered = Some(stored.resource_version.clone());
                Verdict::Altered {
                    more: false,
                    notice: notices::altered("ServiceIPPool", stored),
                }
            }
            Ok(_) | Err(WriteError::NotFound { .. }) => Verdict::Done,
            Err(_) => Verdict::Retry { notice: None },
        }
    }

    pub(crate) fn reservation_answered(&mut self, key: &ObjectKey, answer: &Answer<'_>) -> Verdict {
        let Some(written) = self.reservations.get_mut(key) else {
            return Verdict::Done;
        };
        written.busy = false;
        match &answer.result {
            Ok(Stored::Object(Object::ServiceReservation(stored))) => {
                let sent = written.sent.as_ref().map(|(sent, _)| sent);
                if sent.is_none_or(|sent| *sent == *stored.status) {
                    return Verdict::Again;
                }
                written.altered = Some(stored.resource_version.clone());
                Verdict::Altered {
                    more: false,
                    notice: notices::altered("ServiceReservation", stored),
                }
            }
            Ok(_) | Err(WriteError::NotFound { .. }) => Verdict::Done,
            Err(_) => Verdict::Retry { notice: None },
        }
    }

    pub(crate) fn address_answered(
        &mut self,
        world: &World,
        address: IpAddr,
        answer: &Answer<'_>,
    ) -> Verdict {
        let mut watched = self.addresses.remove(&address).unwrap_or_default();
        let verdict = answered(world, address, answer, &mut watched);
        if matches!(answer.result, Ok(Stored::Object(Object::IpAddress(_))))
            && let Some(since) = watched.unheld_since.take()
        {
            let now = (self.clock)().at;
            self.metrics.held_after(now.saturating_duration_since(since));
        }
        if watched != Watched::default() {
            self.addresses.insert(address, watched);
        }
        verdict
    }
}

fn answered(world: &World, address: IpAddr, answer: &Answer<'_>, watched: &mut Watched) -> Verdict {
    let busy = watched.busy.take();
    match (&answer.result, busy) {
        (Ok(Stored::Object(Object::Service(service))), Some(Busy::Look)) => {
            if service.cluster_ips.iter().all(|ip| ip.address != address) {
                // The watch is behind, and tells it soon.
                watched.missing = None;
                return Verdict::Done;
            }
            if let Some(missing) = &mut watched.missing {
                missing.confirmed = true;
            }
            Verdict::Again
        }
        (Ok(Stored::Gone), Some(Busy::Look)) => {
            watched.missing = None;
            Verdict::Done
        }
        (Ok(Stored::Object(Object::IpAddress(stored))), Some(busy @ (Busy::Hold | Busy::Restore))) => {
            watched.taken_away = None;
            watched.came_too_early = false;
            watched.missing = None;
            if is_as_sent(stored, busy) {
                return Verdict::Again;
            }
            Verdict::Altered {
                more: false,
                notice: notices::altered_address(stored),
            }
        }
        (Err(WriteError::AlreadyExists { .. }), Some(Busy::Hold)) => {
            let there = world
                .ip_address(&target::clusterwide(&address.to_string()))
                .is_some();
            let again = watched.came_too_early;
            watched.came_too_early = true;
            match (there, again) {
                // Its deletion will be told.
                (true, _) => Verdict::Done,
                // It was told while the answer was under way.
                (false, false) => Verdict::Again,
                // Somebody has made one that was not told yet.
                (false, true) => Verdict::Retry { notice: None },
            }
        }
        // The apiserver's repair loop was faster with what is to be restored.
        (Err(WriteError::AlreadyExists { .. }), Some(Busy::Restore)) | (Ok(_), _) => Verdict::Done,
        (Err(_), _) => Verdict::Retry { notice: None },
    }
}

fn is_as_sent(stored: &Arc<IpAddressRecord>, busy: Busy) -> bool {
    match busy {
        Busy::Hold => feed::is_hold(stored),
        Busy::Restore | Busy::Look | Busy::Release => stored.is_of_allocator(),
    }
}
