//! Timestamps.

use quaymaster_model::Timestamp;

/// What an unset `time.Time` of Go looks like once written: January 1 of year 1. Upstream treats it as absent.
const ZERO_TIME: Timestamp = Timestamp(-62_135_596_800);

/// Reads an RFC 3339 timestamp to whole seconds; none if it is unset or unreadable. No decision depends on a
/// timestamp, so an unreadable one is not worth the object.
pub(super) fn timestamp(text: &str) -> Option<Timestamp> {
    let parsed: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp(parsed.as_second())).filter(|time| *time != ZERO_TIME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_read_to_the_second_and_the_zero_time_is_none() {
        assert_eq!(timestamp("1970-01-01T00:01:00Z"), Some(Timestamp(60)));
        assert_eq!(timestamp("1970-01-01T01:01:00+01:00"), Some(Timestamp(60)));
        assert_eq!(
            timestamp("2026-11-21T13:00:00.999999Z"),
            Some(Timestamp(1_795_266_000))
        );
        for none in ["", "0001-01-01T00:00:00Z", "yesterday", "2026-13-01T00:00:00Z"] {
            assert_eq!(timestamp(none), None, "{none}");
        }
    }
}
