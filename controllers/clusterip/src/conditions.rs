//! Conditions of a status.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use quaymaster_model::Timestamp;

/// A condition as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) kind: &'static str,
    pub(crate) holds: bool,
    /// One `PascalCase` word.
    pub(crate) reason: &'static str,
    /// One sentence that names the object and, where something is wrong, the way out.
    pub(crate) message: String,
    /// Another reason is a transition as well.
    pub(crate) by_reason: bool,
}

impl Wanted {
    pub(crate) fn new(
        kind: &'static str,
        holds: bool,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            holds,
            reason,
            message: message.into(),
            by_reason: false,
        }
    }

    /// The same, with another reason as a transition.
    pub(crate) fn by_reason(self) -> Self {
        Self {
            by_reason: true,
            ..self
        }
    }
}

/// The conditions of an object in this generation: one whose status stays keeps the time of its last transition, and those of
/// other types, which others may have set, stay as they are.
pub(crate) fn merged(
    old: &[Condition],
    wanted: Vec<Wanted>,
    generation: i64,
    wall: Timestamp,
) -> Vec<Condition> {
    let others = old
        .iter()
        .filter(|one| wanted.iter().all(|wanted| wanted.kind != one.type_))
        .cloned()
        .collect::<Vec<_>>();
    let conditions = wanted.into_iter().map(|wanted| {
        let status = status(wanted.holds);
        let stays = |before: &&Condition| {
            before.status == status && (!wanted.by_reason || before.reason == wanted.reason)
        };
        let before = of(old, wanted.kind).filter(stays);
        Condition {
            type_: wanted.kind.to_owned(),
            status: status.to_owned(),
            reason: wanted.reason.to_owned(),
            message: wanted.message,
            observed_generation: Some(generation),
            last_transition_time: before
                .map_or_else(|| time(wall), |before| before.last_transition_time.clone()),
        }
    });
    conditions.chain(others).collect()
}

/// The condition of a type.
pub(crate) fn of<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|one| one.type_ == kind)
}

/// Whether a condition is true.
pub(crate) fn holds(conditions: &[Condition], kind: &str) -> bool {
    of(conditions, kind).is_some_and(|one| one.status == "True")
}

/// When a condition came to be as it is.
pub(crate) fn since(condition: &Condition) -> Timestamp {
    Timestamp(condition.last_transition_time.0.as_second())
}

fn status(holds: bool) -> &'static str {
    if holds { "True" } else { "False" }
}

fn time(wall: Timestamp) -> Time {
    // Of a year that cannot be written the earliest time is as good as any.
    Time(jiff::Timestamp::from_second(wall.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_transition_stays_until_the_status_changes_and_what_others_set_stays() {
        let wanted = |holds, reason| vec![Wanted::new("Ready", holds, reason, "m")];
        let mut first = merged(&[], wanted(true, "Serving"), 1, Timestamp(10));
        first.push(Condition {
            type_: "Theirs".to_owned(),
            ..first[0].clone()
        });
        let second = merged(&first, wanted(true, "Manual"), 2, Timestamp(20));
        assert_eq!(
            (second[0].reason.as_str(), since(&second[0])),
            ("Manual", Timestamp(10))
        );
        assert_eq!(second[0].observed_generation, Some(2));
        assert_eq!(second[1], first[1]);
        let third = merged(&second, wanted(false, "Disabled"), 2, Timestamp(30));
        assert_eq!(
            (third[0].status.as_str(), since(&third[0])),
            ("False", Timestamp(30))
        );
        assert!(holds(&second, "Ready") && !holds(&third, "Ready") && !holds(&third, "Absent"));
    }
}
