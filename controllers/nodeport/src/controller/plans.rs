//! What is to be done for a key.

use std::time::Duration;

use quaymaster_engine::{Moment, Planned};
use quaymaster_ipam::lock;
use quaymaster_model::ObjectKey;
use quaymaster_world::{NodePortPoolRecord, World};

use super::{NodePorts, Sent};
use crate::moves::{self, Move};
use crate::plan::{self, Facts};
use crate::{feed, notices, request};

/// How long a pool waits for the answer about the range before it looks again.
const AWAIT: Duration = Duration::from_millis(200);
/// How often a pool looks whether the range is known meanwhile, or a Service whether there is room for it.
const LOOK: Duration = Duration::from_secs(5);

impl NodePorts {
    pub(super) fn plan_question(&mut self, world: &World) -> Planned {
        let mut planned = Planned::default();
        let Some(port) = self.asker.port() else {
            return planned;
        };
        // Without pools nobody wants to know.
        if world.node_port_pools().next().is_some() {
            self.busy.insert(self.question.clone(), Sent::Question);
            planned.requests.push(request::ask(&self.question, port));
        }
        planned
    }

    pub(super) fn plan_pool(&mut self, world: &World, key: &ObjectKey, now: Moment) -> Planned {
        let mut planned = Planned::default();
        let Some(pool) = world.node_port_pool(key).filter(|pool| pool.deleted.is_none()) else {
            return planned;
        };
        if self.asker.is_awaited() {
            planned.look_again = Some(now.at + AWAIT);
            return planned;
        }
        let Some(compiled) = self.pools.get(&key.name) else {
            return planned;
        };
        let (numbers, expiry) = {
            let mut index = lock(&self.index);
            index.ports.expire(now.at);
            let numbers = feed::numbers(&index, world, &key.name);
            let waits = numbers.pending + numbers.quarantined > 0;
            let expiry = if waits { index.ports.next_expiry() } else { None };
            (numbers, expiry)
        };
        let unsure = self.asker.is_unsure().then(|| now.at + LOOK);
        planned.look_again = expiry.into_iter().chain(unsure).min();
        let status = plan::status(&Facts {
            pool,
            compiled,
            numbers,
            range: self.asker.known(),
            wall: now.wall,
        });
        if status == *pool.status || self.altered.get(key) == Some(&pool.resource_version) {
            return planned;
        }
        let due = self.pace.due(key, plan::is_news(&pool.status, &status), now.at);
        if due > now.at {
            planned.look_again = Some(planned.look_again.map_or(due, |at| at.min(due)));
            return planned;
        }
        for (reason, kind, because) in notices::TOLD {
            let told = (key.clone(), reason);
            if !notices::is_so(&status, kind, because) {
                self.told.remove(&told);
            } else if self.told.insert(told) && !notices::is_so(&pool.status, kind, because) {
                planned.notices.push(notices::became(pool, &status, reason, kind));
            }
        }
        planned.requests.push(request::status(pool, &status));
        self.pace.wrote(key, now.at);
        self.busy.insert(key.clone(), Sent::Status(Box::new(status)));
        planned
    }

    pub(super) fn plan_move(&mut self, world: &World, key: &ObjectKey, now: Moment) -> Planned {
        let mut planned = Planned::default();
        let Some(moves) = &mut self.moves else {
            return planned;
        };
        planned.notices.extend(moves.notices.remove(key));
        let service = world.service_id(key).and_then(|id| world.service(id));
        let Some(service) = service.filter(|service| !moves.is_done(service)) else {
            return planned;
        };
        if !moves::is_candidate(service, now.wall) {
            return planned;
        }
        if self.asker.is_awaited() {
            planned.look_again = Some(now.at + AWAIT);
            return planned;
        }
        match moves::choose(&mut lock(&self.index), service, now.at, self.random) {
            Move::None => {}
            Move::To(ports, pools) => {
                planned.requests.push(request::move_ports(service, &ports));
                let uid = service.uid.clone();
                self.busy.insert(key.clone(), Sent::Move { uid, ports, pools });
            }
            Move::Refused(refusal) => {
                let note = format!("The node ports of the Service stay where they are: {refusal}");
                planned.standing.push(notices::not_moved(service, note));
                planned.look_again = Some(now.at + LOOK);
            }
        }
        planned
    }

    /// The pool of a key, unless it is on its way out.
    pub(super) fn pool<'a>(world: &'a World, key: &ObjectKey) -> Option<&'a NodePortPoolRecord> {
        let pool = world.node_port_pool(key)?;
        pool.deleted.is_none().then_some(pool)
    }
}
