use super::*;

/// Slices in each bucket that carry hints, also on an endpoint that is not ready.
fn hinted_slices() -> Vec<HintSlice> {
    let stale = with_readiness(Some(false), hinted("b", "b"));
    vec![
        HintSlice {
            bucket: Bucket::Create,
            endpoints: vec![hinted("a", "a")],
        },
        HintSlice {
            bucket: Bucket::Update,
            endpoints: vec![hinted("a", "b"), stale.clone()],
        },
        HintSlice {
            bucket: Bucket::Unchanged,
            endpoints: vec![endpoint("a"), hinted("b", "b")],
        },
        HintSlice {
            bucket: Bucket::Unchanged,
            endpoints: vec![endpoint("b"), stale],
        },
        HintSlice {
            bucket: Bucket::Unchanged,
            endpoints: vec![endpoint("b")],
        },
    ]
}

fn reason_of(events: &[TopologyEvent]) -> DisabledReason {
    match events {
        [
            TopologyEvent::Disabled {
                address_type: IPV4,
                reason,
            },
        ] => *reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_refusal_removes_all_hints_once_and_is_told_each_time() {
    let equal = |count: usize| {
        let names = ["a", "b", "c", "d", "e", "f", "g"];
        zones(
            &names[..count]
                .iter()
                .map(|name| (*name, 1000))
                .collect::<Vec<_>>(),
        )
    };
    let mut incomplete = equal(2);
    incomplete.node_changed(None, Some(&node(None, 1000)));
    for (zones, reason) in [
        (Zones::default(), DisabledReason::InsufficientNodes),
        (equal(1), DisabledReason::InsufficientNodes),
        (incomplete, DisabledReason::InsufficientNodes),
        (
            equal(7),
            DisabledReason::TooFewEndpoints {
                endpoints: 6,
                zones: 7,
            },
        ),
        (
            equal(4),
            DisabledReason::WouldOverload {
                endpoints: 6,
                zones: 4,
            },
        ),
    ] {
        let mut slices = hinted_slices();
        let mut state = HintState::default();
        add_hints(
            &mut state,
            &equal(2),
            &IPV4,
            &mut [slice_in(Bucket::Create, &["a", "b"])],
        );
        assert!(state.is_populated());

        assert_eq!(
            reason_of(&add_hints(&mut state, &zones, &IPV4, &mut slices)),
            reason
        );
        assert!(!state.is_populated());
        assert!(
            !state.is_overloaded(&zones),
            "what has no hints needs no new look"
        );
        assert!(slices.iter().flat_map(hints_in).all(|hint| hint.is_empty()));
        let buckets: Vec<_> = slices.iter().map(|slice| slice.bucket).collect();
        assert_eq!(
            buckets,
            [
                Bucket::Create,
                Bucket::Update,
                Bucket::Update,
                Bucket::Update,
                Bucket::Unchanged
            ],
            "{reason:?}"
        );

        for slice in &mut slices {
            slice.bucket = Bucket::Unchanged;
        }
        let before = slices.clone();
        assert_eq!(
            reason_of(&add_hints(&mut state, &zones, &IPV4, &mut slices)),
            reason
        );
        assert_eq!(slices, before);
    }
}

#[test]
fn a_ready_endpoint_without_zone_takes_the_hints_of_all() {
    for zone in [None, Some("")] {
        let homeless = EndpointRecord {
            zone: zone.map(Text::new),
            ..endpoint("a")
        };
        let kept = HintSlice {
            bucket: Bucket::Unchanged,
            endpoints: vec![hinted("a", "a"), hinted("b", "b")],
        };
        let without = HintSlice {
            bucket: Bucket::Unchanged,
            endpoints: vec![homeless, endpoint("b")],
        };
        let mut slices = vec![kept, without];
        let zones = zones(&[("a", 1000), ("b", 1000)]);
        let mut state = HintState::default();
        let events = add_hints(&mut state, &zones, &IPV4, &mut slices);
        assert_eq!(reason_of(&events), DisabledReason::EndpointWithoutZone);
        assert!(slices.iter().flat_map(hints_in).all(|hint| hint.is_empty()));
        assert_eq!(slices[0].bucket, Bucket::Update);
        assert_eq!(slices[1].bucket, Bucket::Unchanged, "it had none");
        assert!(!state.is_populated());
    }
}

#[test]
fn an_endpoint_without_zone_may_stay_where_its_hint_fits() {
    // Someone else's hint, or one from before the Node lost its zone: upstream looks at zones only in slices that
    // are written.
    let homeless = EndpointRecord {
        zone: None,
        ..hinted("a", "a")
    };
    let mut slices = [HintSlice {
        bucket: Bucket::Unchanged,
        endpoints: vec![homeless, hinted("b", "b")],
    }];
    let before = slices.clone();
    let zones = zones(&[("a", 1000), ("b", 1000)]);
    assert_eq!(
        add_hints(&mut HintState::default(), &zones, &IPV4, &mut slices),
        enabled()
    );
    assert_eq!(slices, before);
}

#[test]
fn a_service_without_endpoints_is_refused() {
    let mut slices = [slice_in(Bucket::Create, &[])];
    let events = add_hints(
        &mut HintState::default(),
        &three_equal_zones(),
        &IPV4,
        &mut slices,
    );
    assert_eq!(
        reason_of(&events),
        DisabledReason::TooFewEndpoints {
            endpoints: 0,
            zones: 3
        }
    );
}

#[test]
fn hints_come_back_with_the_data_and_are_told_of() {
    let mut state = HintState::default();
    let mut slices = [slice_in(Bucket::Create, &["a", "b"])];
    add_hints(&mut state, &Zones::default(), &IPV4, &mut slices);
    slices[0].bucket = Bucket::Unchanged;
    let zones = zones(&[("a", 1000), ("b", 1000)]);
    assert_eq!(add_hints(&mut state, &zones, &IPV4, &mut slices), enabled());
    assert_eq!(hints_in(&slices[0]), ["a", "b"]);
    assert_eq!(slices[0].bucket, Bucket::Update);
}
