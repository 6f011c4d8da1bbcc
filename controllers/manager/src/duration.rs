//! Durations as kube-controller-manager's flags take them.

use std::time::Duration;

/// Reads Go's form: `500ms`, `1.5s`, `1m30s`, `0`, `0s`. Go's negative ones make no sense in any flag here.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    if let Some(positive) = text.strip_prefix('-') {
        return parse(positive).and(Err("it must not be negative".to_owned()));
    }
    let error = || "it is not a duration like 500ms, 1.5s or 1m30s".to_owned();
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(error)?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let factor = match unit {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(error()),
        };
        seconds += number.parse::<f64>().map_err(|_| error())? * factor;
        rest = tail;
    }
    if text.is_empty() {
        return Err(error());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| error())
}

/// Reads how long something is left before it is deleted, at least a second. Of many flags 0 means never, and here it would
/// mean at once, without the time in which a controller that is still on shows itself: who means never must not get that.
pub(crate) fn parse_grace(text: &str) -> Result<Duration, String> {
    let grace = parse(text)?;
    if grace < Duration::from_secs(1) {
        return Err("it must be at least 1s; leave the flag out to delete nothing".to_owned());
    }
    Ok(grace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse("0"), Ok(Duration::ZERO));
        assert_eq!(parse("0s"), Ok(Duration::ZERO));
    }

    #[test]
    fn what_is_no_duration_is_refused_with_an_example() {
        for text in ["", "5", "s", "-", "-5", "--port", "1x", "1.2.3s"] {
            assert!(parse(text).is_err_and(|error| error.contains("500ms")), "{text}");
        }
    }

    #[test]
    fn a_time_of_grace_that_is_none_is_refused_with_how_to_delete_nothing() {
        assert_eq!(parse_grace("1s"), Ok(Duration::from_secs(1)));
        for text in ["0", "0s", "999ms"] {
            assert!(
                parse_grace(text).is_err_and(|error| error.contains("leave the flag out")),
                "{text}"
            );
        }
        assert!(parse_grace("-1m").is_err_and(|error| error.contains("negative")));
    }

    #[test]
    fn negative_durations_are_refused_as_such() {
        for text in ["-1s", "-1m30s", "-0"] {
            assert_eq!(parse(text), Err("it must not be negative".to_owned()), "{text}");
        }
    }
}
