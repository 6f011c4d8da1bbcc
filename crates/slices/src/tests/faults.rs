//! Random changes and random answers: late, out of order, lost, refused, with other writers in between.
//!
//! Whatever happens, in the end each Pod stands where it belongs, once, and nothing is left to do. At every moment
//! before, a Pod that is to be published and stands in a slice stays in the union of all slices.

mod check;
mod cluster;
mod event;
mod policy;

use std::panic::{AssertUnwindSafe, catch_unwind};

use self::cluster::Sim;
use self::event::Event;
use self::policy::{alter, keep_out};
use super::random::Random;

/// Runs of each test; more by `QUAYMASTER_TEST_SEEDS`.
const SEEDS: u64 = 100;
const EVENTS: usize = 120;

/// What an admission policy makes of what is sent.
#[derive(Clone, Copy)]
enum Policy {
    None,
    /// All of it is changed, but no Pod is taken out.
    Alters,
    /// Some Pods are taken out of some slices.
    KeepsOut,
}

/// Plays events and then lets everything settle. An error tells what went wrong.
fn play(max: usize, policy: Policy, events: &[Event]) -> Result<(), String> {
    let run = AssertUnwindSafe(|| {
        let mut sim = Sim::new(max);
        match policy {
            Policy::None => {}
            Policy::Alters => sim.policy = Some(alter),
            Policy::KeepsOut => {
                sim.policy = Some(keep_out);
                sim.as_stored = true;
            }
        }
        for (at, event) in events.iter().enumerate() {
            sim.apply(event)
                .map_err(|wrong| format!("event {at} {event:?}: {wrong}"))?;
        }
        sim.settle()?;
        match policy {
            // A Pod that is kept out of where it belongs stays where it was.
            Policy::KeepsOut => Ok(()),
            Policy::None | Policy::Alters => check::settled(&mut sim),
        }
    });
    catch_unwind(run).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}

/// The shortest list of events, with some left out, that still goes wrong.
fn shrink(max: usize, policy: Policy, mut events: Vec<Event>) -> Vec<Event> {
    let mut step = events.len() / 2;
    while step > 0 {
        let mut at = 0;
        while at < events.len() {
            let mut fewer = events.clone();
            fewer.drain(at..(at + step).min(events.len()));
            if play(max, policy, &fewer).is_err() {
                events = fewer;
            } else {
                at += step;
            }
        }
        step /= 2;
    }
    events
}

fn run(others_write: bool, policy: Policy) {
    let asked_for = std::env::var("QUAYMASTER_TEST_SEEDS").ok();
    let seeds = asked_for.map_or(SEEDS, |seeds| seeds.parse().unwrap());
    for seed in 0..seeds {
        let mut random = Random::new(seed);
        let max = 1 + random.below(5);
        let events: Vec<Event> = (0..EVENTS)
            .map(|_| Event::random(&mut random, others_write))
            .collect();
        if let Err(wrong) = play(max, policy, &events) {
            let events = shrink(max, policy, events);
            let again = play(max, policy, &events).err().unwrap_or(wrong);
            panic!("seed {seed}, at most {max} in a slice: {again}\n{events:#?}");
        }
    }
}

#[test]
fn whatever_the_answers_each_pod_ends_in_one_slice_and_was_never_absent() {
    run(false, Policy::None);
}

#[test]
fn the_same_holds_when_others_edit_and_delete_slices_meanwhile() {
    run(true, Policy::None);
}

#[test]
fn the_same_holds_of_what_is_sent_when_a_policy_alters_all_that_is_stored() {
    run(false, Policy::Alters);
}

#[test]
fn no_pod_leaves_what_is_stored_for_a_slice_from_which_a_policy_keeps_it_out() {
    run(false, Policy::KeepsOut);
}
