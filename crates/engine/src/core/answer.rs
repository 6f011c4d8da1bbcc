//! What becomes of a request, and who is told.

use std::time::Duration;

use quaymaster_queue::Priority;
use quaymaster_runtime::api::{Verb, WriteError};
use quaymaster_runtime::pool::WriteDone;

use super::{Answered, Core, Token, now, views};
use crate::controller::{Answer, Stored, Verdict};
use crate::kinds::{self, Object};

/// Cause of a retry after an answer that was no failure: the apiserver stored something other than what was sent.
const STORED_OTHERWISE: &str = "stored_otherwise";

impl Core {
    pub(super) fn answer(&mut self, done: WriteDone<Token, Answered>) {
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
        self.settle(token, verb, result);
    }

    /// An answer goes into the world first, then to the controller that asked.
    pub(super) fn settle(&mut self, token: Token, verb: Verb, result: Result<Answered, WriteError>) {
        // What was done or found in a history that was lost since says nothing about the present one. Nothing else would
        // ever tell what is stored, so it is to be found out.
        let is_lost = token.losses != self.world.losses(token.kind);
        let result = if is_lost { Err(WriteError::Aborted) } else { result };
        let error;
        let result = match result {
            Ok(Some(object)) => Ok(self.stored(&token, verb, object)),
            Ok(None) => Ok(self.gone(&token, verb)),
            // What is to be deleted and is not there needs no deletion.
            Err(WriteError::NotFound { .. }) if matches!(verb, Verb::Delete | Verb::Get) => {
                Ok(self.gone(&token, verb))
            }
            Err(failure) => {
                error = failure;
                Err(&error)
            }
        };
        let answer = Answer {
            key: &token.key,
            object: &token.object,
            verb,
            write: token.write,
            result,
        };
        let now = now();
        for seat in &mut self.seats {
            seat.flush(now);
        }
        let seat = &mut self.seats[token.controller];
        if let (Verb::Update, Err(WriteError::Conflict { .. })) = (verb, &answer.result) {
            seat.conflicted(&token.object, now);
        }
        let verdict = seat.controller.answered(&self.world, &answer);
        let controller = seat.controller.name();
        let pause = matches!(verdict, Verdict::Retry { .. });
        // An answer after which the controller wants a pause is no success, whatever the apiserver says: forgotten
        // failures would make the pause the shortest again, each time.
        if answer.result.is_ok() && !pause {
            seat.queue.forget(&token.key);
            if let Some(held_back) = seat.failures.succeeded(&token.key, verb, &token.object) {
                tracing::info!(
                    controller,
                    key = %token.key,
                    object = %token.object,
                    verb = verb.label(),
                    held_back,
                    "write succeeded after failures"
                );
            }
        }
        match verdict {
            Verdict::Done => {}
            Verdict::Again => seat.queue.add(token.key, Priority::Normal, now),
            Verdict::Altered { more, notice } => {
                if more {
                    seat.queue.add(token.key.clone(), Priority::Normal, now);
                }
                if seat.altered.due(&token.key, now) {
                    tracing::warn!(controller, key = %token.key, "{}", notice.note);
                    seat.events.emit(notice);
                }
            }
            Verdict::Retry { notice } => {
                let at = seat.queue.retry(token.key.clone(), Priority::Normal, now);
                let delay = at.saturating_duration_since(now);
                let cause = answer.result.as_ref().err().map_or(STORED_OTHERWISE, |error| {
                    let told = if is_passing(error) {
                        None
                    } else {
                        seat.failures.failed(&token.key, verb, &token.object, now)
                    };
                    log_failure(controller, &token, verb, error, delay, told);
                    error.label()
                });
                seat.queue_metrics.retried(cause);
                if let Some(notice) = notice {
                    seat.events.emit(notice);
                }
            }
        }
    }

    fn stored(&mut self, token: &Token, verb: Verb, object: Object) -> Stored {
        if verb == Verb::Get {
            return Stored::Object(object);
        }
        let views = &mut views(&mut self.seats, Some(token.controller));
        kinds::written(&object, &mut self.world, views);
        if verb == Verb::Delete {
            Stored::Going
        } else {
            Stored::Object(object)
        }
    }

    fn gone(&mut self, token: &Token, verb: Verb) -> Stored {
        if let Some(uid) = token.uid.as_ref().filter(|_| verb == Verb::Delete) {
            let views = &mut views(&mut self.seats, Some(token.controller));
            kinds::deleted(token.kind, &token.object, uid, &mut self.world, views);
        }
        Stored::Gone
    }
}

/// The usual result of somebody else's change; the next look puts it right.
fn is_passing(error: &WriteError) -> bool {
    matches!(
        error,
        WriteError::Conflict { .. } | WriteError::NotFound { .. } | WriteError::AlreadyExists { .. }
    )
}

/// `told` is the number of failures of the key that were held back, where this one is not.
fn log_failure(
    controller: &'static str,
    token: &Token,
    verb: Verb,
    error: &WriteError,
    delay: Duration,
    told: Option<u64>,
) {
    let Token { key, object, .. } = token;
    let verb = verb.label();
    match told {
        // With a permission that is missing everything fails, and goes on to.
        Some(held_back) => {
            tracing::warn!(controller, %key, %object, verb, %error, ?delay, held_back, "write failed; trying again");
        }
        None if is_passing(error) => {
            tracing::debug!(controller, %object, verb, %error, ?delay, "write refused; looking again");
        }
        None => tracing::debug!(controller, %key, %object, verb, %error, ?delay, "write failed again"),
    }
}
