//! Whether the process is alive and ready.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt::{self, Write as _};
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
    Condition(Condition),
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
#[derive(Clone)]
pub struct Condition(Arc<Mutex<State>>);

struct State {
    result: Result<(), Cow<'static, str>>,
    trouble: Option<Ask>,
    remark: Option<Ask>,
}

/// Asked at each report.
type Ask = Box<dyn Fn() -> Option<String> + Send>;

impl Default for State {
    fn default() -> Self {
        Self {
            result: Err(Cow::Borrowed("not yet")),
            trouble: None,
            remark: None,
        }
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&lock(&self.0).result).finish()
    }
}

impl Condition {
    /// It holds.
    pub fn hold(&self) {
        lock(&self.0).result = Ok(());
    }

    /// It does not hold, and why, in the user's words.
    pub fn fail(&self, reason: impl Into<Cow<'static, str>>) {
        lock(&self.0).result = Err(reason.into());
    }

    /// Whom to ask, at each report, what is going wrong now. The answer is shown beside the result and changes
    /// nothing about it: a watch that has read everything and is cut off since is still ready.
    pub fn trouble(&self, ask: impl Fn() -> Option<String> + Send + 'static) {
        lock(&self.0).trouble = Some(Box::new(ask));
    }

    /// Whom to ask, at each report, what else is to be said of it: in which way it holds, for instance.
    pub fn remark(&self, ask: impl Fn() -> Option<String> + Send + 'static) {
        lock(&self.0).remark = Some(Box::new(ask));
    }

    fn check(&self) -> Checked {
        let state = lock(&self.0);
        Checked {
            result: state.result.clone().map_err(Cow::into_owned),
            remark: state.remark.as_ref().and_then(|ask| ask()),
            trouble: state.trouble.as_ref().and_then(|ask| ask()),
        }
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
pub struct Report(Vec<(String, Checked)>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Checked {
    result: Result<(), String>,
    remark: Option<String>,
    trouble: Option<String>,
}

impl Health {
    /// Registers a condition of readiness.
    pub fn condition(&self, name: impl Into<String>) -> Condition {
        let condition = Condition(Arc::default());
        lock(&self.checks).push(Check {
            name: name.into(),
            kind: Kind::Condition(condition.clone()),
        });
        condition
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
                .map(|check| (check.name.clone(), check.kind.check(now)))
                .collect(),
        )
    }
}

impl Kind {
    fn is_of_life(&self) -> bool {
        matches!(self, Self::Heartbeat { .. })
    }

    fn check(&self, now: Instant) -> Checked {
        match self {
            Self::Condition(condition) => condition.check(),
            Self::Heartbeat { shared, max_age } => {
                let last = shared.origin + Duration::from_millis(shared.last.load(Ordering::Relaxed));
                let age = now.saturating_duration_since(last);
                let result = if age > *max_age {
                    Err(format!("no sign of life for {} s", age.as_secs()))
                } else {
                    Ok(())
                };
                Checked {
                    result,
                    remark: None,
                    trouble: None,
                }
            }
        }
    }
}

impl Report {
    /// Whether no check failed.
    pub fn passed(&self) -> bool {
        self.0.iter().all(|(_, checked)| checked.result.is_ok())
    }

    /// All checks with their results, in the form of the Kubernetes components' `?verbose`.
    pub fn verbose(&self, endpoint: &str) -> String {
        let mut text = String::new();
        for (name, checked) in &self.0 {
            let Checked {
                result,
                remark,
                trouble,
            } = checked;
            let remark = remark
                .as_ref()
                .map(|remark| format!("; {remark}"))
                .unwrap_or_default();
            let trouble = trouble
                .as_ref()
                .map(|trouble| format!("; last error: {trouble}"))
                .unwrap_or_default();
            // Writing to a String does not fail.
            let _ = match result {
                Ok(()) => writeln!(text, "[+]{name} ok{remark}{trouble}"),
                Err(reason) => writeln!(text, "[-]{name} failed: {reason}{remark}{trouble}"),
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
