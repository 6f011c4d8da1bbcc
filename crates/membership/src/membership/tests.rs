use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use quaymaster_model::{Interned, LabelSet, Selector, Text};

use super::*;

fn labels(pairs: &[(&str, &str)]) -> Interned<LabelSet> {
    Interned::from_value(LabelSet::new(
        pairs.iter().map(|(k, v)| (Text::new(k), Text::new(v))),
    ))
}

fn selector(pairs: &[(&str, &str)]) -> Selector {
    Selector::new(labels(pairs)).unwrap()
}

fn ids(list: &[u32]) -> ServiceIds {
    list.iter().copied().map(ServiceId).collect()
}

/// What membership means, by a scan.
#[derive(Default)]
struct Naive {
    pods: BTreeMap<PodId, (Text, Interned<LabelSet>)>,
    services: BTreeMap<ServiceId, (Text, Selector)>,
}

impl Naive {
    fn services_of(&self, id: PodId) -> ServiceIds {
        let Some((namespace, labels)) = self.pods.get(&id) else {
            return ServiceIds::new();
        };
        self.services
            .iter()
            .filter(|(_, (other, selector))| other == namespace && selector.matches(labels))
            .map(|(id, _)| *id)
            .collect()
    }

    fn moved(before: &[ServiceId], after: &[ServiceId]) -> Moved {
        let both = |a: &[ServiceId], b: &[ServiceId], within: bool| {
            a.iter()
                .filter(|id| b.contains(id) == within)
                .copied()
                .collect::<ServiceIds>()
        };
        Moved {
            left: both(before, after, false),
            stayed: both(before, after, true),
            joined: both(after, before, false),
        }
    }
}

#[derive(Debug, Clone)]
enum Op {
    UpsertPod(u32, u8, Vec<(u8, u8)>),
    RemovePod(u32),
    UpsertService(u32, u8, Vec<(u8, u8)>),
    RemoveService(u32),
}

const PODS: u32 = 10;
const SERVICES: u32 = 8;

fn op() -> impl Strategy<Value = Op> {
    let pairs = |most| proptest::collection::vec((0..4u8, 0..3u8), 0..=most);
    prop_oneof![
        6 => (0..PODS, 0..2u8, pairs(4)).prop_map(|(id, ns, pairs)| Op::UpsertPod(id, ns, pairs)),
        3 => (0..PODS).prop_map(Op::RemovePod),
        4 => (0..SERVICES, 0..2u8, pairs(2)).prop_map(|(id, ns, pairs)| Op::UpsertService(id, ns, pairs)),
        2 => (0..SERVICES).prop_map(Op::RemoveService),
    ]
}

fn named(pairs: &[(u8, u8)]) -> Interned<LabelSet> {
    Interned::from_value(LabelSet::new(
        pairs
            .iter()
            .map(|(k, v)| (Text::new(&format!("key-{k}")), Text::new(&format!("value-{v}")))),
    ))
}

fn namespace(number: u8) -> Text {
    Text::new(&format!("namespace-{number}"))
}

fn run(membership: &mut Membership, naive: &mut Naive, op: &Op) {
    match op {
        Op::UpsertPod(id, ns, pairs) => {
            let (id, ns, labels) = (PodId(*id), namespace(*ns), named(pairs));
            let before = naive.services_of(id);
            naive.pods.insert(id, (ns.clone(), labels.clone()));
            let expected = Naive::moved(&before, &naive.services_of(id));
            assert_eq!(membership.upsert_pod(id, &ns, &labels), expected);
        }
        Op::RemovePod(id) => {
            let id = PodId(*id);
            let expected = naive.services_of(id);
            naive.pods.remove(&id);
            assert_eq!(membership.remove_pod(id), expected);
        }
        Op::UpsertService(id, ns, pairs) => {
            let (id, ns, selector) = (ServiceId(*id), namespace(*ns), Selector::new(named(pairs)));
            let old = naive.services.remove(&id);
            let new = selector.clone().map(|selector| (ns.clone(), selector));
            naive.services.extend(new.clone().map(|new| (id, new)));
            assert_eq!(membership.upsert_service(id, &ns, selector.as_ref()), old != new);
        }
        Op::RemoveService(id) => {
            naive.services.remove(&ServiceId(*id));
            membership.remove_service(ServiceId(*id));
        }
    }
}

fn compare(membership: &Membership, naive: &Naive) {
    let mut backed: BTreeMap<ServiceId, BTreeSet<PodId>> = BTreeMap::new();
    for pod in (0..PODS).map(PodId) {
        let expected = naive.services_of(pod);
        assert_eq!(membership.services_of(pod), expected.as_slice(), "{pod:?}");
        for service in &expected {
            backed.entry(*service).or_default().insert(pod);
        }
        for service in (0..SERVICES).map(ServiceId) {
            assert_eq!(membership.contains(service, pod), expected.contains(&service));
        }
    }
    for service in (0..SERVICES).map(ServiceId) {
        let expected = backed.remove(&service).unwrap_or_default();
        let pods: Vec<PodId> = membership.pods_of(service).collect();
        assert_eq!(pods.len(), expected.len(), "each Pod once");
        assert_eq!(pods.into_iter().collect::<BTreeSet<_>>(), expected, "{service:?}");
        assert_eq!(membership.count(service), expected.len());
    }
    let groups: BTreeSet<_> = naive
        .pods
        .values()
        .map(|(ns, labels)| (ns.to_string(), format!("{labels:?}")))
        .collect();
    let sizes = membership.sizes();
    assert_eq!(sizes.pods, naive.pods.len());
    assert_eq!(sizes.services, naive.services.len());
    assert_eq!(sizes.groups, groups.len());
}

fn assert_empty(membership: &Membership) {
    assert_eq!(
        Sizes {
            bytes: 0,
            ..membership.sizes()
        },
        Sizes::default()
    );
    assert_eq!(membership.counts.filed, 0);
}

proptest! {
    #[test]
    fn membership_equals_a_scan_of_all_pods_and_services(ops in proptest::collection::vec(op(), 1..120)) {
        let mut membership = Membership::new();
        let mut naive = Naive::default();
        for op in &ops {
            run(&mut membership, &mut naive, op);
            compare(&membership, &naive);
        }
        for pod in 0..PODS {
            membership.remove_pod(PodId(pod));
        }
        for service in 0..SERVICES {
            membership.remove_service(ServiceId(service));
        }
        assert_empty(&membership);
    }
}

#[test]
fn a_pod_that_changes_its_labels_leaves_stays_with_and_joins_services() {
    let mut membership = Membership::new();
    let ns = Text::new("shop");
    membership.upsert_service(ServiceId(0), &ns, Some(&selector(&[("app", "web")])));
    membership.upsert_service(
        ServiceId(1),
        &ns,
        Some(&selector(&[("app", "web"), ("version", "1")])),
    );
    membership.upsert_service(
        ServiceId(2),
        &ns,
        Some(&selector(&[("app", "web"), ("version", "2")])),
    );
    let first = membership.upsert_pod(PodId(7), &ns, &labels(&[("app", "web"), ("version", "1")]));
    assert_eq!(first.joined, ids(&[0, 1]));
    let moved = membership.upsert_pod(PodId(7), &ns, &labels(&[("app", "web"), ("version", "2")]));
    assert_eq!(
        moved,
        Moved {
            left: ids(&[1]),
            stayed: ids(&[0]),
            joined: ids(&[2]),
        }
    );
}

#[test]
fn a_service_without_a_selector_and_pods_without_labels_match_nothing() {
    let mut membership = Membership::new();
    let ns = Text::new("shop");
    assert!(!membership.upsert_service(ServiceId(0), &ns, None));
    membership.upsert_service(ServiceId(1), &ns, Some(&selector(&[("app", "web")])));
    let moved = membership.upsert_pod(PodId(0), &ns, &labels(&[]));
    assert_eq!(moved, Moved::default());
    assert_eq!(membership.sizes().services, 1);
    assert!(
        membership.upsert_service(ServiceId(1), &ns, None),
        "dropped again"
    );
    assert_eq!(membership.sizes().services, 0);
}

#[test]
fn a_selector_never_reaches_into_another_namespace() {
    let mut membership = Membership::new();
    let web = labels(&[("app", "web")]);
    membership.upsert_service(ServiceId(0), &Text::new("a"), Some(&selector(&[("app", "web")])));
    membership.upsert_pod(PodId(0), &Text::new("b"), &web);
    assert_eq!(membership.services_of(PodId(0)), &[]);
    membership.upsert_pod(PodId(1), &Text::new("a"), &web);
    assert_eq!(membership.pods_of(ServiceId(0)).collect::<Vec<_>>(), [PodId(1)]);
}

#[test]
fn labels_that_are_unique_to_a_pod_are_forgotten_with_it() {
    let mut membership = Membership::new();
    let ns = Text::new("db");
    membership.upsert_service(ServiceId(0), &ns, Some(&selector(&[("app", "db")])));
    for generation in 0..5_000 {
        let name = format!("db-{generation}");
        let labels = labels(&[("app", "db"), ("statefulset.kubernetes.io/pod-name", &name)]);
        membership.upsert_pod(PodId(generation % 10), &ns, &labels);
    }
    let sizes = membership.sizes();
    assert_eq!((sizes.pods, sizes.groups, sizes.links), (10, 10, 10));
    assert_eq!(sizes.label_pairs, 11);
    assert!(sizes.bytes < 100_000, "{sizes:?}");
}

/// 1,000 Services of 20 Pods each in one namespace, each Pod with pairs that all others carry as well.
fn crowded(with_common_pair: bool) -> (Membership, Text) {
    let mut membership = Membership::new();
    let ns = Text::new("crowded");
    for service in 0..1_000 {
        let name = format!("app-{service}");
        let mut pairs = vec![("app", name.as_str())];
        if with_common_pair {
            pairs.push(("a-tier", "web"));
        }
        membership.upsert_service(ServiceId(service), &ns, Some(&selector(&pairs)));
    }
    for pod in 0..20_000 {
        membership.upsert_pod(PodId(pod), &ns, &crowd_labels(pod % 1_000, "1"));
    }
    (membership, ns)
}

fn crowd_labels(app: u32, version: &str) -> Interned<LabelSet> {
    labels(&[
        ("a-tier", "web"),
        ("app", &format!("app-{app}")),
        ("version", version),
    ])
}

#[test]
fn a_pod_event_in_a_crowded_namespace_looks_at_a_handful_of_entries() {
    for with_common_pair in [false, true] {
        let (mut membership, ns) = crowded(with_common_pair);
        assert_eq!(membership.count(ServiceId(999)), 20);

        let before = membership.probes();
        membership.upsert_pod(PodId(5), &ns, &crowd_labels(5, "1"));
        assert_eq!(membership.probes(), before, "same labels cost no matching");

        // New labels: three look-ups, the one Service that matches, and the one that was filed under the common pair
        // before anything told how common it is.
        let moved = membership.upsert_pod(PodId(5), &ns, &crowd_labels(5, "2"));
        assert_eq!(moved.stayed, ids(&[5]));
        assert!(
            membership.probes() - before <= 5,
            "{}",
            membership.probes() - before
        );

        let before = membership.probes();
        membership.remove_pod(PodId(5));
        assert_eq!(membership.probes(), before);
    }
}

#[test]
fn a_new_service_in_a_crowded_namespace_is_compared_with_the_groups_of_its_rarest_pair() {
    let (mut membership, ns) = crowded(true);
    let before = membership.probes();
    membership.upsert_service(
        ServiceId(1_000),
        &ns,
        Some(&selector(&[("a-tier", "web"), ("app", "app-7")])),
    );
    assert_eq!(membership.count(ServiceId(1_000)), 20);
    assert!(
        membership.probes() - before <= 3,
        "{}",
        membership.probes() - before
    );
}
