//! Whether the process is alive and ready.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The checks of a process. Cheap to clone; each subsystem registers its own.
#[derive(Clone, Debug, Default)]
pub struct Health {
    checks: Arc<Mutex<Vec<Check>>>,
}

#[derive(Debug)]
struct Check {
    name: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Condition(Arc<Mutex<Result<(), Cow<'static, str>>>>),
    Heartbeat { shared: Arc<Beats>, max_age: Duration },
}

#[derive(Debug)]
struct Beats {
    origin: Instant,
    /// Milliseconds after `origin`.
    last: AtomicU64,
}

/// Which checks are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Heartbeats: if they stop, only a restart helps.
    Live,
    /// Everything: whether it does its work.
    Ready,
}

/// Something that must hold for the process to be ready, for example that a watch has synced. It begins as not
/// holding. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Condition(Arc<Mutex<Result<(), Cow<'static, str>>>>);

impl Condition {
    /// It holds.
    pub fn hold(&self) {
        *lock(&self.0) = Ok(());
    }

    /// It does not hold, and why, in the user's words.
    pub fn fail(&self, reason: impl Into<Cow<'static, str>>) {
        *lock(&self.0) = Err(reason.into());
    }
}

/// A sign of life that must be given again and again. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Heartbeat(Arc<Beats>);

impl Heartbeat {
    /// Still alive. Costs one clock reading.
    pub fn beat(&self) {
        let age = Instant::now().saturating_duration_since(self.0.origin);
        self.0.last.store(
            u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
            Ordering::Relaxed,
        );
    }
}

/// Results of all checks asked, in the order of their registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report(Vec<(String, Result<(), String>)>);

impl Health {
    /// Registers a condition of readiness.
    pub fn condition(&self, name: impl Into<String>) -> Condition {
        let shared = Arc::new(Mutex::new(Err(Cow::Borrowed("not yet"))));
        lock(&self.checks).push(Check {
            name: name.into(),
            kind: Kind::Condition(Arc::clone(&shared)),
        });
        Condition(shared)
    }

    /// Registers a heartbeat, which counts as given now. Without one for `max_age` the process is held for dead,
    /// so whoever beats must do so also when there is nothing to do.
    pub fn heartbeat(&self, name: impl Into<String>, max_age: Duration) -> Heartbeat {
        let shared = Arc::new(Beats {
            origin: Instant::now(),
            last: AtomicU64::new(0),
        });
        let kind = Kind::Heartbeat {
            shared: Arc::clone(&shared),
            max_age,
        };
        lock(&self.checks).push(Check {
            name: name.into(),
            kind,
        });
        Heartbeat(shared)
    }

    /// Asks the checks.
    pub fn report(&self, scope: Scope) -> Report {
        let now = Instant::now();
        let checks = lock(&self.checks);
        let asked = checks
            .iter()
            .filter(|check| scope == Scope::Ready || check.kind.is_of_life());
        Report(
            asked
                .map(|check| (check.name.clone(), check.kind.result(now)))
                .collect(),
        )
    }
}

impl Kind {
    fn is_of_life(&self) -> bool {
        matches!(self, Self::Heartbeat { .. })
    }

    fn result(&self, now: Instant) -> Result<(), String> {
        match self {
            Self::Condition(state) => lock(state).clone().map_err(Cow::into_owned),
            Self::Heartbeat { shared, max_age } => {
                let last = shared.origin + Duration::from_millis(shared.last.load(Ordering::Relaxed));
                let age = now.saturating_duration_since(last);
                if age > *max_age {
                    return Err(format!("no sign of life for {} s", age.as_secs()));
                }
                Ok(())
            }
        }
    }
}

impl Report {
    /// Whether no check failed.
    pub fn passed(&self) -> bool {
        self.0.iter().all(|(_, result)| result.is_ok())
    }

    /// All checks with their results, in the form of the Kubernetes components' `?verbose`.
    pub fn verbose(&self, endpoint: &str) -> String {
        let mut text = String::new();
        for (name, result) in &self.0 {
            // Writing to a String does not fail.
            let _ = match result {
                Ok(()) => writeln!(text, "[+]{name} ok"),
                Err(reason) => writeln!(text, "[-]{name} failed: {reason}"),
            };
        }
        text.push_str(endpoint);
        text.push_str(if self.passed() {
            " check passed\n"
        } else {
            " check failed\n"
        });
        text
    }
}

/// No state here can be half changed, so that a panic elsewhere leaves it good.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
