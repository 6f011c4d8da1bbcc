//! What a change costs does not depend on how large the Service is, and filling a Service costs what its Pods cost.
//!
//! Steps are counted, not seconds: each look-up of a Pod, each look at a held slice, each name tried.

use std::collections::VecDeque;

use quaymaster_model::{Interned, LabelSet, TargetPort};

use super::fixture::{Fixture, counts, pod, port};
use crate::Write;

/// Endpoints of a slice: few, so that there are many slices.
const MAX: usize = 10;

fn steps(fixture: &Fixture) -> usize {
    fixture.world.looked_up.get() + fixture.state.slices.looked_at.get()
}

/// Writes until nothing is left, with at most `limit` calls in flight, each answered by itself.
fn drain(fixture: &mut Fixture, limit: usize) -> Vec<Write> {
    let start = fixture.log.len();
    let mut calls: VecDeque<Write> = fixture.plan(limit).into();
    while let Some(call) = calls.pop_front() {
        fixture.perform(&call);
        calls.extend(fixture.plan(limit - calls.len()));
    }
    assert_eq!(fixture.state.in_flight(), 0);
    assert!(!fixture.state.has_work());
    fixture.log[start..].to_vec()
}

/// A Service of this many Pods, all placed.
fn filled(pods: usize) -> Fixture {
    let mut fixture = Fixture::new().with_pods(pods);
    fixture.settings.max_endpoints = MAX;
    fixture.restart();
    drain(&mut fixture, 16);
    fixture
}

/// Steps of `change`, until it is written, in a Service of this many Pods.
fn cost(pods: usize, limit: usize, change: impl Fn(&mut Fixture)) -> (usize, (usize, usize, usize)) {
    let mut fixture = filled(pods);
    let before = steps(&fixture);
    change(&mut fixture);
    let writes = drain(&mut fixture, limit);
    (steps(&fixture) - before, counts(&writes))
}

/// Twice as many Pods cost twice as much, and not four times.
fn is_linear(what: &str, run: impl Fn(usize) -> usize) {
    let (half, whole) = (run(500), run(1000));
    assert!(
        whole * 10 <= half * 22,
        "{what}: {half} steps for 500 Pods, {whole} for 1000"
    );
}

fn unready(fixture: &mut Fixture, n: usize) {
    let mut pod = pod(n);
    pod.flags.ready = false;
    fixture.set_pod(pod);
}

#[test]
fn a_flip_costs_the_same_in_a_service_of_5000_pods_as_in_one_of_200() {
    let flip = |fixture: &mut Fixture| unready(fixture, 105);
    let (small, large) = (cost(200, 16, flip), cost(5000, 16, flip));
    assert_eq!(small, large);
    assert_eq!(large.1, (0, 1, 0));
    assert!(large.0 <= 10 * MAX, "{} steps for a slice of {MAX}", large.0);
}

#[test]
fn a_flip_while_every_slice_has_a_write_in_flight_costs_the_same_too() {
    let busy = |pods: usize| {
        let mut fixture = filled(pods);
        for n in (0..pods).step_by(MAX) {
            unready(&mut fixture, n);
        }
        let calls = fixture.plan(usize::MAX);
        assert_eq!(calls.len(), pods / MAX);
        let before = steps(&fixture);
        unready(&mut fixture, 105);
        assert_eq!(fixture.plan(usize::MAX), []);
        fixture.perform(&calls[10]);
        assert_eq!(fixture.plan(usize::MAX).len(), 1);
        steps(&fixture) - before
    };
    assert_eq!(busy(200), busy(2000));
}

#[test]
fn a_slice_that_goes_and_one_that_comes_cost_the_same_in_any_service() {
    let replace = |fixture: &mut Fixture| {
        for round in 0..5 {
            for n in 50..60 {
                fixture.remove_pod(n);
            }
            assert_eq!(counts(&drain(fixture, 16)), (0, 0, 1));
            for n in 50..60 {
                fixture.set_pod(pod(n));
            }
            assert_eq!(counts(&drain(fixture, 16)), (1, 0, 0), "{round}");
        }
    };
    let (small, large) = (cost(200, 16, replace), cost(2000, 16, replace));
    assert_eq!(small, large);
}

#[test]
fn totals_do_not_look_at_slices() {
    let fixture = filled(500);
    let before = steps(&fixture);
    let summary = fixture.summary();
    assert_eq!((summary.endpoints, summary.slices), (500, 50));
    assert_eq!(steps(&fixture), before);
}

#[test]
fn a_first_fill_costs_what_the_pods_cost_however_few_calls_are_allowed_at_once() {
    for limit in [1, 16, usize::MAX] {
        is_linear("first fill", |pods| {
            let mut fixture = Fixture::new().with_pods(pods);
            fixture.settings.max_endpoints = MAX;
            fixture.restart();
            assert_eq!(counts(&drain(&mut fixture, limit)), (pods / MAX, 0, 0));
            steps(&fixture)
        });
    }
}

#[test]
fn a_change_of_every_slice_costs_what_the_pods_cost() {
    for limit in [1, 16] {
        is_linear("labels", |pods| {
            let (steps, writes) = cost(pods, limit, |fixture| {
                let labels = LabelSet::new([("own".into(), "x".into())]);
                fixture.service.labels = Interned::from_value(labels);
                fixture.refresh();
            });
            assert_eq!(writes, (0, pods / MAX, 0));
            steps
        });
        is_linear("ports", |pods| {
            let (steps, writes) = cost(pods, limit, |fixture| {
                fixture.service.ports = vec![port("http", 80, TargetPort::Number(9090))];
                fixture.refresh();
            });
            assert_eq!(writes, (0, pods / MAX, 0));
            steps
        });
    }
}

#[test]
fn slices_that_wait_to_be_deleted_are_not_looked_at_with_each_answer() {
    for limit in [1, 16] {
        is_linear("scaled down", |pods| {
            let (steps, writes) = cost(pods, limit, |fixture| {
                for n in 0..pods {
                    // Every other slice empties, the others lose one Pod.
                    if n % (2 * MAX) <= MAX {
                        fixture.remove_pod(n);
                    }
                }
            });
            assert_eq!(writes, (0, pods / MAX / 2, pods / MAX / 2));
            steps
        });
    }
}

#[test]
fn slices_that_wait_for_their_pods_to_be_seen_elsewhere_are_not_looked_at_with_each_answer() {
    // Sparse slices with other ports become few full ones; the rest goes once its Pods are seen there.
    is_linear("repacked", |pods| {
        let mut fixture = filled(pods);
        for n in 0..pods {
            if n % MAX >= MAX / 2 {
                fixture.remove_pod(n);
            }
        }
        drain(&mut fixture, 16);
        let before = steps(&fixture);
        fixture.service.ports = vec![port("http", 80, TargetPort::Number(9090))];
        fixture.refresh();
        let writes = drain(&mut fixture, 16);
        assert_eq!(counts(&writes), (0, pods / MAX / 2, pods / MAX / 2));
        steps(&fixture) - before
    });
}

#[test]
fn a_changed_pod_is_not_looked_up() {
    for change in [pod(7), super::fixture::not_ready(7), pod(10_000)] {
        let mut fixture = filled(100);
        let before = fixture.world.looked_up.get();
        fixture.set_pod(change);
        assert_eq!(fixture.world.looked_up.get() - before, 0);
    }
}
