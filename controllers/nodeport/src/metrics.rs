//! How many node ports of each pool are what.

use std::borrow::Cow;
use std::collections::HashSet;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use quaymaster_runtime::metrics::Registry;

use crate::plan::Numbers;

/// Pools are few and made by the cluster's owner, so that their names may be labels.
type Labels = [(&'static str, Cow<'static, str>); 2];

/// The gauges.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    ports: Family<Labels, Gauge>,
    shown: HashSet<String>,
}

impl Metrics {
    pub(crate) fn register(registry: &Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "quaymaster_pool_ports",
            "Node ports of NodePortPools by what they are: used, pending, quarantined, reserved, foreign, free",
            metrics.ports.clone(),
        );
        metrics
    }

    /// These are all pools.
    pub(crate) fn show<'a>(&mut self, pools: impl IntoIterator<Item = (&'a str, Numbers)>) {
        let mut gone = std::mem::take(&mut self.shown);
        for (name, numbers) in pools {
            for (state, number) in numbers.by_state() {
                self.ports.get_or_create(&labels(name, state)).set(number.into());
            }
            gone.remove(name);
            self.shown.insert(name.to_owned());
        }
        for name in gone {
            for (state, _) in Numbers::default().by_state() {
                self.ports.remove(&labels(&name, state));
            }
        }
    }
}

fn labels(pool: &str, state: &'static str) -> Labels {
    [
        ("pool", Cow::Owned(pool.to_owned())),
        ("state", Cow::Borrowed(state)),
    ]
}
