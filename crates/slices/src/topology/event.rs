//! What is told to the owner of a Service about its hints.

use quaymaster_model::AddressType;

/// An event on a Service about its topology hints, with the words upstream uses
/// (`k8s.io/endpointslice/topologycache/event.go`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopologyEvent {
    /// Hints were added to a Service that had none.
    Enabled {
        /// Type of the slices in question.
        address_type: AddressType,
    },
    /// There are no hints.
    Disabled {
        /// Type of the slices in question.
        address_type: AddressType,
        /// Why there are none.
        reason: DisabledReason,
    },
}

/// Why a Service has no topology hints.
///
/// Two of upstream's reasons have no counterpart. `Nodes only ready in one zone` can be met only before the ratios
/// are first computed, which here they always are; `No hints allocated for zones` never: there are at least as many
/// ready endpoints as zones, and each is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisabledReason {
    /// The annotation is gone or has another value.
    NotAskedFor,
    /// The CPU of the zones is not known, or there are fewer than two zones.
    InsufficientNodes,
    /// There are more zones than ready endpoints.
    TooFewEndpoints {
        /// Number of ready endpoints.
        endpoints: usize,
        /// Number of zones.
        zones: usize,
    },
    /// Endpoints cannot be divided so that no zone gets much less than its share.
    WouldOverload {
        /// Number of ready endpoints.
        endpoints: usize,
        /// Number of zones.
        zones: usize,
    },
    /// A ready endpoint is in no zone.
    EndpointWithoutZone,
}

impl TopologyEvent {
    /// The event's `type`.
    pub fn event_type(&self) -> &'static str {
        match self {
            Self::Enabled { .. } => "Normal",
            Self::Disabled { .. } => "Warning",
        }
    }

    /// The event's `reason`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Enabled { .. } => "TopologyAwareHintsEnabled",
            Self::Disabled { .. } => "TopologyAwareHintsDisabled",
        }
    }

    /// The event's `message`.
    pub fn message(&self) -> String {
        match self {
            Self::Enabled { address_type } => {
                format!("Topology Aware Hints has been enabled, addressType: {address_type}")
            }
            Self::Disabled { address_type, reason } => {
                format!("{}, addressType: {address_type}", reason.message())
            }
        }
    }
}

impl DisabledReason {
    fn message(self) -> String {
        match self {
            Self::NotAskedFor => "Topology Aware Hints has been disabled".to_owned(),
            Self::InsufficientNodes => {
                "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes"
                    .to_owned()
            }
            Self::TooFewEndpoints { endpoints, zones } => {
                format!("Insufficient number of endpoints ({endpoints} endpoints, {zones} zones)")
            }
            Self::WouldOverload { endpoints, zones } => format!(
                "Unable to allocate minimum required endpoints to each zone without exceeding overload threshold \
                 ({endpoints} endpoints, {zones} zones)"
            ),
            Self::EndpointWithoutZone => "One or more endpoints do not have a zone specified".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
