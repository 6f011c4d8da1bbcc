//! Sums by step, and how they are shown.

use std::time::{Duration, Instant};

use super::counting::counted;

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
        let begun = Instant::now();
        let value = step();
        self.time += begun.elapsed();
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
