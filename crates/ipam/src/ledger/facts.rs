//! All that is known of one value, for whoever keeps objects for it.

use std::time::Instant;

use quaymaster_model::ObjectKey;

use super::{AddressObject, Ledger};
use crate::Value;

/// All that is known of one value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts<'a> {
    /// Services that have it: one, unless the apiserver gave it twice.
    pub users: &'a [ObjectKey],
    /// The IPAddress of its name.
    pub object: Option<&'a AddressObject>,
    /// It was handed out, and waits for its Service until then.
    pub pending_until: Option<Instant>,
    /// When it was released, and by whom, as long as that matters.
    pub released: Option<(Instant, &'a ObjectKey)>,
    /// The Service that it is kept for.
    pub reserved: Option<&'a ObjectKey>,
}

impl Ledger {
    /// All that is known of a value.
    pub fn facts(&self, value: Value) -> Facts<'_> {
        self.values
            .get(&value)
            .map_or_else(Facts::default, |known| Facts {
                users: &known.users,
                object: known.object.as_ref(),
                pending_until: known.pending.as_ref().map(|pending| pending.until),
                released: known
                    .released
                    .as_ref()
                    .map(|released| (released.at, &released.by)),
                reserved: known.reserved.as_ref(),
            })
    }

    /// The values that were released and that nobody has since, in no order.
    pub fn released(&self) -> impl Iterator<Item = Value> {
        let released = self.values.iter().filter(|(_, known)| known.released.is_some());
        released.map(|(value, _)| *value)
    }

    /// Whether an IPAddress of ours holds a value: whoever gives it to a Service has to delete that first.
    pub fn is_held(&self, value: Value) -> bool {
        self.facts(value).object == Some(&AddressObject::Hold)
    }
}
