//! What is remembered of the hints of one Service.

use std::collections::BTreeMap;

use quaymaster_model::{AddressType, IpFamily};

use super::Zones;
use super::allocate::{self, Counts};

/// What is remembered of the hints of one Service between two looks at it. A word in size, for a Service without hints.
#[derive(Debug, Clone, Default)]
pub struct HintState(Option<Box<Remembered>>);

#[derive(Debug, Clone, Default)]
struct Remembered {
    /// One mark for all address types, as upstream has it: a refusal for one type makes the next success of the
    /// other one news again.
    populated: bool,
    /// Hints in place, by zone.
    counted: BTreeMap<AddressType, Counts>,
}

impl HintState {
    /// Whether hints are known to be in place, and no refusal came since.
    pub fn is_populated(&self) -> bool {
        self.0.as_ref().is_some_and(|remembered| remembered.populated)
    }

    /// Whether hints of all these families are in place. Where one of them was refused, what makes it possible may be a change
    /// of the zones alone.
    pub fn covers(&self, families: &[IpFamily]) -> bool {
        self.0.as_ref().is_some_and(|remembered| {
            let counted = |family: &IpFamily| remembered.counted.contains_key(&family.address_type());
            families.iter().all(counted)
        })
    }

    /// Whether some zone has got much less than its share of the endpoints, so that the Service must be looked at
    /// again. To be asked when the zones' CPU has changed; never so for a Service without hints
    /// (`k8s.io/endpointslice/topologycache/utils.go`, `serviceOverloaded`).
    pub fn is_overloaded(&self, zones: &Zones) -> bool {
        let counted = self.0.iter().flat_map(|remembered| remembered.counted.values());
        counted
            .into_iter()
            .any(|counted| allocate::is_overloaded(counted, zones.ratios()))
    }

    /// Hints of this address type are in place.
    pub(super) fn remember(&mut self, address_type: AddressType, counted: Counts) {
        let remembered = self.0.get_or_insert_default();
        remembered.populated = true;
        remembered.counted.insert(address_type, counted);
    }

    /// Hints of this address type are gone.
    pub(super) fn forget(&mut self, address_type: &AddressType) {
        let Some(remembered) = &mut self.0 else { return };
        remembered.populated = false;
        remembered.counted.remove(address_type);
        if remembered.counted.is_empty() {
            self.0 = None;
        }
    }
}

#[cfg(test)]
mod tests;
