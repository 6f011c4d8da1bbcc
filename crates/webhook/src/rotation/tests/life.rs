//! Some years of a cluster, with whatever comes in between.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use proptest::prelude::*;

use super::super::*;
use super::{DAY, policy, start};

/// What happens on one occasion.
#[derive(Clone, Copy, Debug)]
struct Occasion {
    /// Minutes since the one before.
    after: i32,
    /// Whether the controller gets to write the Secret.
    writes: bool,
    /// Whether it gets to bring the bundle into the configuration.
    publishes: bool,
    /// Whether it gets to note that.
    notes: bool,
    /// Which replicas hear of the Secret.
    hears: [bool; 2],
}

fn occasion() -> impl Strategy<Value = Occasion> {
    let after = prop_oneof![3 => 1..4, 1 => 60..2_000, 1 => Just(2_000)];
    let often = || prop::bool::weighted(0.7);
    (after, often(), often(), often(), [often(), often()]).prop_map(
        |(after, writes, publishes, notes, hears)| Occasion {
            after,
            writes,
            publishes,
            notes,
            hears,
        },
    )
}

struct Cluster {
    now: Timestamp,
    secret: BTreeMap<String, ByteString>,
    /// Bundles of the configuration, and since when.
    bundles: Vec<(Timestamp, Vec<Certificate>)>,
    /// What the replicas present.
    served: [Certificate; 2],
    promotions: usize,
}

impl Cluster {
    fn new() -> Self {
        let now = start();
        let made = take(Step::Create(Cause::Missing), now, &policy(), None);
        let state = made.unwrap().unwrap();
        let leaf = state.leaf().certificate.clone();
        Self {
            now,
            secret: state.to_data(),
            bundles: vec![(now, trusted(&state))],
            served: [leaf.clone(), leaf],
            promotions: 0,
        }
    }

    fn occasion(&mut self, occasion: Occasion) {
        self.now += SignedDuration::from_mins(occasion.after.into());
        let mut state = State::from_data(&self.secret).unwrap().unwrap();
        let step = next(self.now, &policy(), Some(&state));
        assert!(
            !matches!(step, Step::Create(_)),
            "trust would be broken: {step:?}"
        );
        if let Some(changed) = take(step, self.now, &policy(), Some(state.clone())).unwrap() {
            if !occasion.writes {
                return;
            }
            self.promotions += usize::from(step == Step::Promote);
            state = changed;
            self.secret = state.to_data();
        }
        if occasion.publishes {
            self.bundles.push((self.now, trusted(&state)));
            if step == Step::Publish && occasion.notes {
                state.published(self.now);
                self.secret = state.to_data();
            }
        }
        for (served, hears) in self.served.iter_mut().zip(occasion.hears) {
            if hears {
                *served = state.leaf().certificate.clone();
            }
        }
    }

    /// Each apiserver accepts each replica, those included that are as far behind as the policy allows for.
    fn check(&self) {
        let seen = self.now - policy().settle;
        let oldest = self
            .bundles
            .iter()
            .rposition(|(since, _)| *since <= seen)
            .unwrap_or(0);
        for (_, trusted) in &self.bundles[oldest..] {
            for served in &self.served {
                let validity = served.validity;
                assert!(
                    !validity.expired(self.now) && !validity.early(self.now),
                    "{validity:?}"
                );
                let signer = trusted.iter().find(|authority| served.is_signed_by(authority));
                let signer = signer.expect("what is served is signed by one that is trusted");
                assert!(!signer.validity.expired(self.now));
            }
            assert!(trusted.len() <= 4, "bundles do not grow for ever");
        }
    }
}

/// As an apiserver reads it from the configuration.
fn trusted(state: &State) -> Vec<Certificate> {
    Certificate::parse_all(&state.bundle()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, max_shrink_iters: 30, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_served_is_trusted_at_all_times_whatever_is_lost_in_between(
        occasions in prop::collection::vec(occasion(), 1_900..2_000),
    ) {
        let mut cluster = Cluster::new();
        for occasion in occasions {
            cluster.occasion(occasion);
            cluster.check();
        }
        // Or nothing would have been tried.
        assert!(cluster.now > start() + DAY * 700, "{}", cluster.now);
        assert!(cluster.promotions > 1, "{}", cluster.promotions);
    }
}
