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
    let attempts = async {
        let deadline = (!limit.is_zero()).then(|| Instant::now() + limit);
        attempt(ask, deadline, |error| {
            started.fail(format!("not yet: {}", error.line()));
        })
        .await
    };
    let error = tokio::select! {
        () = cancel.cancelled() => return Ok(None),
        result = attempts => match result {
            Ok(version) => return Ok(Some(version)),
            Err(error) => error,
        },
    };
    let gave_up = error.may_heal();
    let error = anyhow::anyhow!(error.line());
    Err(if gave_up {
        error.context(format!("gave up after {limit:?}"))
    } else {
        error
    })
}

/// Asks until there is an answer, an error that cannot heal, or the deadline, which bounds attempts and pauses too.
///
/// An attempt that the deadline cut short and that heard nothing says less than the one before it: that one's error
/// is given then.
async fn attempt<T>(
    ask: impl AsyncFn(Duration) -> Result<T, ConnectError>,
    deadline: Option<Instant>,
    failed: impl Fn(&ConnectError),
) -> Result<T, ConnectError> {
    let left = || deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    let (mut pause, longest) = RETRY;
    let mut last: Option<ConnectError> = None;
    loop {
        let within = left().map_or(ATTEMPT, |left| left.min(ATTEMPT));
        let error = match ask(within).await {
            Ok(answer) => return Ok(answer),
            Err(error) if !error.may_heal() => return Err(error),
            Err(error) => error,
        };
        let error = match (last.take(), &error) {
            (Some(last), ConnectError::Timeout { .. }) if within < ATTEMPT => last,
            _ => error,
        };
        failed(&error);
        let retry_in = left().map_or(pause, |left| left.min(pause));
        if retry_in.is_zero() {
            return Err(error);
        }
        tracing::warn!(?retry_in, "{}", error.line());
        tokio::time::sleep(retry_in).await;
        if left().is_some_and(|left| left.is_zero()) {
            return Err(error);
        }
        last = Some(error);
        pause = (pause * 2).min(longest);
    }
}

#[cfg(test)]
mod tests;
