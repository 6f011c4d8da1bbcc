use super::*;
use crate::testing::{pods, service, slice};

fn slices(counts: &[usize]) -> Vec<EndpointSlice> {
    let (service, pods) = (service("a"), pods(counts.iter().sum()));
    let mut rest = pods.as_slice();
    counts
        .iter()
        .enumerate()
        .map(|(index, count)| {
            let (these, others) = rest.split_at(*count);
            rest = others;
            slice(&format!("s-{index}"), &service, these, None)
        })
        .collect()
}

fn texts(left: &[EndpointSlice], right: &[EndpointSlice], compare: &Compare) -> Vec<String> {
    diff_with(&canonical(left), &canonical(right), compare)
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn names_packing_order_versions_and_the_trigger_time_do_not_matter() {
    let left = slices(&[3, 2]);
    let mut right = slices(&[1, 1, 3]);
    right.reverse();
    for slice in &mut right {
        slice.metadata.name = slice.metadata.name.as_ref().map(|name| format!("other-{name}"));
        slice.metadata.resource_version = None;
        let annotations = slice.metadata.annotations.get_or_insert_default();
        annotations.insert(names::TRIGGER_TIME.to_owned(), "now".to_owned());
        slice.endpoints.as_mut().unwrap().reverse();
    }
    assert_eq!(texts(&left, &right, &Compare::default()), [""; 0]);
    let counted = texts(
        &left,
        &right,
        &Compare {
            slice_count: true,
            ..Compare::default()
        },
    );
    assert_eq!(
        counted,
        ["ns/a IPv4 [http:8080/TCP]: slices of [3, 2] endpoints left, [3, 1, 1] right"]
    );
}

#[test]
fn null_and_empty_are_the_same_and_dying_slices_do_not_count() {
    let mut left = slices(&[0]);
    left[0].ports = None;
    let mut right = left.clone();
    (right[0].ports, right[0].endpoints) = (Some(vec![]), None);
    let mut dying = slices(&[2]);
    dying[0].metadata.deletion_timestamp = Some(crate::testing::time(1));
    right.extend(dying);
    assert_eq!(
        texts(
            &left,
            &right,
            &Compare {
                slice_count: true,
                ..Compare::default()
            }
        ),
        [""; 0]
    );
}

#[test]
fn every_kind_of_difference_is_named() {
    let left = slices(&[2]);
    let edit = |change: fn(&mut EndpointSlice)| {
        let mut right = left.clone();
        change(&mut right[0]);
        texts(&left, &right, &Compare::default())
    };
    let group = "ns/a IPv4 [http:8080/TCP]";
    assert_eq!(
        edit(|slice| slice.endpoints.as_mut().unwrap()[1].zone = Some("z".to_owned())),
        [format!(
            "{group}: 10.1.0.2 (pod-0001): zone: left absent, right \"z\""
        )]
    );
    assert_eq!(
        edit(|slice| _ = slice.endpoints.as_mut().unwrap().pop()),
        [format!("{group}: 10.1.0.2 (pod-0001): only left")]
    );
    let twice = edit(|slice| {
        let endpoints = slice.endpoints.as_mut().unwrap();
        endpoints.push(endpoints[0].clone());
    });
    assert_eq!(
        twice,
        [format!(
            "{group}: 10.1.0.1 (pod-0000): more than once on the right"
        )]
    );
    for (change, left, right) in [
        (
            (|slice| slice.metadata.owner_references = None) as fn(&mut EndpointSlice),
            "owner {",
            "no owner",
        ),
        (
            |slice| {
                slice
                    .metadata
                    .labels
                    .as_mut()
                    .unwrap()
                    .extend([("x".to_owned(), String::new())]);
            },
            "no label x, right",
            "label x=\"\"",
        ),
        (
            |slice| slice.metadata.annotations = Some([("x".to_owned(), "y".to_owned())].into()),
            "no annotation x, right",
            "annotation x=\"y\"",
        ),
    ] {
        let found = edit(change);
        assert_eq!(found.len(), 1);
        assert!(
            found[0].starts_with(&format!("{group}: left {left}")),
            "{found:?}"
        );
        assert!(found[0].ends_with(&format!(", right {right}")), "{found:?}");
    }
    let moved = edit(|slice| slice.ports = None);
    let [right, left] = moved.as_slice() else {
        panic!("{moved:?}");
    };
    assert!(
        right.starts_with("ns/a IPv4 []: only right, slices of ["),
        "{right}"
    );
    assert!(
        left.starts_with(&format!("{group}: only left, slices of [")),
        "{left}"
    );
    assert!(left.contains("10.1.0.1 (pod-0000) ready"), "{left}");
}

#[test]
fn hints_are_compared_as_asked() {
    let hint = |slices: &mut [EndpointSlice], index: usize, zone: &str| {
        slices[0].endpoints.as_mut().unwrap()[index].hints = Some(crate::rules::hints::for_zone(zone));
    };
    let (mut left, mut right) = (slices(&[4]), slices(&[4]));
    for (index, (one, other)) in [("a", "b"), ("b", "a"), ("a", "a")].into_iter().enumerate() {
        hint(&mut left, index, one);
        hint(&mut right, index, other);
    }
    let found = |left: &[EndpointSlice], right: &[EndpointSlice], hints| {
        texts(
            left,
            right,
            &Compare {
                hints,
                slice_count: false,
            },
        )
        .len()
    };
    let counts = |tolerance| HintComparison::Counts {
        tolerance: [("IPv4".to_owned(), tolerance)].into(),
    };
    assert_eq!(found(&left, &right, HintComparison::Exact), 2);
    assert_eq!(
        found(&left, &right, counts(0)),
        0,
        "who is hinted where does not matter"
    );
    hint(&mut right, 2, "c");
    assert_eq!(
        (found(&left, &right, counts(0)), found(&left, &right, counts(1))),
        (1, 0)
    );
    assert_eq!(
        found(&left, &slices(&[4]), counts(9)),
        1,
        "whether there are hints does"
    );

    let mut unready = slices(&[1]);
    unready[0].endpoints.as_mut().unwrap()[0]
        .conditions
        .as_mut()
        .unwrap()
        .ready = Some(false);
    let mut hinted = unready.clone();
    hint(&mut hinted, 0, "a");
    assert_eq!(found(&unready, &hinted, HintComparison::Exact), 1);
    assert_eq!(found(&unready, &hinted, HintComparison::ReadyOnly), 0);
    assert_eq!(found(&unready, &hinted, counts(0)), 0);
}
