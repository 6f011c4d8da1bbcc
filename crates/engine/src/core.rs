//! The core: applies what is told, asks for writes while there is room, and takes the answers.

mod answer;
mod repairs;
mod seat;
mod turn;
mod warnings;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use quaymaster_model::{Interner, ObjectKey, Timestamp, Uid};
use quaymaster_queue::{Limit, LimitConfig, Priority};
use quaymaster_runtime::api::WriteError;
use quaymaster_runtime::health::{Condition, Heartbeat};
use quaymaster_runtime::metrics::WriteMetrics;
use quaymaster_runtime::permit::{Permit, Permits};
use quaymaster_runtime::pool::{SubmitError, WriteDone, WritePool, WriteRequest};
use quaymaster_world::{Delta, Kind, World};
use tokio::sync::mpsc::{Receiver, UnboundedReceiver};
use tokio_util::sync::CancellationToken;

use crate::controller::{Moment, Planned, Request};
use crate::feed::Told;
use crate::held_metrics::WorldMetrics;
use crate::kinds::{self, Object, Ops};

pub(crate) use seat::Seat;

/// The heartbeat is given at least this often, and gauges are brought up to date.
pub(crate) const TICK: Duration = Duration::from_secs(1);

/// Forgets shared values that nothing uses any more. The tables also sweep themselves when they double.
const SWEEP_EVERY: u32 = 300;

/// Answers taken at a stretch, before the watches have a turn: those of all writes that can be in flight, mostly.
const MOST_ANSWERS: usize = 64;

/// The clock that timers go by, also where a test holds it.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The time by the wall clock.
fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Timestamp(since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX)))
}

/// Identifies a write of a controller while it is in flight.
#[derive(Debug)]
pub(crate) struct Token {
    controller: usize,
    key: ObjectKey,
    kind: Kind,
    object: ObjectKey,
    uid: Option<Uid>,
    write: u64,
    /// How often the history of the kind had been lost when it was sent.
    losses: u32,
}

/// What the task of a write makes of its answer; nothing if that says no more than that the object is gone.
pub(crate) type Answered = Option<Object>;

/// The one owner of everything that decides.
pub(crate) struct Core {
    pub(crate) world: World,
    pub(crate) seats: Vec<Seat>,
    pub(crate) limit: Limit,
    pub(crate) pool: WritePool<Token, Answered>,
    pub(crate) permits: Permits,
    /// The present one of them.
    pub(crate) permit: Permit,
    pub(crate) interner: Arc<Interner>,
    pub(crate) world_metrics: WorldMetrics,
    pub(crate) write_metrics: WriteMetrics,
    pub(crate) heartbeat: Heartbeat,
    pub(crate) synced: Vec<(Kind, Condition)>,
    pub(crate) ticks: u32,
}

/// The limit of writes in flight at start.
pub(crate) fn limit() -> Limit {
    Limit::new(LimitConfig::default())
}

impl Core {
    pub(crate) async fn run(
        mut self,
        mut told: Receiver<Told>,
        mut answers: UnboundedReceiver<WriteDone<Token, Answered>>,
        cancel: CancellationToken,
    ) {
        let mut permits = self.permits.clone();
        self.permit = permits.current();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let due = self.next_due(now());
            tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                // First, or whoever keeps the rest busy would make this task look dead. It takes little, once a second.
                _ = tick.tick() => self.tick(),
                // What became due while nothing could be written is planned at once.
                permit = permits.next() => self.begin_term(permit),
                Some(done) = answers.recv() => {
                    self.answer(done);
                    // Those that wait are taken together: each may free room for the next writes.
                    for _ in 1..MOST_ANSWERS {
                        let Ok(done) = answers.try_recv() else { break };
                        self.answer(done);
                    }
                    // However fast answers come, what the watches tell is taken as well.
                    if let Ok(batch) = told.try_recv() {
                        self.tell(batch);
                    }
                }
                Some(batch) = told.recv() => self.tell(batch),
                () = sleep_until(due), if due.is_some() => {}
            }
            self.write();
        }
    }

    /// When there will be something to do without anything being told.
    fn next_due(&self, now: Instant) -> Option<Instant> {
        if !self.permit.is_valid(now) {
            // What is due stays so. A new permit wakes the loop.
            return None;
        }
        if self.limit.available(now) == 0 {
            // An answer wakes the loop, or the end of the pause that the apiserver asked for.
            return self.limit.paused_until(now);
        }
        self.seats.iter().filter_map(|seat| seat.next_due(now)).min()
    }

    fn begin_term(&mut self, permit: Permit) {
        self.permit = permit;
        let now = now();
        for seat in self.seats.iter_mut().filter(|seat| seat.started) {
            // Until now others wrote what is kept here, and rightly so.
            seat.forget_rivals();
            seat.controller.term_began(&self.world, &mut seat.dirty);
            seat.flush(now);
        }
    }

    fn tell(&mut self, batch: Told) {
        let synced = batch.apply(&mut self.world, &mut views(&mut self.seats, None));
        if let Some(kind) = synced {
            for (_, condition) in self.synced.iter().filter(|(of, _)| *of == kind) {
                condition.hold();
            }
            for seat in self.seats.iter_mut().filter(|seat| !seat.started) {
                if self.world.all_synced(seat.controller.reads()) {
                    seat.started = true;
                    seat.controller.start(&self.world, &mut seat.dirty);
                    tracing::info!(
                        controller = seat.controller.name(),
                        "all kinds are read; writing may begin"
                    );
                }
            }
        }
        let now = now();
        for seat in &mut self.seats {
            seat.flush(now);
        }
    }

    /// Asks for writes while there is room and something is due.
    fn write(&mut self) {
        let now = now();
        if !self.permit.is_valid(now) {
            return;
        }
        let moment = Moment {
            at: now,
            wall: wall(),
        };
        while let room @ 1.. = self.limit.available(now) {
            let Some(at) = turn::choose(&mut self.seats, now) else {
                return;
            };
            let seat = &mut self.seats[at];
            let Some(taken) = seat.take(now) else { return };
            let begun = tokio::time::Instant::now();
            seat.queue_metrics.taken(taken.waited);
            let Planned {
                requests,
                notices,
                standing,
                truncated,
                look_again,
            } = seat.controller.plan(&self.world, &taken.key, room, moment);
            seat.queue.done(&taken.key);
            if truncated {
                // Who plans nothing although there was room would plan nothing again, over and over.
                let pause = if requests.is_empty() { TICK } else { Duration::ZERO };
                seat.queue.add(taken.key.clone(), taken.priority, now + pause);
            }
            if let Some(at) = look_again {
                let at = if at > now { at } else { now + TICK };
                seat.queue.add(taken.key.clone(), Priority::Low, at);
            }
            for notice in notices {
                seat.events.emit(notice);
            }
            for notice in standing {
                seat.events.emit_once(notice);
            }
            for request in requests {
                self.submit(at, &taken.key, request);
            }
            self.seats[at].queue_metrics.done(begun.elapsed());
        }
    }

    fn submit(&mut self, controller: usize, key: &ObjectKey, request: Request) {
        let Request {
            verb,
            kind,
            object,
            part,
            uid,
            manager,
            body,
            write,
        } = request;
        let Ops { resource, accept, .. } = kinds::ops(kind);
        let path = resource.path(verb, part, &object, manager);
        let interner = Arc::clone(&self.interner);
        let token = Token {
            controller,
            key: key.clone(),
            kind,
            object,
            uid,
            write,
            losses: self.world.losses(kind),
        };
        let request = WriteRequest {
            verb,
            resource: resource.name,
            path,
            body,
            accept,
            read: Box::new(move |answer| kinds::read_answer(kind, verb, &interner, answer)),
            token,
        };
        let writer = &self.seats[controller].writer;
        match self.pool.submit(writer, &self.permit, request) {
            Ok(()) => {
                self.limit.on_start();
                self.seats[controller].sent(key);
            }
            Err(SubmitError::Full(request)) => {
                // The pool holds more than the limit ever allows, so this does not happen; the write is not lost if
                // it does.
                self.settle(request.token, verb, Err(WriteError::Aborted));
            }
        }
    }

    fn tick(&mut self) {
        self.heartbeat.beat();
        let now = now();
        for seat in &mut self.seats {
            let stats = seat.queue.stats(now);
            seat.queue_metrics.observe(&stats);
            seat.controller.measure(&self.world);
            seat.prune(now);
        }
        self.world_metrics.show(&self.world);
        let paused = self.limit.paused_until(now).is_some();
        self.write_metrics
            .limit(self.limit.in_flight(), self.limit.current(), paused);
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks.is_multiple_of(SWEEP_EVERY) {
            // A walk over large tables behind locks that readers take: nothing for this task.
            let interner = Arc::clone(&self.interner);
            tokio::task::spawn_blocking(move || interner.sweep());
        }
    }
}

/// Tells the controllers that have started what changes of the kinds that they read. What `writer` wrote is its own to
/// nobody else: the others are not told its answer.
fn views(seats: &mut [Seat], writer: Option<usize>) -> impl FnMut(&World, &Delta<'_>) + '_ {
    move |world: &World, delta: &Delta<'_>| {
        let concerned =
            |(_, seat): &(usize, &mut Seat)| seat.started && seat.controller.reads().contains(&delta.kind());
        let of_another = delta.of_another();
        for (at, seat) in seats.iter_mut().enumerate().filter(concerned) {
            let delta = if writer == Some(at) { delta } else { &of_another };
            seat.controller.on(world, delta, &mut seat.dirty);
        }
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
