//! The first answer of the apiserver.

use std::time::Duration;

use quaymaster_runtime::client::{ConnectError, Connection};
use quaymaster_runtime::health::Condition;
use quaymaster_runtime::version::{ServerVersion, discover_version};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Longest wait for one answer.
const ATTEMPT: Duration = Duration::from_secs(5);

/// First and longest pause between attempts.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// How long 403 is waited out: an apiserver answers a second or two before it has made the roles that let everybody read
/// its version.
const FORBIDDEN: Duration = Duration::from_mins(1);

/// Asks for the apiserver's version until it answers: at the start of a cluster it may come later than we do.
/// None if a signal came first. After `limit`, unless that is zero, it is an error, with the last cause.
pub(super) async fn reach(
    client: &kube::Client,
    connection: &Connection,
    limit: Duration,
    started: &Condition,
    cancel: &CancellationToken,
) -> anyhow::Result<Option<ServerVersion>> {
    let address = connection.server();
    let ask = async |within| {
        let answer = discover_version(client, &address, within).await;
        answer.map_err(|error| connection.explain(error))
    };
    let limit = (!limit.is_zero()).then_some(limit);
    let attempts = attempt(ask, limit, |error| {
        started.fail(format!("not yet: {}", error.line()));
    });
    let Failed { error, gave_up_after } = tokio::select! {
        () = cancel.cancelled() => return Ok(None),
        result = attempts => match result {
            Ok(version) => return Ok(Some(version)),
            Err(failed) => failed,
        },
    };
    let error = anyhow::anyhow!(error.line());
    Err(match gave_up_after {
        Some(bound) => error.context(format!("gave up after {bound:?}")),
        None => error,
    })
}

/// The last error, and the bound that ended it; none of an error that cannot heal.
#[derive(Debug)]
struct Failed {
    error: ConnectError,
    gave_up_after: Option<Duration>,
}

/// A span of time that ends the attempts.
#[derive(Clone, Copy)]
struct Bound {
    length: Duration,
    end: Instant,
}

impl Bound {
    fn from_now(length: Duration) -> Self {
        let end = Instant::now() + length;
        Self { length, end }
    }

    fn left(self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }
}

/// Asks until there is an answer, an error that cannot heal, or the limit, which bounds attempts and pauses too; 403 after
/// 403 is waited for no longer than [`FORBIDDEN`].
///
/// An attempt that the limit cut short and that heard nothing says less than the one before it: that one's error
/// is given then.
async fn attempt<T>(
    ask: impl AsyncFn(Duration) -> Result<T, ConnectError>,
    limit: Option<Duration>,
    failed: impl Fn(&ConnectError),
) -> Result<T, Failed> {
    let limit = limit.map(Bound::from_now);
    let (mut pause, longest) = RETRY;
    let mut last: Option<ConnectError> = None;
    let mut forbidden: Option<Bound> = None;
    loop {
        let within = limit.map_or(ATTEMPT, |limit| limit.left().min(ATTEMPT));
        let error = match ask(within).await {
            Ok(answer) => return Ok(answer),
            Err(error) if !error.may_heal() => {
                return Err(Failed {
                    error,
                    gave_up_after: None,
                });
            }
            Err(error) => error,
        };
        let error = match (last.take(), &error) {
            (Some(last), ConnectError::Timeout { .. }) if within < ATTEMPT => last,
            _ => error,
        };
        failed(&error);
        forbidden = match error {
            ConnectError::Forbidden { .. } => forbidden.or_else(|| Some(Bound::from_now(FORBIDDEN))),
            _ => None,
        };
        let bound = limit.into_iter().chain(forbidden).min_by_key(|bound| bound.end);
        let gave_up = |error| Failed {
            error,
            gave_up_after: bound.map(|bound| bound.length),
        };
        let retry_in = bound.map_or(pause, |bound| bound.left().min(pause));
        if retry_in.is_zero() {
            return Err(gave_up(error));
        }
        tracing::warn!(?retry_in, "{}", error.line());
        tokio::time::sleep(retry_in).await;
        if bound.is_some_and(|bound| bound.left().is_zero()) {
            return Err(gave_up(error));
        }
        last = Some(error);
        pause = (pause * 2).min(longest);
    }
}

#[cfg(test)]
mod tests;
