//! Sums by step, and how they are shown.

use std::sync::OnceLock;
use std::time::Duration;

use super::counting::counted;
use crate::cpu;

/// Readings of the clock from which the price of one is found.
const READINGS: u32 = 10_000;

/// What a step cost over all its calls.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    time: Duration,
    allocations: u64,
    bytes: u64,
}

impl Cost {
    /// Does a step and adds what it cost.
    pub(crate) fn of<T>(&mut self, step: impl FnOnce() -> T) -> T {
        let before = counted();
        let begun = now();
        let value = step();
        self.time += now().saturating_sub(begun).saturating_sub(price_of_now());
        let after = counted();
        self.allocations += after.0 - before.0;
        self.bytes += after.1 - before.1;
        value
    }

    /// The cheaper of two runs.
    pub(crate) fn min(self, other: Self) -> Self {
        if self.time <= other.time { self } else { other }
    }

    /// Adds another step.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            time: self.time + other.time,
            allocations: self.allocations + other.allocations,
            bytes: self.bytes + other.bytes,
        }
    }
}

/// A clock that cannot be read shows as steps that take no time.
fn now() -> Duration {
    cpu::of_this_thread().unwrap_or_default()
}

/// What reading the clock costs, which is more than the shortest steps do.
fn price_of_now() -> Duration {
    static PRICE: OnceLock<Duration> = OnceLock::new();
    *PRICE.get_or_init(|| {
        let begun = now();
        for _ in 0..READINGS {
            std::hint::black_box(now());
        }
        now().saturating_sub(begun) / READINGS
    })
}

/// One line: what the step cost for each of `calls`.
#[expect(clippy::cast_precision_loss, reason = "figures to be shown")]
pub(crate) fn line(what: &str, cost: Cost, calls: usize) {
    let calls = calls as f64;
    println!(
        "  {what:<46} {:>9.0} ns {:>9.1} allocations {:>10.0} bytes",
        cost.time.as_nanos() as f64 / calls,
        cost.allocations as f64 / calls,
        cost.bytes as f64 / calls,
    );
}
