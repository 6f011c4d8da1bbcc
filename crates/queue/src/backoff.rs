//! How long a key that failed waits before its next attempt.

#[cfg(test)]
mod tests;

use std::time::Duration;

/// Exponential back-off with jitter.
///
/// The n-th failure in a row (n from 1) waits between one half and the whole of `base * 2^(n-1)`, which is
/// bounded by `max`. The half that is random keeps keys that failed together (an apiserver restart fails
/// all of them) from coming back together; the half that is not keeps a bad key from coming back at once.
///
/// kube-controller-manager starts at 1 s, ends at 1000 s and gives up after 15 attempts
/// (`k8s.io/kubernetes` `pkg/controller/endpointslice/endpointslice_controller.go`). A cause that heals must
/// not keep endpoints wrong for minutes, so the default here starts low, ends at seconds, and never gives up.
#[derive(Clone, Debug)]
pub struct Backoff {
    base: Duration,
    max: Duration,
    random: SplitMix64,
}

/// First delay: long enough for the conflict of another writer to be over, too short to be noticed.
const DEFAULT_BASE: Duration = Duration::from_millis(50);

/// Longest delay: after an outage everything is tried again within this time.
const DEFAULT_MAX: Duration = Duration::from_secs(5);

/// Doublings beyond this cannot matter: 2^32 times any base exceeds any sensible bound.
const MAX_DOUBLINGS: u32 = 32;

impl Backoff {
    /// A back-off from `base` to `max`. The same `seed` gives the same delays.
    pub fn new(base: Duration, max: Duration, seed: u64) -> Self {
        Self {
            base,
            max,
            random: SplitMix64(seed),
        }
    }

    /// From 50 ms to 5 s. The seed should differ between processes.
    pub fn with_seed(seed: u64) -> Self {
        Self::new(DEFAULT_BASE, DEFAULT_MAX, seed)
    }

    /// The delay after the `failures`-th failure in a row; 0 counts as 1.
    pub fn delay(&mut self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(MAX_DOUBLINGS);
        let whole = self
            .base
            .saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX))
            .min(self.max);
        let half = whole / 2;
        half + half.mul_f64(self.random.next_fraction())
    }
}

/// The `SplitMix64` generator (Steele, Lea, Flood 2014): a sequence that depends on nothing but the seed, so
/// that a simulation repeats exactly, also after a dependency was updated.
#[derive(Clone, Debug)]
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1).
    fn next_fraction(&mut self) -> f64 {
        let top = u32::try_from(self.next() >> 32).unwrap_or(u32::MAX);
        f64::from(top) / (f64::from(u32::MAX) + 1.0)
    }
}
