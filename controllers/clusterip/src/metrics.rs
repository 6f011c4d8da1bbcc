//! How many addresses of each pool are what, and how soon released ones are held.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use quaymaster_allocator::{Counts, Reason};
use quaymaster_runtime::metrics::Registry;

type Labels = [(&'static str, String); 3];

/// Metrics of pools.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    addresses: Family<Labels, Gauge<f64, AtomicU64>>,
    shown: BTreeSet<Labels>,
    /// Seconds from the release to the hold.
    unheld: Histogram,
}

impl Metrics {
    pub(crate) fn register(registry: &Registry) -> Self {
        let metrics = Self {
            addresses: Family::default(),
            shown: BTreeSet::new(),
            // 0.5 ms to 16 s.
            unheld: Histogram::new(exponential_buckets(0.0005, 2.0, 16)),
        };
        registry.register(
            "quaymaster_address_hold_delay_seconds",
            "Time from when the release of an address was seen to when an IPAddress held it, of pools with quarantine.enforce Hold",
            metrics.unheld.clone(),
        );
        registry.register(
            "quaymaster_pool_addresses",
            "Addresses of a ServiceIPPool, by family and by what they are: used, pending, quarantined, reserved, foreign, free",
            metrics.addresses.clone(),
        );
        metrics
    }

    /// An address is held, so long after its release was seen.
    pub(crate) fn held_after(&self, time: Duration) {
        self.unheld.observe(time.as_secs_f64());
    }

    /// Shows pools with the counts of each family, and no others.
    pub(crate) fn show<'a>(&mut self, pools: impl Iterator<Item = (&'a str, [Counts; 2])>) {
        let mut shown = BTreeSet::new();
        for (pool, counts) in pools {
            let families = ["IPv4", "IPv6"].into_iter().zip(counts);
            for (family, counts) in families.filter(|(_, counts)| counts.size > 0) {
                for (state, count) in states(&counts) {
                    let labels = [
                        ("pool", pool.to_owned()),
                        ("family", family.to_owned()),
                        ("state", state.to_owned()),
                    ];
                    #[expect(clippy::cast_precision_loss, reason = "metrics are floating-point numbers")]
                    self.addresses.get_or_create(&labels).set(count as f64);
                    shown.insert(labels);
                }
            }
        }
        for gone in self.shown.difference(&shown) {
            self.addresses.remove(gone);
        }
        self.shown = shown;
    }
}

fn states(counts: &Counts) -> [(&'static str, u128); 6] {
    [
        ("used", counts.of(Reason::Used)),
        ("pending", counts.of(Reason::Pending)),
        ("quarantined", counts.of(Reason::Quarantined)),
        ("reserved", counts.of(Reason::Reserved)),
        ("foreign", counts.of(Reason::Foreign)),
        ("free", counts.free()),
    ]
}
