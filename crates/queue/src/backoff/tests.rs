use super::*;

#[test]
fn delays_double_within_their_jitter_and_stop_at_the_bound() {
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5), 7);
    for (failures, whole_ms) in [
        (0, 50),
        (1, 50),
        (2, 100),
        (3, 200),
        (7, 3200),
        (8, 5000),
        (15, 5000),
        (u32::MAX, 5000),
    ] {
        for _ in 0..200 {
            let delay = backoff.delay(failures);
            let whole = Duration::from_millis(whole_ms);
            assert!(
                delay >= whole / 2 && delay <= whole,
                "{failures} failures waited {delay:?} of {whole:?}"
            );
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_delays_and_another_seed_others() {
    let delays = |seed| -> Vec<Duration> {
        let mut backoff = Backoff::with_seed(seed);
        (1..20).map(|n| backoff.delay(n)).collect()
    };
    assert_eq!(delays(1), delays(1));
    assert_ne!(delays(1), delays(2));
}

#[test]
fn keys_that_fail_together_come_back_spread_out() {
    let mut backoff = Backoff::with_seed(3);
    let delays: Vec<Duration> = (0..1000).map(|_| backoff.delay(8)).collect();
    // Ten equal parts of the random half: each holds about 100 of 1000; none may be empty or hold a third.
    for part in 0..10 {
        let from = Duration::from_millis(2500 + part * 250);
        let count = delays
            .iter()
            .filter(|d| **d >= from && **d < from + Duration::from_millis(250))
            .count();
        assert!((50..200).contains(&count), "part {part} holds {count} of 1000");
    }
}

#[test]
fn the_generator_gives_the_published_sequence() {
    // First outputs for seed 1234567, as in the reference implementation by Vigna.
    let mut random = SplitMix64(1_234_567);
    assert_eq!(
        [random.next(), random.next(), random.next()],
        [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423
        ]
    );
}
