//! Logs: text for people, JSON for collectors.

use std::env;
use std::ffi::OsStr;
use std::io::{self, IsTerminal as _};
use std::str::FromStr as _;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
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

/// What is logged: checked words for [`EnvFilter`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Level(String);

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoggingError {
    #[error("--log-level {level:?}: {source}")]
    Level {
        level: String,
        source: tracing_subscriber::filter::ParseError,
    },
    #[error("logging has been started before")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Reads a level, or levels by module. [`EnvFilter`] alone would take a misspelled level for the name of a module, and
/// log nothing else.
pub(crate) fn level(text: &str) -> Result<Level, String> {
    let is_good = |directive: &str| {
        let level = match directive.split_once('=') {
            Some(("", _)) => return false,
            Some((_, level)) => level,
            None => directive,
        };
        !level.is_empty() && LevelFilter::from_str(level).is_ok()
    };
    if text.split(',').all(is_good) && EnvFilter::try_new(text).is_ok() {
        Ok(Level(text.to_owned()))
    } else {
        Err(
            "it is neither error, warn, info, debug, trace nor off, nor those by module like \
             info,quaymaster=debug"
                .to_owned(),
        )
    }
}

/// Where kube's client logs each failed request (kube-rs/kube `kube-client/src/client/builder.rs`), at error level and
/// with every attempt. Watches, writes and the start log each trouble once, and know whether it is one.
const NOISE: &str = "kube_client::client::builder";

/// The filter that the user gave, without the noise unless it is asked for.
fn filter(Level(level): &Level) -> Result<EnvFilter, LoggingError> {
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
            .with(
                tracing_subscriber::fmt::layer()
                    .with_ansi(is_coloured(
                        io::stderr().is_terminal(),
                        env::var_os("NO_COLOR").as_deref(),
                    ))
                    .with_writer(io::stderr),
            )
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

/// Colours are for terminals, and for those who did not switch them off (<https://no-color.org>).
fn is_coloured(terminal: bool, no_color: Option<&OsStr>) -> bool {
    terminal && no_color.is_none_or(OsStr::is_empty)
}

/// Tells why the process ends, where logs go and in their form; people get a plain line. It is told whatever is
/// logged.
pub(crate) fn fatal(format: Format, error: &str) {
    if format == Format::Json && tracing::enabled!(tracing::Level::ERROR) {
        tracing::error!("{error}");
    } else {
        eprintln!("quaymaster: {error}");
    }
}

#[cfg(test)]
mod tests;
