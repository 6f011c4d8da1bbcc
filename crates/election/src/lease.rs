//! A Lease as far as it matters, and how long things may take.

use std::time::Duration;

/// A Lease as it is stored. Its times are left out: they are of another clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// `metadata.resourceVersion`: what an update must name.
    pub version: String,
    /// `spec.holderIdentity`; none, or an empty one, where nobody holds it.
    pub holder: Option<String>,
    /// `spec.leaseDurationSeconds`, as it stands there.
    pub seconds: Option<i32>,
    /// `spec.leaseTransitions`, as it stands there.
    pub transitions: Option<i32>,
}

impl Lease {
    /// Whether its holder has given it back, so that nobody need wait: it has none, and says a duration of one second, as
    /// client-go's `release` writes it. One whose holder was merely taken out has somebody who may still lead.
    pub fn is_given_back(&self) -> bool {
        self.holder().is_none() && self.seconds == Some(1)
    }

    /// Who holds it.
    pub fn holder(&self) -> Option<&str> {
        self.holder.as_deref().filter(|holder| !holder.is_empty())
    }
}

/// How long things may take. kube-controller-manager's flags are `--leader-elect-lease-duration`,
/// `--leader-elect-renew-deadline` and `--leader-elect-retry-period`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    lease: Duration,
    renew_deadline: Duration,
    retry: Duration,
}

/// Why settings cannot keep two from leading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingsError {
    /// The Lease would run out for others while its holder still leads.
    DeadlineNotBeforeLease,
    /// A leader would not get to renew in time.
    RetryNotBeforeDeadline,
    /// A Lease says whole seconds, and at least one.
    NoWholeSeconds,
}

impl Settings {
    /// Checks them.
    ///
    /// # Errors
    /// Unless `retry` is well below `renew_deadline` (client-go asks for a factor of 1.2), that is below `lease`, and `lease` is a
    /// whole number of seconds, at least one.
    pub fn new(lease: Duration, renew_deadline: Duration, retry: Duration) -> Result<Self, SettingsError> {
        if lease.subsec_nanos() != 0 || lease.is_zero() || i32::try_from(lease.as_secs()).is_err() {
            return Err(SettingsError::NoWholeSeconds);
        }
        if renew_deadline >= lease {
            return Err(SettingsError::DeadlineNotBeforeLease);
        }
        if retry.is_zero() || retry * 6 / 5 >= renew_deadline {
            return Err(SettingsError::RetryNotBeforeDeadline);
        }
        Ok(Self {
            lease,
            renew_deadline,
            retry,
        })
    }

    /// For how long a Lease is good that is not renewed.
    pub fn lease(self) -> Duration {
        self.lease
    }

    /// For how long its holder leads without a renewal.
    pub fn renew_deadline(self) -> Duration {
        self.renew_deadline
    }

    /// How often a holder renews, and a candidate tries.
    pub fn retry(self) -> Duration {
        self.retry
    }

    /// What goes into `spec.leaseDurationSeconds`.
    pub fn seconds(self) -> i32 {
        i32::try_from(self.lease.as_secs()).unwrap_or(i32::MAX)
    }

    /// For how long a stored Lease is good here: as long as it says, but no less than our own and no more than twice that, since
    /// anybody may have written anything there. So the duration may at most be doubled while others run with the old one.
    pub(crate) fn good_for(self, lease: &Lease) -> Duration {
        let said = lease.seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let said = said.map_or(self.lease, Duration::from_secs);
        said.clamp(self.lease, self.lease * 2)
    }
}

impl Default for Settings {
    /// 3 s, 2 s and 500 ms.
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(3),
            renew_deadline: Duration::from_secs(2),
            retry: Duration::from_millis(500),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_under_which_two_could_lead_are_refused() {
        let millis = Duration::from_millis;
        let new = |lease, deadline, retry| Settings::new(millis(lease), millis(deadline), millis(retry));
        assert_eq!(new(3000, 2000, 500), Ok(Settings::default()));
        assert_eq!(new(3000, 3000, 500), Err(SettingsError::DeadlineNotBeforeLease));
        assert_eq!(new(3000, 2000, 1700), Err(SettingsError::RetryNotBeforeDeadline));
        assert_eq!(new(3000, 2000, 0), Err(SettingsError::RetryNotBeforeDeadline));
        for lease in [0, 500, 3500] {
            assert_eq!(new(lease, 100, 10), Err(SettingsError::NoWholeSeconds), "{lease}");
        }
    }

    #[test]
    fn what_a_lease_says_of_its_duration_is_believed_within_bounds() {
        let settings = Settings::default();
        let good_for = |seconds| {
            let lease = Lease {
                version: "1".to_owned(),
                holder: Some("a".to_owned()),
                seconds,
                transitions: None,
            };
            settings.good_for(&lease).as_secs()
        };
        let said = [
            None,
            Some(-5),
            Some(0),
            Some(1),
            Some(3),
            Some(5),
            Some(6),
            Some(i32::MAX),
        ];
        assert_eq!(said.map(good_for), [3, 3, 3, 3, 3, 5, 6, 6]);
    }
}
