//! The end of the process by signal.

#[cfg(test)]
mod tests;

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Listens for SIGTERM and SIGINT. The first cancels the returned token, so that everything can stop in order;
/// the second ends the process at once with the shell's status for that signal (143 or 130), because whoever
/// sends it does not want to wait any longer. Just before, `leaving` is called, for example to see out the log; it must
/// not take long.
///
/// Must be called within a tokio runtime. Fails when the handlers cannot be installed.
pub fn on_signal(leaving: impl Fn() + Send + 'static) -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let cancel = token.clone();
    tokio::spawn(async move {
        loop {
            let (name, status) = tokio::select! {
                Some(()) = terminate.recv() => ("SIGTERM", 143),
                Some(()) = interrupt.recv() => ("SIGINT", 130),
                else => return,
            };
            if cancel.is_cancelled() {
                tracing::warn!(signal = name, "second signal, leaving at once");
                leaving();
                std::process::exit(status);
            }
            tracing::info!(signal = name, "stopping");
            cancel.cancel();
        }
    });
    Ok(token)
}
