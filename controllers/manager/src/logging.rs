//! Logs: text for people, JSON for collectors.

use std::io;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::flags::LoggingFlags;

/// Form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One line of text an event.
    Text,
    /// One JSON object an event.
    Json,
}

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoggingError {
    #[error(
        "--log-level {level:?} is not a level (error, warn, info, debug, trace) or a filter like info,quaymaster=debug: {source}"
    )]
    Level {
        level: String,
        source: tracing_subscriber::filter::ParseError,
    },
    #[error("logging has been started before")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Where kube's client logs each failed request (kube-rs/kube `kube-client/src/client/builder.rs`), at error level and
/// with every attempt. Watches, writes and the start log each trouble once, and know whether it is one.
const NOISE: &str = "kube_client::client::builder";

/// The filter that the user gave, without the noise unless it is asked for.
fn filter(level: &str) -> Result<EnvFilter, LoggingError> {
    let error = |source| LoggingError::Level {
        level: level.to_owned(),
        source,
    };
    let filter = EnvFilter::try_new(level).map_err(error)?;
    let asked_for = level
        .split(',')
        .any(|directive| directive.starts_with("kube_client"));
    if asked_for {
        return Ok(filter);
    }
    Ok(filter.add_directive(format!("{NOISE}=off").parse().map_err(error)?))
}

/// Starts logging to standard error.
pub(crate) fn start(flags: &LoggingFlags) -> Result<(), LoggingError> {
    let filter = filter(&flags.log_level)?;
    let registry = tracing_subscriber::registry().with(filter);
    match flags.log_format {
        Format::Text => registry
            .with(tracing_subscriber::fmt::layer().with_writer(io::stderr))
            .try_init()?,
        Format::Json => registry
            .with(
                tracing_subscriber::fmt::layer()
                    .json()
                    .flatten_event(true)
                    .with_writer(io::stderr),
            )
            .try_init()?,
    }
    Ok(())
}

#[cfg(test)]
mod tests;
