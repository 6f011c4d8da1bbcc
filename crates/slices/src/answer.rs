//! What an answer tells about a slice.

use std::sync::Arc;

use quaymaster_model::{Interned, SliceRecord, Uid};

use crate::cluster::Context;
use crate::held::{Held, InFlight, InFlightWrite};
use crate::issue::owner;
use crate::state::ServiceSlices;
use crate::write::{Failure, Outcome};

/// What is held of a slice once its write is answered.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) observed: Option<Arc<SliceRecord>>,
    pub(crate) altered: Option<Arc<SliceRecord>>,
    pub(crate) uncertain: bool,
    /// The slice counts as what was sent. If not, it must be looked at again.
    pub(crate) as_sent: bool,
}

impl Answered {
    fn plain(observed: Option<Arc<SliceRecord>>, as_sent: bool) -> Self {
        Self {
            observed,
            altered: None,
            uncertain: false,
            as_sent,
        }
    }
}

impl ServiceSlices {
    pub(crate) fn answered<C>(
        &self,
        cx: Context<'_, C>,
        held: &Held,
        in_flight: &InFlight,
        outcome: Outcome,
    ) -> Answered {
        let observed = held.observed.as_ref().map(|(slice, _)| Arc::clone(slice));
        // Another slice of that name, which the watch told before this answer came.
        let replaced = |slice: &Arc<SliceRecord>| {
            let over = in_flight.over.as_ref();
            over.is_some_and(|(uid, _)| *uid != slice.uid)
        };
        let other = |observed, uncertain| Answered {
            observed,
            altered: held.altered.clone(),
            uncertain,
            as_sent: false,
        };
        match outcome {
            Outcome::Stored(stored) => self.stored(cx, in_flight, observed, &stored),
            Outcome::Deleted | Outcome::Failed(Failure::Missing) => other(observed.filter(replaced), false),
            Outcome::Deleting => other(observed.map(|slice| going_unless(replaced(&slice), slice)), false),
            Outcome::Failed(failure) => {
                // What was observed since is later than the write, whether or not that was carried out.
                let uncertain = failure == Failure::Other
                    && in_flight.over.as_ref().is_some_and(|(_, version)| {
                        observed
                            .as_ref()
                            .is_some_and(|slice| slice.resource_version == *version)
                    });
                other(observed, uncertain)
            }
        }
    }

    fn stored<C>(
        &self,
        cx: Context<'_, C>,
        in_flight: &InFlight,
        seen: Option<Arc<SliceRecord>>,
        stored: &Arc<SliceRecord>,
    ) -> Answered {
        // The watch may have been faster, and may know of a later change.
        let newest = match seen {
            Some(seen) if stored.resource_version.is_older_than(&seen.resource_version) => seen,
            None if in_flight.gone.as_ref().is_some_and(|(uid, version)| {
                *uid == stored.uid || stored.resource_version.is_older_than(version)
            }) =>
            {
                return Answered::plain(None, false);
            }
            _ => Arc::clone(stored),
        };
        let InFlightWrite::Put {
            endpoints,
            group,
            labels,
            ..
        } = &in_flight.what
        else {
            return Answered::plain(Some(newest), false);
        };
        let ports = &self.groups.get(*group).ports;
        let is_sent = newest.endpoints == **endpoints
            && *newest.labels == *labels
            && *newest.ports == *ports
            && newest.owned_by_service(&self.uid);
        let is_edited = stored.uid != newest.uid || !same_content(stored, &newest, &self.uid);
        if is_sent || is_edited {
            return Answered::plain(Some(newest), is_sent);
        }
        let mut sent = SliceRecord {
            labels: Interned::from_value(labels.clone()),
            ports: Interned::from_value(ports.clone()),
            endpoints: endpoints.to_vec(),
            ..SliceRecord::clone(&newest)
        };
        if !sent.owned_by_service(&self.uid) {
            sent.owners.push(owner(cx));
        }
        Answered {
            observed: Some(Arc::new(sent)),
            altered: Some(newest),
            uncertain: false,
            as_sent: true,
        }
    }
}

impl Held {
    /// The slice as it counts, if it still has what the apiserver once stored instead of what was sent: what was sent,
    /// in its newest version.
    pub(crate) fn as_believed(&self, slice: &SliceRecord, service: &Uid) -> Option<Arc<SliceRecord>> {
        let altered = self.altered.as_deref()?;
        let (believed, _) = self.observed.as_ref()?;
        (altered.uid == slice.uid && same_content(altered, slice, service)).then(|| {
            let mut newest = SliceRecord {
                labels: Interned::clone(&believed.labels),
                ports: Interned::clone(&believed.ports),
                endpoints: believed.endpoints.clone(),
                ..slice.clone()
            };
            if !newest.owned_by_service(service) {
                newest.owners.clone_from(&believed.owners);
            }
            Arc::new(newest)
        })
    }
}

/// Whether two slices agree in all that a write decides about.
fn same_content(a: &SliceRecord, b: &SliceRecord, service: &Uid) -> bool {
    a.endpoints == b.endpoints
        && a.labels == b.labels
        && a.ports == b.ports
        && a.owned_by_service(service) == b.owned_by_service(service)
}

fn going_unless(replaced: bool, slice: Arc<SliceRecord>) -> Arc<SliceRecord> {
    if replaced {
        return slice;
    }
    Arc::new(SliceRecord {
        terminating: true,
        ..SliceRecord::clone(&slice)
    })
}
