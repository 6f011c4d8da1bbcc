//! Logs: text for people, JSON for collectors. All of standard error passes through [`writer`], so nothing here waits for
//! whoever reads it.

mod writer;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::io::{self, IsTerminal as _};
use std::panic::{self, PanicHookInfo};
use std::str::FromStr as _;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use clap::ValueEnum;
use quaymaster_runtime::metrics::Registry;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer};

use crate::flags::LoggingFlags;
use writer::Writer;

/// Where all lines go, once logging has started.
static WRITER: OnceLock<Writer> = OnceLock::new();

/// How long the end of the process waits for its last lines to be written. It takes milliseconds where standard error is
/// read, and must be short beside the 30 s that a Pod has to end in by default.
const FLUSH: Duration = Duration::from_secs(1);

/// The same where somebody asks for the end at once.
const HASTY_FLUSH: Duration = Duration::from_millis(100);

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
    #[error("cannot start the thread that writes logs: {0}")]
    Thread(#[from] io::Error),
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

/// Where kube's client says at each connection that the certificate is not checked, at warning level, and what it says
/// (kube-rs/kube `kube-client/src/client/tls.rs`). The start says it once, with the kubeconfig. That a bundle of
/// authorities cannot be read again comes from there as well, and stays.
const UNCHECKED: (&str, &str) = ("kube_client::client::tls::rustls_tls", "Server cert bypassed");

/// Leaves out [`UNCHECKED`].
struct WithoutUnchecked;

impl<S: Subscriber> Layer<S> for WithoutUnchecked {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let (target, message) = UNCHECKED;
        event.metadata().target() != target || !says(event, message)
    }
}

/// Whether this is the message of an event.
fn says(event: &Event<'_>, wanted: &str) -> bool {
    struct Message<'a> {
        wanted: &'a str,
        found: bool,
    }

    impl Visit for Message<'_> {
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            self.found |= field.name() == "message" && format!("{value:?}") == self.wanted;
        }
    }

    let mut message = Message { wanted, found: false };
    event.record(&mut message);
    message.found
}

/// The user named kube's client, to hear what it says.
fn asks_for_kube(Level(level): &Level) -> bool {
    level
        .split(',')
        .any(|directive| directive.starts_with("kube_client"))
}

/// The filter that the user gave, without the noise unless it is asked for.
fn filter(level: &Level) -> Result<EnvFilter, LoggingError> {
    let asked_for = asks_for_kube(level);
    let Level(level) = level;
    let error = |source| LoggingError::Level {
        level: level.to_owned(),
        source,
    };
    let filter = EnvFilter::try_new(level).map_err(error)?;
    if asked_for {
        return Ok(filter);
    }
    Ok(filter.add_directive(format!("{NOISE}=off").parse().map_err(error)?))
}

/// Starts logging to standard error, of panics too.
pub(crate) fn start(flags: &LoggingFlags) -> Result<(), LoggingError> {
    let filter = filter(&flags.log_level)?;
    let writer = Writer::start(io::stderr(), |lines| {
        tracing::warn!(
            lines,
            "log lines were lost: standard error was not read in time, or refused them"
        );
    })?;
    let registry = tracing_subscriber::registry()
        .with(filter)
        .with((!asks_for_kube(&flags.log_level)).then_some(WithoutUnchecked));
    // An event that cannot be formatted would be told on standard error itself, past the writer.
    let layer = tracing_subscriber::fmt::layer()
        .log_internal_errors(false)
        .with_writer(writer.clone());
    match flags.log_format {
        Format::Text => registry
            .with(layer.with_ansi(is_coloured(
                io::stderr().is_terminal(),
                env::var_os("NO_COLOR").as_deref(),
            )))
            .try_init()?,
        Format::Json => registry.with(layer.json().flatten_event(true)).try_init()?,
    }
    // Only who was first to start comes here.
    WRITER.get_or_init(|| writer);
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Registers what tells of logs themselves. Logging has to have started.
pub(crate) fn register(registry: &Registry) {
    if let Some(writer) = WRITER.get() {
        registry.register(
            "quaymaster_log_lines_dropped_total",
            "Log lines not written, as standard error was not read in time or refused them",
            writer.dropped(),
        );
    }
}

/// Waits until all lines so far are written, for a second at most. For the end of the process.
pub(crate) fn flush() {
    if let Some(writer) = WRITER.get() {
        writer.flush(FLUSH);
    }
}

/// As [`flush`], for a tenth of a second at most.
pub(crate) fn flush_at_once() {
    if let Some(writer) = WRITER.get() {
        writer.flush(HASTY_FLUSH);
    }
}

/// In place of the standard library's hook, which writes to standard error itself and would wait there. The process may be
/// about to end, so the line is seen out.
fn log_panic(info: &PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("(no message)");
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    // Only where RUST_BACKTRACE asks for it.
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    if tracing::enabled!(tracing::Level::ERROR) {
        tracing::error!(thread, backtrace, "panicked at {place}: {message}");
    } else {
        let backtrace = backtrace.unwrap_or_default();
        say(&format!(
            "thread {thread} panicked at {place}: {message}\n{backtrace}"
        ));
    }
    flush();
}

/// Colours are for terminals, and for those who did not switch them off (<https://no-color.org>).
fn is_coloured(terminal: bool, no_color: Option<&OsStr>) -> bool {
    terminal && no_color.is_none_or(OsStr::is_empty)
}

/// Tells why the process ends, where logs go and in their form; people get a plain line. It is told whatever is
/// logged; [`flush`] sees it out.
pub(crate) fn fatal(format: Format, error: &str) {
    if let Some(writer) = WRITER.get() {
        writer.ending();
    }
    if format == Format::Json && tracing::enabled!(tracing::Level::ERROR) {
        tracing::error!("{error}");
    } else {
        say(error);
    }
}

/// A line that is no event.
fn say(text: &str) {
    let line = format!("quaymaster: {}\n", text.trim_end());
    match WRITER.get() {
        Some(writer) => writer.line(line.into_bytes()),
        None => eprint!("{line}"),
    }
}

#[cfg(test)]
mod tests;
