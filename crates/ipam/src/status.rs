//! What the statuses of pools have in common: conditions that keep the time of their last change, and how often what changes all
//! the time is written.

use std::time::{Duration, Instant};

use hashbrown::HashMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff;
use quaymaster_model::{ObjectKey, Timestamp};

/// How long after a write the next one waits whose numbers alone differ.
pub const NUMBERS: Duration = Duration::from_secs(5);
/// And one that says something new, so that a pool at the edge of a threshold does not write with each Service.
pub const NEWS: Duration = Duration::from_secs(1);

/// What is to be said of one aspect of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// `type`
    pub kind: &'static str,
    /// `status`; none for `Unknown`.
    pub holds: Option<bool>,
    /// `reason`
    pub reason: &'static str,
    /// `message`: one sentence that names the object and the way out.
    pub message: String,
}

impl Said {
    fn status(&self) -> &'static str {
        match self.holds {
            Some(true) => "True",
            Some(false) => "False",
            None => "Unknown",
        }
    }
}

/// The conditions as they are to be stored: each with the time at which its status became what it is, and those of other types,
/// which are somebody else's, as they are.
pub fn conditions(before: &[Condition], said: &[Said], generation: i64, wall: Timestamp) -> Vec<Condition> {
    let of = |kind: &str| before.iter().find(|condition| condition.type_ == kind);
    let ours = said.iter().map(|one| {
        let same = of(one.kind).filter(|condition| condition.status == one.status());
        let now = || Time(jiff::Timestamp::from_second(wall.0).unwrap_or_default());
        Condition {
            type_: one.kind.to_owned(),
            status: one.status().to_owned(),
            reason: one.reason.to_owned(),
            message: one.message.clone(),
            observed_generation: Some(generation),
            last_transition_time: same.map_or_else(now, |condition| condition.last_transition_time.clone()),
        }
    });
    let others = before
        .iter()
        .filter(|condition| said.iter().all(|one| one.kind != condition.type_));
    ours.chain(others.cloned()).collect()
}

/// Whether the conditions say something new, be it only about a new spec; not where numbers in their sentences alone differ.
pub fn is_news(before: &[Condition], after: &[Condition]) -> bool {
    let heads = |conditions: &[Condition]| -> Vec<(String, String, String, Option<i64>)> {
        let head = |one: &Condition| {
            let (kind, status, reason) = (one.type_.clone(), one.status.clone(), one.reason.clone());
            (kind, status, reason, one.observed_generation)
        };
        conditions.iter().map(head).collect()
    };
    heads(before) != heads(after)
}

/// Whether a condition of this type is true, and with this reason if one is asked for.
pub fn holds(conditions: &[Condition], kind: &str, reason: Option<&str>) -> bool {
    conditions.iter().any(|condition| {
        let of_reason = reason.is_none_or(|reason| condition.reason == reason);
        condition.type_ == kind && condition.status == "True" && of_reason
    })
}

/// When statuses were written.
#[derive(Debug, Default)]
pub struct Pace(HashMap<ObjectKey, Instant>);

impl Pace {
    /// When a status may be written that says something new, or differs in its numbers alone.
    pub fn due(&self, key: &ObjectKey, news: bool, now: Instant) -> Instant {
        let pause = if news { NEWS } else { NUMBERS };
        self.0.get(key).map_or(now, |written| *written + pause)
    }

    /// A status is written.
    pub fn wrote(&mut self, key: &ObjectKey, now: Instant) {
        self.0.insert(key.clone(), now);
    }

    /// The object is gone.
    pub fn forget(&mut self, key: &ObjectKey) {
        self.0.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use quaymaster_model::Text;

    use super::*;

    fn said(kind: &'static str, holds: Option<bool>, message: &str) -> Said {
        Said {
            kind,
            holds,
            reason: "Because",
            message: message.to_owned(),
        }
    }

    #[test]
    fn a_condition_keeps_its_time_as_long_as_its_status_stays() {
        let first = conditions(
            &[],
            &[said("Ready", Some(true), "a"), said("Low", Some(false), "b")],
            1,
            Timestamp(10),
        );
        let second = conditions(
            &first,
            &[said("Ready", Some(true), "c"), said("Low", None, "b")],
            2,
            Timestamp(20),
        );
        let times = |conditions: &[Condition]| -> Vec<i64> {
            conditions
                .iter()
                .map(|one| one.last_transition_time.0.as_second())
                .collect()
        };
        assert_eq!((times(&first), times(&second)), (vec![10, 10], vec![10, 20]));
        assert_eq!(
            (second[0].message.as_str(), second[0].observed_generation),
            ("c", Some(2))
        );
        assert_eq!(second[1].status, "Unknown");
    }

    #[test]
    fn conditions_of_others_stay_as_they_are() {
        let others = conditions(
            &[],
            &[said("Audited", Some(true), "by somebody")],
            1,
            Timestamp(1),
        );
        let both = conditions(&others, &[said("Ready", Some(true), "a")], 2, Timestamp(2));
        assert_eq!((both.len(), &both[1]), (2, &others[0]));
    }

    #[test]
    fn other_numbers_in_a_sentence_are_no_news_and_a_new_spec_is() {
        let of = |message: &str, generation| {
            conditions(&[], &[said("Low", Some(true), message)], generation, Timestamp(1))
        };
        assert!(!is_news(&of("3 of 4", 1), &of("4 of 4", 1)));
        assert!(is_news(&of("3 of 4", 1), &of("3 of 4", 2)));
        assert!(is_news(&[], &of("3 of 4", 1)));
        assert!(holds(&of("", 1), "Low", Some("Because")) && !holds(&of("", 1), "Low", Some("Other")));
    }

    #[test]
    fn numbers_wait_longer_than_news() {
        let (mut pace, key, now) = (
            Pace::default(),
            ObjectKey::new(Text::new(""), Text::new("a")),
            Instant::now(),
        );
        assert_eq!(pace.due(&key, false, now), now);
        pace.wrote(&key, now);
        assert_eq!(
            (pace.due(&key, true, now), pace.due(&key, false, now)),
            (now + NEWS, now + NUMBERS)
        );
        pace.forget(&key);
        assert_eq!(pace.due(&key, false, now), now);
    }
}
