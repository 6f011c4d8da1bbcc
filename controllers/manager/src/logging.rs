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
        "--log-level {level:?} is not a level (error, warn, info, debug, trace) or a filter like info,quaymaster_watch=debug: {source}"
    )]
    Level {
        level: String,
        source: tracing_subscriber::filter::ParseError,
    },
    #[error("logging has been started before")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Starts logging to standard error.
pub(crate) fn start(flags: &LoggingFlags) -> Result<(), LoggingError> {
    let filter = EnvFilter::try_new(&flags.log_level).map_err(|source| LoggingError::Level {
        level: flags.log_level.clone(),
        source,
    })?;
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
