use quaymaster_model::AddressType;

use super::*;

fn disabled(reason: DisabledReason) -> TopologyEvent {
    TopologyEvent::Disabled {
        address_type: AddressType::IPv4,
        reason,
    }
}

#[test]
fn events_have_the_words_that_people_know() {
    let enabled = TopologyEvent::Enabled {
        address_type: AddressType::IPv6,
    };
    assert_eq!(enabled.event_type(), "Normal");
    assert_eq!(enabled.reason(), "TopologyAwareHintsEnabled");
    assert_eq!(
        enabled.message(),
        "Topology Aware Hints has been enabled, addressType: IPv6"
    );

    for (reason, message) in [
        (
            DisabledReason::NotAskedFor,
            "Topology Aware Hints has been disabled, addressType: IPv4",
        ),
        (
            DisabledReason::InsufficientNodes,
            "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes, addressType: IPv4",
        ),
        (
            DisabledReason::TooFewEndpoints {
                endpoints: 2,
                zones: 3,
            },
            "Insufficient number of endpoints (2 endpoints, 3 zones), addressType: IPv4",
        ),
        (
            DisabledReason::WouldOverload {
                endpoints: 11,
                zones: 3,
            },
            "Unable to allocate minimum required endpoints to each zone without exceeding overload threshold (11 endpoints, 3 zones), addressType: IPv4",
        ),
        (
            DisabledReason::EndpointWithoutZone,
            "One or more endpoints do not have a zone specified, addressType: IPv4",
        ),
    ] {
        let event = disabled(reason);
        assert_eq!(event.event_type(), "Warning");
        assert_eq!(event.reason(), "TopologyAwareHintsDisabled");
        assert_eq!(event.message(), message);
    }
}
