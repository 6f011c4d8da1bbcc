use std::cell::Cell;

use quaymaster_model::rules::{NEWEST_TESTED, OLDEST_SUPPORTED};
use tokio::time::{Instant, timeout};

use super::*;

const OLD: u32 = OLDEST_SUPPORTED.minor;
const NEW: u32 = NEWEST_TESTED.minor;

fn version(minor: u32) -> ServerVersion {
    ServerVersion {
        major: 1,
        minor,
        git_version: format!("v1.{minor}.0"),
    }
}

/// What is noticed, and after how many minutes, by who began with the oldest version and gets these answers, 0 for none;
/// the last one again and again.
async fn minutes_until_noticed(answers: &[u32]) -> Option<(u32, u64)> {
    let next = Cell::new(0);
    let ask = async || {
        let at = next.replace(next.get() + 1);
        let minor = answers[at.min(answers.len() - 1)];
        (minor != 0).then(|| version(minor))
    };
    let rules = UpstreamRules::of(KubernetesVersion { minor: OLD });
    let begun = Instant::now();
    let noticed = timeout(Duration::from_hours(1), other_rules(ask, rules)).await;
    Some((noticed.ok()?.minor, begun.elapsed().as_secs() / 60))
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_is_noticed_once_the_apiserver_says_so_again_and_again() {
    assert_eq!(minutes_until_noticed(&[OLD, NEW]).await, Some((NEW, 4)));
    assert_eq!(
        minutes_until_noticed(&[NEW, 0, NEW]).await,
        Some((NEW, 4)),
        "no answer says nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn answers_of_both_versions_in_turn_are_an_upgrade_under_way() {
    assert_eq!(minutes_until_noticed(&[NEW, NEW, OLD]).await, None);
    assert_eq!(
        minutes_until_noticed(&[NEW, NEW, OLD, NEW, OLD, NEW]).await,
        Some((NEW, 8))
    );
}

#[tokio::test(start_paused = true)]
async fn a_version_of_the_same_rules_is_no_reason() {
    assert_eq!(minutes_until_noticed(&[OLD, 0]).await, None);
}
