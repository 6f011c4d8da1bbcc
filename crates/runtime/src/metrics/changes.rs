//! What the controllers of EndpointSlices, mirrored or not, measure alike.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use quaymaster_model::names::metrics as names;

use super::{Counter, Labels, Registry};
use crate::api::Verb;

/// Write calls of a controller, by operation: `create`, `update` or `delete`, each shown from zero on, or the first change of
/// a kind would be no increase to a query.
#[derive(Clone, Debug)]
pub struct Changes(Family<Labels<1>, Counter>);

impl Changes {
    /// Registers the counter under the name that users of the controller know.
    pub fn register(registry: &Registry, name: &'static str, help: &'static str) -> Self {
        let family = Family::<Labels<1>, Counter>::default();
        for verb in [Verb::Create, Verb::Update, Verb::Delete] {
            drop(family.get_or_create(&[(names::OPERATION, verb.label())]));
        }
        registry.register(name, help, family.clone());
        Self(family)
    }

    /// A call was made. Calls that change no slice are not counted.
    pub fn count(&self, verb: Verb) {
        match verb {
            Verb::Create | Verb::Update | Verb::Delete => {
                self.0.get_or_create(&[(names::OPERATION, verb.label())]).inc();
            }
            Verb::Patch | Verb::Apply | Verb::Get => {}
        }
    }
}

/// Numbers of endpoints, 2 to 32768 (`pkg/controller/endpointslice/metrics` and `pkg/controller/endpointslicemirroring/metrics`).
pub fn endpoint_buckets() -> Histogram {
    Histogram::new(exponential_buckets(2.0, 2.0, 15))
}
