//! Sparse slices are merged, where that is asked for.
//!
//! | Rule | Test |
//! |---|---|
//! | off | `sparse_slices_are_not_merged_and_nobody_asks_again_unless_it_is_asked_for` |
//! | a merge | `two_sparse_slices_become_one_and_every_pod_is_stored_there_before_the_other_goes`, `a_moved_endpoint_keeps_all_its_fields`, `an_empty_slice_is_deleted_at_once`, `a_merge_carries_no_trigger_time` |
//! | how sparse | `slices_that_are_half_full_stay`, `the_two_smallest_are_merged_until_the_slices_are_half_full` |
//! | which slices | `slices_of_different_ports_and_families_are_not_merged`, `a_slice_above_the_maximum_takes_no_part`, `slices_that_carry_what_others_put_on_them_take_no_part`, `slices_are_not_merged_where_hints_are_given_by_annotation`, `the_slices_of_a_service_that_is_going_are_left_alone` |
//! | quiet | `pods_that_come_and_go_put_a_merge_off`, `readiness_does_not_put_a_merge_off`, `after_a_restart_and_in_a_new_term_quiet_begins_anew` |
//! | turns | `services_merge_one_after_the_other`, `a_turn_that_comes_at_the_wrong_time_is_lost` |
//! | in general | `whatever_the_slices_merging_ends_half_full_at_two_writes_a_slice_and_nobody_undoes_it` |

mod overtaken;

use std::time::{Duration, Instant};

use quaymaster_model::{IpFamily, OwnerRef, PodHostname, Text, Timestamp, Uid};

use super::fixture::{Fixture, counts, draft, not_ready, pod, pod_name};
use super::random::Random;
use crate::Write;

const QUIET: Duration = Duration::from_mins(5);
/// A second less.
const ALMOST: Duration = Duration::from_secs(299);
const SECOND: Duration = Duration::from_secs(1);

/// A Service whose slices `svc-0`, `svc-1` ... have these numbers of endpoints, of at most `max`; all is written.
fn merging(max: usize, sizes: &[usize]) -> Fixture {
    let mut fixture = Fixture::new().with_pods(sizes.iter().sum());
    fixture.settings.max_endpoints = max;
    fixture.settings.rebalance_after = Some(QUIET);
    let mut first = 0;
    for (n, size) in sizes.iter().enumerate() {
        fixture.store_pods(&format!("svc-{n}"), first..first + size);
        first += size;
    }
    fixture.restart();
    assert_eq!(fixture.settle(), [], "nothing is merged at a start");
    fixture
}

impl Fixture {
    fn look_again(&mut self) -> Option<Instant> {
        let plan = self.plan_whole(16);
        assert_eq!(plan.writes, []);
        plan.look_again
    }

    /// Lets time pass, and writes, for as long as the Service is to be looked at again. Returns what was written.
    fn rest(&mut self) -> Vec<Write> {
        let start = self.log.len();
        for _ in 0..1000 {
            self.settle();
            match self.look_again() {
                Some(at) => self.now = at.max(self.now + SECOND),
                None => return self.log[start..].to_vec(),
            }
        }
        panic!("never rests: {:#?}", &self.log[self.log.len() - 4..]);
    }

    fn names(&self) -> Vec<&str> {
        self.world.slices.keys().map(Text::as_str).collect()
    }
}

#[test]
fn sparse_slices_are_not_merged_and_nobody_asks_again_unless_it_is_asked_for() {
    let mut fixture = merging(10, &[1, 1, 1]);
    assert_eq!(fixture.look_again(), Some(fixture.now + QUIET));
    fixture.settings.rebalance_after = None;
    assert_eq!(fixture.look_again(), None);
    fixture.now += 10 * QUIET;
    assert_eq!(fixture.rest(), []);
    assert_eq!(fixture.summary().spare_slices, 2, "what it would save is shown");
}

#[test]
fn two_sparse_slices_become_one_and_every_pod_is_stored_there_before_the_other_goes() {
    // The smaller one is first by name, and last.
    for sizes in [[2, 3], [3, 2]] {
        let mut fixture = merging(20, &sizes);
        fixture.now += ALMOST;
        assert_eq!(fixture.look_again(), Some(fixture.now + SECOND));
        fixture.now += SECOND;
        let writes = fixture.plan(16);
        assert_eq!(counts(&writes), (0, 1, 0));
        assert_eq!(writes[0].key.name, "svc-0");
        assert_eq!(draft(&writes[0]).endpoints.len(), 5);
        assert_eq!(fixture.plan(16), [], "nothing more before it is stored");
        fixture.perform(&writes[0]);
        let writes = fixture.plan(16);
        assert_eq!(counts(&writes), (0, 0, 1));
        fixture.perform(&writes[0]);
        assert_eq!(fixture.order("svc-0"), [0, 1, 2, 3, 4].map(pod_name));
        assert_eq!((fixture.look_again(), fixture.names()), (None, vec!["svc-0"]));
    }
}

#[test]
fn a_moved_endpoint_keeps_all_its_fields() {
    let mut fixture = Fixture::new();
    fixture.settings.rebalance_after = Some(QUIET);
    fixture.service.traffic_distribution = Some("PreferSameNode".into());
    fixture.settings.max_endpoints = 1;
    let mut named = pod(1);
    named.hostname = Some(Box::new(PodHostname {
        hostname: "host".into(),
        subdomain: "svc".into(),
    }));
    let mut going = pod(2);
    going.flags.terminating = true;
    for pod in [pod(0), named, going, not_ready(3)] {
        fixture.world.add(pod);
    }
    fixture.start();
    assert_eq!(fixture.sizes(), [1, 1, 1, 1]);
    let endpoints = |fixture: &Fixture| {
        let slices = fixture.world.slices.values();
        let mut all: Vec<_> = slices.flat_map(|slice| slice.endpoints.clone()).collect();
        all.sort_by(|a, b| a.addresses[0].to_string().cmp(&b.addresses[0].to_string()));
        all
    };
    let before = endpoints(&fixture);
    assert!(
        before
            .iter()
            .any(|endpoint| endpoint.hints.is_some() && endpoint.hostname.is_some())
    );
    fixture.settings.max_endpoints = 100;
    fixture.rest();
    assert_eq!(fixture.sizes(), [4]);
    assert_eq!(endpoints(&fixture), before);
}

#[test]
fn an_empty_slice_is_deleted_at_once() {
    for sizes in [[0, 3], [3, 0]] {
        let mut fixture = merging(10, &sizes);
        assert_eq!(counts(&fixture.rest()), (0, 0, 1));
        assert_eq!(fixture.sizes(), [3]);
    }
}

#[test]
fn a_merge_carries_no_trigger_time() {
    let mut fixture = merging(10, &[1, 1]);
    fixture.set_pod_at(not_ready(0), Some(Timestamp(3000)));
    fixture.settle();
    let writes = fixture.rest();
    assert_eq!(counts(&writes), (0, 1, 1));
    assert_eq!(draft(&writes[0]).trigger, None);
}

#[test]
fn slices_that_are_half_full_stay() {
    for (sizes, merges) in [
        (vec![5, 5], 0),
        (vec![9, 1], 0),
        (vec![5, 4], 1),
        (vec![1], 0),
        (vec![10, 4, 1], 0),
        (vec![10, 2, 1, 1], 2),
        (vec![1, 1, 1, 1, 1, 1], 5),
    ] {
        let mut fixture = merging(10, &sizes);
        assert_eq!(fixture.summary().spare_slices, merges, "{sizes:?}");
        assert_eq!(counts(&fixture.rest()), (0, merges, merges), "{sizes:?}");
        assert_eq!(fixture.summary().spare_slices, 0, "{sizes:?}");
    }
}

#[test]
fn the_two_smallest_are_merged_until_the_slices_are_half_full() {
    let mut fixture = merging(10, &[4, 1, 6, 2, 3]);
    fixture.rest();
    // 1 and 2, which are 3 then, and the other 3; then there are 16 in three.
    assert_eq!(fixture.sizes(), [6, 6, 4]);
    assert_eq!(fixture.names(), ["svc-0", "svc-1", "svc-2"]);
}

#[test]
fn slices_of_different_ports_and_families_are_not_merged() {
    let mut fixture = Fixture::of_named_port(&[(0, 8080), (1, 8081)]);
    fixture.settings.rebalance_after = Some(QUIET);
    assert_eq!((fixture.rest(), fixture.sizes()), (vec![], vec![1, 1]));

    let mut fixture = Fixture::new();
    fixture.settings.rebalance_after = Some(QUIET);
    fixture.service.ip_families = vec![IpFamily::V4, IpFamily::V6];
    let mut both = pod(0);
    both.addresses.push("fd00::1".parse().unwrap());
    fixture.world.add(both);
    fixture.start();
    assert_eq!((fixture.rest(), fixture.sizes()), (vec![], vec![1, 1]));
}

#[test]
fn a_slice_above_the_maximum_takes_no_part() {
    let mut fixture = merging(10, &[12, 1]);
    assert_eq!(fixture.rest(), []);
    // Nor does it make others look fuller than they are.
    let mut fixture = merging(10, &[12, 12, 1, 1]);
    fixture.rest();
    assert_eq!(fixture.sizes(), [12, 12, 2]);
    assert_eq!(fixture.summary().spare_slices, 0);
}

#[test]
fn slices_that_carry_what_others_put_on_them_take_no_part() {
    let things: [fn(&mut quaymaster_model::SliceRecord); 3] = [
        |slice| slice.finalizers.push("example.org/hold".into()),
        |slice| slice.annotations.push(("example.org/note".into(), "kept".into())),
        |slice| {
            let other = OwnerRef::controller("v1", "ConfigMap", "other".into(), Uid::new("other"));
            slice.owners.push(other);
        },
    ];
    for put_on in things {
        for held in ["svc-0", "svc-1"] {
            let mut fixture = merging(10, &[1, 1]);
            fixture.edit(held, put_on);
            fixture.restart();
            assert_eq!(fixture.rest(), []);
        }
        let mut fixture = merging(10, &[1, 2, 3]);
        fixture.edit("svc-0", put_on);
        fixture.restart();
        assert_eq!(counts(&fixture.rest()), (0, 1, 1), "the others do");
        assert_eq!(fixture.names(), ["svc-0", "svc-1"]);

        let mut fixture = merging(10, &[9, 8, 1, 1, 1]);
        for held in ["svc-2", "svc-3", "svc-4"] {
            fixture.edit(held, put_on);
        }
        fixture.restart();
        assert_eq!(fixture.rest(), [], "or they do not fit into one");
    }
}

#[test]
fn slices_are_not_merged_where_hints_are_given_by_annotation() {
    let mut fixture = merging(10, &[1, 1]);
    fixture.service.topology_auto = true;
    fixture.refresh();
    fixture.settle();
    assert_eq!(fixture.look_again(), None);
    assert_eq!(fixture.summary().spare_slices, 0);
    fixture.now += QUIET;
    assert_eq!(fixture.settle(), []);
}

#[test]
fn the_slices_of_a_service_that_is_going_are_left_alone() {
    let mut fixture = merging(10, &[1, 1]);
    fixture.service.terminating = true;
    fixture.refresh();
    assert_eq!(fixture.look_again(), None);
    fixture.now += QUIET;
    assert_eq!(fixture.settle(), []);
}

#[test]
fn pods_that_come_and_go_put_a_merge_off() {
    let mut fixture = merging(10, &[2, 1, 1]);
    for (n, change) in [true, false, true].into_iter().enumerate() {
        fixture.now += ALMOST;
        if change {
            fixture.set_pod(pod(10 + n));
        } else {
            fixture.remove_pod(10);
        }
        assert_eq!(fixture.settle().len(), 1);
        assert_eq!(fixture.look_again(), Some(fixture.now + QUIET), "{n}");
    }
    fixture.now += QUIET;
    assert_eq!(counts(&fixture.settle()), (0, 1, 1));
    assert_eq!(
        fixture.look_again(),
        Some(fixture.now + QUIET),
        "a merge does so as well"
    );
}

#[test]
fn readiness_does_not_put_a_merge_off() {
    let mut fixture = merging(10, &[1, 1]);
    let due = fixture.look_again();
    for n in 0..4 {
        fixture.now += QUIET / 5;
        fixture.set_pod(if n % 2 == 0 { not_ready(0) } else { pod(0) });
        assert_eq!(counts(&fixture.settle()), (0, 1, 0));
        assert_eq!(fixture.look_again(), due);
    }
    fixture.now += QUIET / 5;
    // What is due is written first.
    fixture.set_pod(not_ready(0));
    let writes = fixture.plan(16);
    assert_eq!(draft(&writes[0]).endpoints.len(), 1);
    assert_eq!(fixture.plan_whole(16).look_again, Some(fixture.now + QUIET));
    fixture.perform(&writes[0]);
    assert_eq!(counts(&fixture.settle()), (0, 1, 1));
}

#[test]
fn after_a_restart_and_in_a_new_term_quiet_begins_anew() {
    let mut fixture = merging(10, &[1, 1]);
    fixture.now += QUIET;
    fixture.restart();
    assert_eq!(fixture.look_again(), Some(fixture.now + QUIET));
    fixture.now += QUIET;
    let cx = crate::Context {
        service: &fixture.service,
        cluster: &fixture.world,
        settings: &fixture.settings,
    };
    fixture.state.take_back(cx);
    assert_eq!(fixture.look_again(), Some(fixture.now + QUIET));
}

#[test]
fn services_merge_one_after_the_other() {
    let mut services: Vec<Fixture> = (0..3).map(|_| merging(10, &[1, 1])).collect();
    let start = services[0].now;
    let mut turns = services[0].turns;
    let mut begun = Vec::new();
    for service in &mut services {
        service.now = start;
        service.restart();
        assert_eq!(service.look_again(), Some(start + QUIET));
    }
    for seconds in 0..4 {
        for (n, service) in services.iter_mut().enumerate() {
            service.now = start + QUIET + seconds * SECOND;
            service.turns = turns;
            if !service.settle().is_empty() {
                begun.push((seconds, n));
            }
            turns = service.turns;
        }
    }
    assert_eq!(begun, [(0, 0), (1, 1), (2, 2)]);
}

#[test]
fn a_turn_that_comes_at_the_wrong_time_is_lost() {
    let mut fixture = merging(10, &[1, 1]);
    fixture.now += QUIET;
    // Somebody else has the first one.
    let _ = fixture.turns.next(fixture.now);
    let turn = fixture.look_again();
    assert_eq!(turn, Some(fixture.now + SECOND));
    fixture.set_pod(not_ready(0));
    fixture.settle();
    assert_eq!(fixture.look_again(), turn, "before, something may be written");
    fixture.now += SECOND;
    fixture.set_pod(pod(0));
    let writes = fixture.plan(16);
    fixture.perform(&writes[0]);
    let _ = fixture.turns.next(fixture.now);
    assert_eq!(fixture.look_again(), Some(fixture.now + 2 * SECOND));
}

#[test]
fn whatever_the_slices_merging_ends_half_full_at_two_writes_a_slice_and_nobody_undoes_it() {
    let mut merged = 0;
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let max = 1 + random.below(12);
        let sizes: Vec<usize> = (0..=random.below(9)).map(|_| 1 + random.below(max)).collect();
        let mut fixture = merging(max, &sizes);
        // Pods that come and go in between, each time until it is at rest.
        for round in 0..4 {
            let spare = fixture.summary().spare_slices;
            let before = fixture.published();
            let slices = fixture.sizes().len();
            let writes = fixture.rest();
            let why = format!("seed {seed}, round {round}, at most {max}: {:?}", fixture.sizes());
            assert_eq!(counts(&writes), (0, spare, spare), "{why}");
            assert_eq!(fixture.sizes().len(), slices - spare, "{why}");
            assert_eq!(fixture.published(), before, "{why}");
            assert!(fixture.sizes()[0] <= max, "{why}");
            let count = fixture.sizes().len();
            assert!(count == 1 || 2 * before.len() >= count * max, "{why}");
            merged += spare;
            // Neither a process that merges nor one that does not has anything to write over it.
            for rebalance_after in [None, Some(QUIET)] {
                fixture.settings.rebalance_after = rebalance_after;
                fixture.restart();
                assert_eq!(fixture.rest(), [], "{why}");
            }
            for name in before {
                if random.chance(60) {
                    let name = Text::new(&name);
                    fixture.world.pods.remove(&name);
                    fixture.tell(&name);
                }
            }
            for _ in 0..random.below(max) {
                fixture.set_pod(pod(random.below(500)));
            }
            fixture.settle();
            if fixture.published().is_empty() {
                break;
            }
        }
    }
    assert!(merged > 500, "{merged}");
}
