//! Random changes and random answers: late, out of order, lost, refused, with other writers in between.
//!
//! Whatever happens, in the end each Pod stands where it belongs, once, and nothing is left to do. At every moment
//! before, a Pod that is to be published and stands in a slice stays in the union of all slices.

mod check;
mod cluster;
mod event;
mod policy;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use self::cluster::Sim;
use self::event::{Event, PodShape};
use self::policy::{alter, keep_out};
use super::random::Random;

/// Runs of each test; more by `QUAYMASTER_TEST_SEEDS`.
const SEEDS: u64 = 100;
const EVENTS: usize = 120;
/// How long a Service is quiet before its slices are merged.
const QUIET: Duration = Duration::from_mins(5);

/// What an admission policy makes of what is sent.
#[derive(Clone, Copy)]
enum Policy {
    None,
    /// All of it is changed, but no Pod is taken out.
    Alters,
    /// Some Pods are taken out of some slices.
    KeepsOut,
}

/// What a run is about.
#[derive(Clone, Copy)]
struct Setting {
    /// Maximum of a slice.
    max: usize,
    policy: Policy,
    /// Sparse slices are merged after this long.
    quiet: Option<Duration>,
}

/// Plays events and then lets everything settle. Returns how often slices were merged; an error tells what went wrong.
fn play(setting: Setting, events: &[Event]) -> Result<usize, String> {
    let run = AssertUnwindSafe(|| {
        let mut sim = Sim::new(setting.max, setting.quiet);
        match setting.policy {
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
        match setting.policy {
            // A Pod that is kept out of where it belongs stays where it was.
            Policy::KeepsOut => {}
            Policy::None | Policy::Alters => check::settled(&mut sim)?,
        }
        Ok(sim.merges)
    });
    catch_unwind(run).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}

/// The shortest list of events, with some left out, that still goes wrong.
fn shrink(setting: Setting, mut events: Vec<Event>) -> Vec<Event> {
    let mut step = events.len() / 2;
    while step > 0 {
        let mut at = 0;
        while at < events.len() {
            let mut fewer = events.clone();
            fewer.drain(at..(at + step).min(events.len()));
            if play(setting, &fewer).is_err() {
                events = fewer;
            } else {
                at += step;
            }
        }
        step /= 2;
    }
    events
}

/// Number of runs.
fn seeds() -> u64 {
    let asked_for = std::env::var("QUAYMASTER_TEST_SEEDS").ok();
    asked_for.map_or(SEEDS, |seeds| seeds.parse().unwrap())
}

fn run(others_write: bool, policy: Policy) {
    for seed in 0..seeds() {
        let mut random = Random::new(seed);
        let setting = Setting {
            max: 1 + random.below(5),
            policy,
            quiet: None,
        };
        play_random(seed, setting, || Event::random(&mut random, others_write));
    }
}

/// The same where sparse slices are merged. So that there are some, now and then all Pods come and most of them go.
fn run_merging(others_write: bool, policy: Policy) {
    let mut merges = 0;
    for seed in 0..seeds() {
        let mut random = Random::new(seed);
        let setting = Setting {
            max: 3 + random.below(4),
            policy,
            quiet: Some(QUIET),
        };
        let mut next = VecDeque::from([Event::Target(Some(0))]);
        merges += play_random(seed, setting, || {
            if next.is_empty() && random.chance(8) {
                let dual = random.chance(50);
                next.extend((0..event::PODS).map(|n| Event::Pod(PodShape::plain(n, dual))));
                next.push_back(Event::Wait);
                next.extend(
                    (0..event::PODS)
                        .filter(|_| random.chance(65))
                        .map(Event::RemovePod),
                );
                next.extend([Event::Wait, Event::Plan(1)]);
            }
            next.pop_front()
                .unwrap_or_else(|| Event::random(&mut random, others_write))
        });
    }
    assert!(merges as u64 > seeds(), "{merges} in {} runs", seeds());
}

fn play_random(seed: u64, setting: Setting, next: impl FnMut() -> Event) -> usize {
    let events: Vec<Event> = std::iter::repeat_with(next).take(EVENTS).collect();
    play(setting, &events).unwrap_or_else(|wrong| {
        let events = shrink(setting, events);
        let again = play(setting, &events).err().unwrap_or(wrong);
        let max = setting.max;
        panic!("seed {seed}, at most {max} in a slice: {again}\n{events:#?}");
    })
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

#[test]
fn all_of_this_holds_while_sparse_slices_are_merged_and_in_the_end_there_are_none() {
    run_merging(false, Policy::None);
    run_merging(true, Policy::None);
}

#[test]
fn merging_comes_to_an_end_whatever_policies_make_of_it() {
    run_merging(false, Policy::KeepsOut);
}
