use std::collections::BTreeMap;

use super::*;
use crate::testing::service;

#[test]
fn the_deprecated_annotation_wins_also_with_a_value_that_means_off() {
    for (deprecated, mode, expected) in [
        (None, None, false),
        (None, Some("Auto"), true),
        (None, Some("auto"), true),
        (None, Some("aUto"), false),
        (Some("Auto"), None, true),
        (Some("disabled"), Some("Auto"), false),
        (Some("auto"), Some("disabled"), true),
    ] {
        let pairs = [(names::TOPOLOGY_HINTS, deprecated), (names::TOPOLOGY_MODE, mode)];
        let mut service = service("a");
        service.metadata.annotations = Some(
            pairs
                .into_iter()
                .filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned())))
                .collect(),
        );
        assert_eq!(auto(&service), expected, "{deprecated:?} {mode:?}");
    }
}

#[test]
fn the_annotation_goes_before_traffic_distribution() {
    let mut service = service("a");
    service.spec.as_mut().unwrap().traffic_distribution = Some("PreferSameNode".to_owned());
    assert_eq!(
        traffic_distribution(&service, Rules { minor: 34 }),
        Some("PreferSameNode")
    );
    assert_eq!(traffic_distribution(&service, Rules { minor: 33 }), None);
    service.metadata.annotations = Some(BTreeMap::from([(
        names::TOPOLOGY_MODE.to_owned(),
        "Auto".to_owned(),
    )]));
    assert_eq!(traffic_distribution(&service, Rules { minor: 34 }), None);
}

#[test]
fn an_endpoint_with_neither_zone_nor_node_is_wanted_without_hints() {
    let endpoint = Endpoint::default();
    assert_eq!(wanted("PreferSameNode", &endpoint), None);
    let endpoint = Endpoint {
        node_name: Some("n".to_owned()),
        ..endpoint
    };
    assert_eq!(wanted("PreferClose", &endpoint), None);
    let hints = wanted("PreferSameNode", &endpoint).unwrap();
    assert_eq!((hints.for_zones, hints.for_nodes.unwrap().len()), (None, 1));
}
