//! Shrinking, with a predicate in place of control planes.

use quaymaster_oracle::generate::{Kind, Scenario, Size, generate};

use super::{Search, Unit, concerning, only, units};

/// Searches, and says how often candidates were asked for.
fn search(first: Vec<Vec<u32>>, shows: impl Fn(&[u32]) -> bool) -> (Option<Vec<u32>>, usize) {
    let mut search = Search::new(first);
    let mut runs = 0;
    loop {
        let candidates = search.candidates();
        if candidates.is_empty() {
            return (search.best().map(<[u32]>::to_vec), runs);
        }
        assert!(
            candidates.len() <= 2 * Search::<u32>::WIDTH,
            "{}",
            candidates.len()
        );
        let answers: Vec<bool> = candidates.iter().map(|one| shows(one)).collect();
        search.answer(&answers);
        runs += 1;
        assert!(runs < 100, "no end");
    }
}

#[test]
fn what_takes_three_parts_of_a_hundred_is_found_in_few_runs() {
    let shows = |part: &[u32]| [3, 47, 91].iter().all(|one| part.contains(one));
    let (best, runs) = search(vec![(0..100).collect()], shows);
    assert_eq!(best.unwrap(), [3, 47, 91]);
    assert!(runs <= 10, "{runs}");
}

#[test]
fn where_either_of_two_is_needed_one_is_left() {
    let shows = |part: &[u32]| part.contains(&10) || part.contains(&50);
    let (best, _) = search(vec![(0..60).collect()], shows);
    assert_eq!(best.unwrap().len(), 1);
}

#[test]
fn the_smallest_of_the_first_candidates_is_taken() {
    let shows = |part: &[u32]| part.contains(&7);
    let (best, _) = search(vec![(0..60).collect(), (5..10).collect()], shows);
    assert_eq!(best.unwrap(), [7]);
}

#[test]
fn what_does_not_show_again_gives_nothing() {
    let (best, runs) = search(vec![(0..60).collect()], |_| false);
    assert_eq!((best, runs), (None, 1));
}

#[test]
fn a_part_holds_what_was_chosen_and_nothing_else() {
    let scenario = generate(5, Size::Small);
    let all = units(&scenario);
    assert_eq!(only(&scenario, &all).steps, scenario.steps);
    let kept: Vec<Unit> = all.iter().step_by(3).cloned().collect();
    let part = only(&scenario, &kept);
    let size = |part: &Scenario| units(part).len();
    assert_eq!(size(&part), kept.len());
    let steps = kept.iter().filter_map(|unit| match unit {
        Unit::Step(index) => Some(&scenario.steps[*index]),
        _ => None,
    });
    assert!(part.steps.iter().eq(steps));
}

#[test]
fn what_concerns_a_service_leaves_out_other_services() {
    let scenario = generate(5, Size::Small);
    let service = scenario
        .cluster
        .keys()
        .find(|key| key.kind == Kind::Service)
        .unwrap();
    let part = only(&scenario, &concerning(&scenario, &[service.path()]));
    let count = |scenario: &Scenario, kind| scenario.cluster.keys().filter(|key| key.kind == kind).count();
    assert_eq!(count(&part, Kind::Service), 1);
    assert_eq!(count(&part, Kind::Pod), count(&scenario, Kind::Pod));
    assert!(part.steps.len() < scenario.steps.len());
}
