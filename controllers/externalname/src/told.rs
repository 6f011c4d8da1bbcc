//! What was told, so that it is told once.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use quaymaster_model::ObjectKey;
use quaymaster_model::digest::fnv128a;
use quaymaster_runtime::events::Notice;

use crate::checks::Cause;

/// Most that is told within [`PERIOD`]: at a start over many mistakes nobody is flooded, and no Event goes over the budget of
/// those that send them.
pub const MOST: u32 = 10;

/// See [`MOST`].
pub const PERIOD: Duration = Duration::from_secs(1);

/// What was told of each key and still holds.
#[derive(Debug, Default)]
pub struct Told {
    keys: HashMap<ObjectKey, Vec<(Cause, u128)>>,
    counts: [i64; Cause::ALL.len()],
    period: Option<Period>,
}

/// A stretch of [`PERIOD`].
#[derive(Debug, Clone, Copy)]
struct Period {
    began: Instant,
    /// How much was told in it.
    told: u32,
    /// How many keys were put off in it.
    put_off: u32,
}

impl Told {
    /// All that is wrong with what a key stands for. Returns what is to be told now, and when to ask again if that is not
    /// all.
    pub fn news(
        &mut self,
        key: &ObjectKey,
        found: Vec<(Cause, Notice)>,
        now: Instant,
    ) -> (Vec<Notice>, Option<Instant>) {
        let before = self.keys.remove(key).unwrap_or_default();
        for (cause, _) in &before {
            self.counts[*cause as usize] -= 1;
        }
        let (mut news, mut more, mut told) = (Vec::new(), false, Vec::new());
        for (cause, notice) in found {
            let one = (cause, digest(&notice));
            if !before.contains(&one) {
                if !self.may_tell(now) {
                    more = true;
                    continue;
                }
                news.push(notice);
            }
            told.push(one);
            self.counts[cause as usize] += 1;
        }
        if !told.is_empty() {
            self.keys.insert(key.clone(), told);
        }
        (news, more.then(|| self.put_off(now)))
    }

    /// Whether something was told of a key that may hold no more.
    pub fn knows(&self, key: &ObjectKey) -> bool {
        self.keys.contains_key(key)
    }

    /// How often a cause was told and still holds.
    pub fn count(&self, cause: Cause) -> i64 {
        self.counts[cause as usize]
    }

    fn period(&mut self, now: Instant) -> &mut Period {
        let began = Period {
            began: now,
            told: 0,
            put_off: 0,
        };
        let present = self.period.filter(|period| now < period.began + PERIOD);
        self.period.insert(present.unwrap_or(began))
    }

    fn may_tell(&mut self, now: Instant) -> bool {
        let period = self.period(now);
        let may = period.told < MOST;
        period.told += u32::from(may);
        may
    }

    /// As many come back in each later period as may tell something then.
    fn put_off(&mut self, now: Instant) -> Instant {
        let period = self.period(now);
        let later = 1 + period.put_off / MOST;
        period.put_off += 1;
        now + PERIOD * later
    }
}

/// Tells apart what is told of which object.
fn digest(notice: &Notice) -> u128 {
    let uid = notice.regarding.uid.as_deref().unwrap_or_default();
    fnv128a(format!("{uid}\n{}\n{}", notice.reason, notice.note).as_bytes())
}
