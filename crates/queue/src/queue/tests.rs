use super::*;

const D: Duration = Duration::from_millis(500);

fn queue() -> (Queue<&'static str>, Instant) {
    (Queue::new(Backoff::with_seed(1)), Instant::now())
}

fn drain(queue: &mut Queue<&'static str>, now: Instant) -> Vec<&'static str> {
    std::iter::from_fn(|| {
        let key = queue.take(now)?.key;
        queue.done(&key);
        Some(key)
    })
    .collect()
}

#[test]
fn a_burst_of_adds_fires_once_one_batch_period_after_the_first() {
    let (mut queue, start) = queue();
    for ms in (0..1000).step_by(10) {
        let now = start + Duration::from_millis(ms);
        if now < start + D {
            queue.add("a", Priority::Normal, now + D);
            assert_eq!(queue.take(now), None);
        }
    }
    assert_eq!(queue.next_due(start), Some(start + D));
    assert_eq!(queue.take(start + D).unwrap().key, "a");
    queue.done(&"a");
    assert_eq!(queue.next_due(start + D), None);
}

#[test]
fn a_key_added_while_in_process_runs_once_more_and_not_before_it_is_done() {
    let (mut queue, now) = queue();
    queue.add("a", Priority::Normal, now);
    assert_eq!(queue.take(now).unwrap().key, "a");
    queue.add("a", Priority::Normal, now);
    queue.add("a", Priority::Urgent, now);
    assert_eq!(queue.take(now), None);
    assert_eq!(
        queue.next_due(now),
        None,
        "the shell must not spin on a key in process"
    );
    queue.done(&"a");
    assert_eq!(queue.next_due(now), Some(now));
    assert_eq!(queue.take(now).unwrap().priority, Priority::Urgent);
    queue.done(&"a");
    assert!(queue.is_empty());
}

#[test]
fn a_waiting_key_keeps_the_earliest_due_time_and_the_highest_priority() {
    let (mut queue, now) = queue();
    queue.add("late", Priority::Urgent, now + D);
    queue.add("late", Priority::Low, now);
    queue.add("other", Priority::Normal, now);
    let taken = queue.take(now).unwrap();
    assert_eq!((taken.key, taken.priority), ("late", Priority::Urgent));
}

#[test]
fn removals_go_before_additions_and_additions_before_repairs() {
    let (mut queue, now) = queue();
    queue.add("repair", Priority::Low, now);
    queue.add("addition", Priority::Normal, now);
    queue.add("removal", Priority::Urgent, now);
    assert_eq!(drain(&mut queue, now), ["removal", "addition", "repair"]);
}

#[test]
fn a_raised_priority_moves_a_key_that_was_already_due() {
    let (mut queue, now) = queue();
    queue.add("a", Priority::Normal, now);
    queue.add("b", Priority::Normal, now);
    queue.add("c", Priority::Normal, now);
    assert_eq!(queue.stats(now).depth, 3);
    queue.add("c", Priority::Urgent, now);
    assert_eq!(queue.stats(now).depth, 3);
    assert_eq!(drain(&mut queue, now), ["c", "a", "b"]);
}

#[test]
fn equal_due_times_come_out_in_order_of_arrival() {
    let (mut queue, now) = queue();
    for key in ["c", "a", "b", "c", "a"] {
        queue.add(key, Priority::Normal, now);
    }
    assert_eq!(drain(&mut queue, now), ["c", "a", "b"]);
}

#[test]
fn lower_priorities_progress_under_an_endless_stream_of_removals() {
    let now = Instant::now();
    let mut queue: Queue<u32> = Queue::new(Backoff::with_seed(1));
    let mut turns: HashMap<Priority, u32> = HashMap::new();
    for key in 0..1000 {
        queue.add(key, Priority::Low, now);
        queue.add(10_000 + key, Priority::Normal, now);
        queue.add(20_000 + key, Priority::Urgent, now);
    }
    for key in 0..990 {
        queue.add(30_000 + key, Priority::Urgent, now);
        let taken = queue.take(now).unwrap();
        *turns.entry(taken.priority).or_default() += 1;
    }
    // One in nine is 110, one in thirty-three is 30.
    assert!((100..=115).contains(&turns[&Priority::Normal]), "{turns:?}");
    assert!((25..=31).contains(&turns[&Priority::Low]), "{turns:?}");
}

#[test]
fn a_failing_key_backs_off_further_each_time_until_it_is_forgotten() {
    let (mut queue, mut now) = queue();
    queue.add("a", Priority::Normal, now);
    for failures in 0..12_u32 {
        let taken = queue.take(now).unwrap();
        assert_eq!(taken.failures, failures);
        let due = queue.retry("a", Priority::Normal, now);
        let whole = Duration::from_millis(50 << failures).min(Duration::from_secs(5));
        assert!(
            due - now >= whole / 2 && due - now <= whole,
            "after {failures}: {:?}",
            due - now
        );
        assert_eq!(
            queue.take(due.checked_sub(Duration::from_nanos(1)).unwrap()),
            None
        );
        now = due;
    }
    queue.forget(&"a");
    assert_eq!(queue.take(now).unwrap().failures, 0);
    let due = queue.retry("a", Priority::Normal, now);
    assert!(due - now <= Duration::from_millis(50));
}

#[test]
fn failures_outlive_done_so_that_a_write_that_fails_later_still_backs_off() {
    let (mut queue, now) = queue();
    for _ in 0..6 {
        queue.add("a", Priority::Normal, now);
        queue.take(now).unwrap();
        queue.done(&"a");
        queue.retry("a", Priority::Normal, now);
    }
    queue.add("a", Priority::Normal, now);
    assert_eq!(queue.take(now).unwrap().failures, 6);
}

#[test]
fn an_event_does_not_wait_for_the_back_off_of_an_earlier_failure() {
    let (mut queue, now) = queue();
    queue.add("a", Priority::Normal, now);
    queue.take(now).unwrap();
    queue.retry("a", Priority::Normal, now);
    assert_eq!(queue.take(now), None);
    queue.add("a", Priority::Urgent, now);
    assert_eq!(queue.take(now).unwrap().priority, Priority::Urgent);
}

#[test]
fn a_retry_at_a_given_time_is_not_a_failure_of_the_key() {
    let (mut queue, now) = queue();
    queue.add("a", Priority::Normal, now);
    queue.take(now).unwrap();
    assert_eq!(queue.retry_after("a", Priority::Normal, now + D), now + D);
    assert_eq!(queue.take(now), None);
    assert_eq!(queue.take(now + D).unwrap().failures, 0);
}

#[test]
fn statistics_count_what_metrics_show() {
    let (mut queue, now) = queue();
    queue.add("a", Priority::Normal, now);
    queue.add("a", Priority::Normal, now);
    queue.add("b", Priority::Normal, now + Duration::from_millis(100));
    queue.add("c", Priority::Normal, now + D);
    let later = now + Duration::from_millis(300);
    assert_eq!(
        queue.stats(later),
        Stats {
            depth: 2,
            delayed: 1,
            in_process: 0,
            oldest_age: Duration::from_millis(300),
            adds: 3,
            retries: 0
        }
    );
    assert_eq!(queue.take(later).unwrap().waited, Duration::from_millis(300));
    queue.retry("a", Priority::Normal, later);
    queue.take(later).unwrap();
    let stats = queue.stats(later);
    assert_eq!(
        (stats.depth, stats.delayed, stats.in_process, stats.retries),
        (0, 2, 1, 1)
    );
    assert_eq!(stats.oldest_age, Duration::ZERO);
}

#[test]
fn ending_a_key_that_was_never_taken_changes_nothing() {
    let (mut queue, now) = queue();
    queue.done(&"a");
    queue.forget(&"a");
    queue.add("a", Priority::Normal, now);
    queue.done(&"a");
    assert_eq!(queue.take(now).unwrap().key, "a");
}

#[test]
fn a_hundred_thousand_keys_pass_without_quadratic_cost() {
    // Unoptimised and on a busy core up to 4 s; quadratic in the keys, it would be many minutes.
    let start = Instant::now();
    let mut queue: Queue<u32> = Queue::new(Backoff::with_seed(1));
    for round in 0..2 {
        for key in 0..100_000_u32 {
            queue.add(
                key,
                Priority::ALL[key as usize % 3],
                start + Duration::from_micros(u64::from(key) * round),
            );
        }
    }
    let mut taken = 0;
    while let Some(next) = queue.take(start + Duration::from_secs(1)) {
        queue.done(&next.key);
        taken += 1;
    }
    assert_eq!(taken, 100_000);
    assert!(
        start.elapsed() < Duration::from_mins(1),
        "took {:?}",
        start.elapsed()
    );
}

#[test]
fn of_named_keys_the_most_urgent_due_one_is_given_out_and_no_other() {
    let (mut queue, start) = queue();
    let now = start + 2 * D;
    queue.add("other", Priority::Urgent, now);
    queue.add("late", Priority::Urgent, now + D);
    queue.add("second", Priority::Normal, now);
    queue.add("first", Priority::Normal, start + D);
    queue.add("low", Priority::Low, start);
    let named = ["low", "second", "first", "late", "unknown"];
    let mut taken = Vec::new();
    while let Some(next) = queue.take_of(&named, now) {
        assert_eq!(queue.take_of([&next.key], now), None, "it is in process");
        queue.done(&next.key);
        taken.push(next.key);
    }
    assert_eq!(taken, ["first", "second", "low"]);
    assert_eq!(queue.next_due_of(&named, now), Some(now + D));
    assert_eq!(queue.next_due_of(&["unknown"], now), None);
    assert_eq!(drain(&mut queue, now), ["other"]);
    assert_eq!(queue.take_of(&named, now + D).unwrap().waited, Duration::ZERO);
}
