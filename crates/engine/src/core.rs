//! The core: applies what is told, asks for writes while there is room, and takes the answers.

mod repairs;
mod seat;
mod turn;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use quaymaster_model::{Interner, ObjectKey, SliceRecord, Uid};
use quaymaster_queue::{Limit, LimitConfig, Priority};
use quaymaster_runtime::api::{Verb, WriteError};
use quaymaster_runtime::health::{Condition, Heartbeat};
use quaymaster_runtime::metrics::WriteMetrics;
use quaymaster_runtime::permit::Permit;
use quaymaster_runtime::pool::{SubmitError, WriteDone, WritePool, WriteRequest};
use quaymaster_wire::json::Json;
use quaymaster_world::{Delta, Kind, World};
use tokio::sync::mpsc::{Receiver, UnboundedReceiver};
use tokio_util::sync::CancellationToken;

use crate::controller::{Answer, Request, Stored, Verdict};
use crate::feed::{self, Told};
use crate::observe;

pub(crate) use seat::Seat;

/// The heartbeat is given at least this often, and gauges are brought up to date.
pub(crate) const TICK: Duration = Duration::from_secs(1);

/// Forgets shared values that nothing uses any more. The tables also sweep themselves when they double.
const SWEEP_EVERY: u32 = 300;

/// Answers taken at a stretch, before the watches have a turn: those of all writes that can be in flight, mostly.
const MOST_ANSWERS: usize = 64;

/// Cause of a retry after an answer that was no failure: the apiserver stored something other than what was sent.
const STORED_OTHERWISE: &str = "stored_otherwise";

/// The clock that timers go by, also where a test holds it.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Identifies a write of a controller while it is in flight.
#[derive(Debug)]
pub(crate) struct Token {
    controller: usize,
    key: ObjectKey,
    object: ObjectKey,
    uid: Option<Uid>,
    write: u64,
}

/// The one owner of everything that decides.
pub(crate) struct Core {
    pub(crate) world: World,
    pub(crate) seats: Vec<Seat>,
    pub(crate) limit: Limit,
    pub(crate) pool: WritePool<Token>,
    pub(crate) permit: Permit,
    pub(crate) interner: Arc<Interner>,
    pub(crate) slices: Json<SliceRecord>,
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
        mut answers: UnboundedReceiver<WriteDone<Token>>,
        cancel: CancellationToken,
    ) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let due = self.next_due(now());
            tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                // First, or whoever keeps the rest busy would make this task look dead. It takes little, once a second.
                _ = tick.tick() => self.tick(),
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
            // Lost for good: what is due stays so.
            return None;
        }
        if self.limit.available(now) == 0 {
            // An answer wakes the loop, or the end of the pause that the apiserver asked for.
            return self.limit.paused_until(now);
        }
        self.seats.iter().filter_map(|seat| seat.next_due(now)).min()
    }

    fn tell(&mut self, batch: Told) {
        let seats = &mut self.seats;
        let synced = observe::apply(batch, &mut self.world, &mut |world: &World, delta: &Delta<'_>| {
            for seat in seats.iter_mut().filter(|seat| seat.started) {
                seat.controller.on(world, delta, &mut seat.dirty);
            }
        });
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
        while let room @ 1.. = self.limit.available(now) {
            let Some(at) = turn::choose(&mut self.seats, now) else {
                return;
            };
            let seat = &mut self.seats[at];
            let Some(taken) = seat.take(now) else { return };
            let begun = tokio::time::Instant::now();
            seat.queue_metrics.taken(taken.waited);
            let planned = seat.controller.plan(&self.world, &taken.key, room);
            seat.queue.done(&taken.key);
            if planned.truncated {
                // Who plans nothing although there was room would plan nothing again, over and over.
                let pause = if planned.requests.is_empty() {
                    TICK
                } else {
                    Duration::ZERO
                };
                seat.queue.add(taken.key.clone(), taken.priority, now + pause);
            }
            for notice in planned.notices {
                seat.events.emit(notice);
            }
            for request in planned.requests {
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
            uid,
            body,
            write,
        } = request;
        let path = path(kind, &object, verb);
        let token = Token {
            controller,
            key: key.clone(),
            object,
            uid,
            write,
        };
        let request = WriteRequest {
            verb,
            resource: feed::resource(kind),
            path,
            body,
            token,
        };
        match self.pool.submit(&self.permit, request) {
            Ok(()) => {
                self.limit.on_start();
                self.seats[controller].sent(key);
            }
            Err(SubmitError::Full(request)) => {
                // The pool holds more than the limit ever allows, so this does not happen; the write is not lost if
                // it does.
                self.settle(request.token, verb, &Err(WriteError::Aborted));
            }
        }
    }

    fn answer(&mut self, done: WriteDone<Token>) {
        let now = now();
        self.write_metrics.ended(
            done.verb,
            done.resource,
            WriteError::label_of(&done.result),
            done.latency,
        );
        let outcome = WriteError::outcome_of(&done.result);
        self.limit.on_end(now, done.latency, outcome);
        self.seats[done.token.controller].ended(&done.token.key);
        let WriteDone {
            token, verb, result, ..
        } = done;
        self.settle(token, verb, &result);
    }

    /// An answer goes into the world first, then to the controller that asked.
    fn settle(&mut self, token: Token, verb: Verb, result: &Result<Bytes, WriteError>) {
        let stored = match result {
            Ok(body) => self.stored(&token, verb, body),
            // What is to be deleted and is not there needs no deletion.
            Err(WriteError::NotFound { .. }) if verb == Verb::Delete => Ok(self.gone(&token)),
            Err(error) => Err(error),
        };
        let answer = Answer {
            key: &token.key,
            object: &token.object,
            verb,
            write: token.write,
            result: stored,
        };
        let now = now();
        for seat in &mut self.seats {
            seat.flush(now);
        }
        let seat = &mut self.seats[token.controller];
        let verdict = seat.controller.answered(&self.world, &answer);
        // An answer after which the controller wants a pause is no success, whatever the apiserver says: forgotten
        // failures would make the pause the shortest again, each time.
        if answer.result.is_ok() && !matches!(verdict, Verdict::Retry { .. }) {
            seat.queue.forget(&token.key);
        }
        match verdict {
            Verdict::Done => {}
            Verdict::Again => seat.queue.add(token.key, Priority::Normal, now),
            Verdict::Retry { notice } => {
                let at = seat.queue.retry(token.key.clone(), Priority::Normal, now);
                match &answer.result {
                    Ok(_) => seat.queue_metrics.retried(STORED_OTHERWISE),
                    Err(error) => {
                        let delay = at.saturating_duration_since(now);
                        log_failure(seat.controller.name(), &token.object, verb, error, delay);
                        seat.queue_metrics.retried(error.label());
                    }
                }
                if let Some(notice) = notice {
                    seat.events.emit(notice);
                }
            }
        }
    }

    fn stored<'e>(&mut self, token: &Token, verb: Verb, body: &Bytes) -> Result<Stored, &'e WriteError> {
        if verb == Verb::Delete && !is_object(body) {
            return Ok(self.gone(token));
        }
        match self.slices.object(body) {
            Ok(slice) => {
                let terminating = verb == Verb::Delete;
                let uid = slice.uid.clone();
                let seats = &mut self.seats;
                self.world
                    .observe_written(slice, &mut |world: &World, delta: &Delta<'_>| {
                        for seat in seats.iter_mut().filter(|seat| seat.started) {
                            seat.controller.on(world, delta, &mut seat.dirty);
                        }
                    });
                if terminating {
                    return Ok(Stored::Going);
                }
                // The watch may have been faster, and may know more: even that the slice is gone again.
                let held = self.world.slice(&token.object).filter(|held| held.uid == uid);
                Ok(held.map_or(Stored::Gone, |held| Stored::Slice(Arc::clone(held))))
            }
            Err(error) => {
                tracing::error!(object = %token.object, %error, "the answer to a write cannot be read");
                Err(&WriteError::Aborted)
            }
        }
    }

    fn gone(&mut self, token: &Token) -> Stored {
        if let Some(uid) = &token.uid {
            let seats = &mut self.seats;
            self.world
                .observe_deleted(&token.object, uid, &mut |world: &World, delta: &Delta<'_>| {
                    for seat in seats.iter_mut().filter(|seat| seat.started) {
                        seat.controller.on(world, delta, &mut seat.dirty);
                    }
                });
        }
        Stored::Gone
    }

    fn tick(&mut self) {
        self.heartbeat.beat();
        let now = now();
        for seat in &mut self.seats {
            let stats = seat.queue.stats(now);
            seat.queue_metrics.observe(&stats);
            seat.controller.measure(&self.world);
            seat.repairs.prune(now);
        }
        let paused = self.limit.paused_until(now).is_some();
        self.write_metrics
            .limit(self.limit.in_flight(), self.limit.current(), paused);
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks.is_multiple_of(SWEEP_EVERY) {
            self.interner.sweep();
        }
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

fn log_failure(
    controller: &'static str,
    object: &ObjectKey,
    verb: Verb,
    error: &WriteError,
    delay: Duration,
) {
    let verb = verb.label();
    match error {
        // The usual result of somebody else's change; the next look puts it right.
        WriteError::Conflict { .. } | WriteError::NotFound { .. } | WriteError::AlreadyExists { .. } => {
            tracing::debug!(controller, %object, verb, %error, ?delay, "write refused; looking again");
        }
        _ => tracing::warn!(controller, %object, verb, %error, ?delay, "write failed; trying again"),
    }
}

/// Whether the answer to a delete is the object itself, which then is only on its way out, rather than a Status.
fn is_object(body: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Head {
        kind: String,
    }
    serde_json::from_slice::<Head>(body).is_ok_and(|head| head.kind != "Status")
}

fn path(kind: Kind, object: &ObjectKey, verb: Verb) -> String {
    let collection = match kind {
        Kind::Slice => format!(
            "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices",
            object.namespace
        ),
        Kind::Service => format!("/api/v1/namespaces/{}/services", object.namespace),
        Kind::Pod => format!("/api/v1/namespaces/{}/pods", object.namespace),
        Kind::Node => "/api/v1/nodes".to_owned(),
    };
    if verb == Verb::Create {
        collection
    } else {
        format!("{collection}/{}", object.name)
    }
}

#[cfg(test)]
mod tests;
