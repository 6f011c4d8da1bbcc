//! The controller as the engine sees it.

use std::time::{Duration, Instant};

use quaymaster_api::Claimed;
use quaymaster_engine::{Answer, Controller, Dirty, Moment, Planned, Request, Verdict};
use quaymaster_ipam::{Holder, Owner, Shared, Value, lock};
use quaymaster_model::{ObjectKey, Text, Timestamp};
use quaymaster_queue::Priority;
use quaymaster_world::{AllocationClaimRecord, Delta, Kind, World};

use crate::NAME;

/// How long a claim stays after it was made though its Service is there: until every replica has seen that.
const SETTLES: i64 = 5;

/// Keeps claims.
#[derive(Debug)]
pub struct ClaimController {
    index: Shared,
    clock: fn() -> Instant,
}

impl ClaimController {
    /// Feeds this index. What is claimed is claimed at the time that `clock` tells.
    pub fn new(index: Shared, clock: fn() -> Instant) -> Self {
        Self { index, clock }
    }

    fn claimed(&self, claim: &AllocationClaimRecord) {
        if let Some(value) = value(claim) {
            let mut index = lock(&self.index);
            index
                .ledger_mut(value.class)
                .set_claimed(value, owner(claim), (self.clock)());
        }
    }

    fn given_back(&self, claim: &AllocationClaimRecord) {
        let Some(value) = value(claim) else {
            return;
        };
        let mut index = lock(&self.index);
        index.ledger_mut(value.class).set_unclaimed(value);
    }
}

/// The value that a claim claims; none of one whose name says none, as a user may have made it.
fn value(claim: &AllocationClaimRecord) -> Option<Value> {
    match claim.key.name.parse().ok()? {
        Claimed::Address(address) => Some(address.into()),
        Claimed::NodePort(port) => Some(Value::port(port)),
    }
}

fn owner(claim: &AllocationClaimRecord) -> Owner {
    match &claim.spec.name {
        Some(name) => Owner::Named(ObjectKey::new(Text::new(&claim.spec.namespace), Text::new(name))),
        None => Owner::Request(claim.spec.request_uid.clone()),
    }
}

impl Controller for ClaimController {
    fn name(&self) -> &'static str {
        NAME
    }

    fn reads(&self) -> &'static [Kind] {
        &[Kind::AllocationClaim, Kind::Service]
    }

    fn start(&mut self, world: &World, dirty: &mut Dirty) {
        for claim in world.allocation_claims() {
            self.claimed(claim);
            dirty.mark(claim.key.clone(), Priority::Low, Duration::ZERO);
        }
    }

    fn on(&mut self, _: &World, delta: &Delta<'_>, dirty: &mut Dirty) {
        let Delta::AllocationClaim { change, .. } = delta else {
            return;
        };
        let key = change.latest().key.clone();
        match (change.before(), change.after()) {
            (None, Some(claim)) => {
                self.claimed(claim);
                dirty.mark(key, Priority::Low, Duration::ZERO);
            }
            (Some(claim), None) => {
                self.given_back(claim);
                dirty.forget(key);
            }
            _ => {}
        }
    }

    fn term_began(&mut self, world: &World, dirty: &mut Dirty) {
        for claim in world.allocation_claims() {
            dirty.mark(claim.key.clone(), Priority::Low, Duration::ZERO);
        }
    }

    fn plan(&mut self, world: &World, key: &ObjectKey, _: usize, now: Moment) -> Planned {
        let mut planned = Planned::default();
        let Some(claim) = world.allocation_claim(key) else {
            return planned;
        };
        let in_use = value(claim).is_some_and(|value| {
            let index = lock(&self.index);
            matches!(index.ledger(value.class).holder(value), Some(Holder::Service(_)))
        });
        let lives = if in_use {
            SETTLES
        } else {
            claim.spec.seconds_to_live.into()
        };
        let Timestamp(made) = claim.created.unwrap_or(now.wall);
        let left = made + lives - now.wall.0;
        match u64::try_from(left) {
            Ok(left) if left > 0 => {
                // A Service may show up meanwhile.
                let next = Duration::from_secs(left.min(SETTLES.unsigned_abs()));
                planned.look_again = Some(now.at + next);
            }
            _ => planned.requests.push(Request::delete(
                Kind::AllocationClaim,
                key.clone(),
                claim.uid.clone(),
                None,
                0,
            )),
        }
        planned
    }

    fn answered(&mut self, _: &World, answer: &Answer<'_>) -> Verdict {
        match answer.result {
            Ok(_) => Verdict::Done,
            Err(_) => Verdict::Retry { notice: None },
        }
    }

    fn measure(&mut self, _: &World) {}

    fn rival(&self) -> &'static str {
        "claims are quaymaster's own: whoever else writes them should stop"
    }
}

#[cfg(test)]
mod tests;
