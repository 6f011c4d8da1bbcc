//! Quantities (`k8s.io/apimachinery/pkg/api/resource`).

/// Decimal digits that a thousandth is away from one.
const MILLI_DIGITS: i64 = 3;
/// A `u64` has at most this many decimal digits.
const U64_DIGITS: i64 = 20;
/// Beyond this many, the digits of a fraction no longer fit the arithmetic and can only round up.
const FRACTION_DIGITS: usize = 18;

/// A suffix: the power of ten or of two by which the number is multiplied.
#[derive(Clone, Copy)]
enum Scale {
    Ten(i64),
    Two(u32),
}

/// Reads a quantity to thousandths, rounded up as `Quantity.MilliValue` does. None if it is not a quantity; a
/// negative one is 0, and one beyond `u64::MAX` is that.
pub(super) fn parse_millis(text: &str) -> Option<u64> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (integer, rest) = digits(unsigned);
    let (fraction, suffix) = rest.strip_prefix('.').map_or(("", rest), digits);
    if integer.is_empty() && fraction.is_empty() {
        return None;
    }
    let value = match scale(suffix)? {
        Scale::Ten(exponent) => shift_decimal(integer, fraction, exponent.saturating_add(MILLI_DIGITS)),
        Scale::Two(exponent) => shift_binary(integer, fraction, exponent),
    };
    Some(if negative { 0 } else { value })
}

fn digits(text: &str) -> (&str, &str) {
    let end = text
        .bytes()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

fn scale(suffix: &str) -> Option<Scale> {
    Some(match suffix {
        "n" => Scale::Ten(-9),
        "u" => Scale::Ten(-6),
        "m" => Scale::Ten(-3),
        "" => Scale::Ten(0),
        "k" => Scale::Ten(3),
        "M" => Scale::Ten(6),
        "G" => Scale::Ten(9),
        "T" => Scale::Ten(12),
        "P" => Scale::Ten(15),
        "E" => Scale::Ten(18),
        "Ki" => Scale::Two(10),
        "Mi" => Scale::Two(20),
        "Gi" => Scale::Two(30),
        "Ti" => Scale::Two(40),
        "Pi" => Scale::Two(50),
        "Ei" => Scale::Two(60),
        exponent => Scale::Ten(exponent.strip_prefix(['e', 'E'])?.parse::<i32>().ok()?.into()),
    })
}

/// The number with its point moved right by some places (left if negative), rounded up to an integer. Exact: it
/// works on the digits, of which only those left of the point count.
fn shift_decimal(integer: &str, fraction: &str, places: i64) -> u64 {
    let integer = integer.trim_start_matches('0');
    let point = i64::try_from(integer.len())
        .unwrap_or(i64::MAX)
        .saturating_add(places);
    let mut value = 0_u64;
    let mut place = 0_i64;
    let mut rest = false;
    for digit in integer
        .bytes()
        .chain(fraction.bytes())
        .map(|byte| u64::from(byte - b'0'))
    {
        if place < point {
            value = value.saturating_mul(10).saturating_add(digit);
        } else {
            rest |= digit != 0;
        }
        place += 1;
    }
    if value > 0 {
        // Zeros to append where the digits ended before the point; more than these saturate anyway.
        for _ in 0..(point - place).clamp(0, U64_DIGITS) {
            value = value.saturating_mul(10);
        }
    }
    value.saturating_add(u64::from(rest))
}

/// The number times a power of two, in thousandths, rounded up.
fn shift_binary(integer: &str, fraction: &str, exponent: u32) -> u64 {
    let (fraction, beyond) = fraction.split_at(fraction.len().min(FRACTION_DIGITS));
    let number = integer
        .bytes()
        .chain(fraction.bytes())
        .fold(0_u128, |value, byte| {
            value.saturating_mul(10).saturating_add(u128::from(byte - b'0'))
        });
    // At most 18 places, so this cannot overflow.
    let divisor = fraction.bytes().fold(1_u128, |divisor, _| divisor * 10);
    let scaled = number.saturating_mul(1000).saturating_mul(1 << exponent);
    let rest = beyond.bytes().any(|byte| byte != b'0');
    let millis = scaled.div_ceil(divisor).saturating_add(u128::from(rest));
    u64::try_from(millis).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each pair was read off `resource.MustParse(text).MilliValue()`.
    #[test]
    fn quantities_are_read_to_millis_rounded_up() {
        for (text, millis) in [
            ("0", 0),
            ("4", 4000),
            ("+4", 4000),
            ("004", 4000),
            ("3920m", 3920),
            ("1.5", 1500),
            (".5", 500),
            ("5.", 5000),
            ("1.G", 1_000_000_000_000),
            ("2k", 2_000_000),
            ("1e3", 1_000_000),
            ("1E3", 1_000_000),
            ("1e-3", 1),
            ("1e+1", 10_000),
            ("500u", 1),
            ("1n", 1),
            ("1500u", 2),
            ("1000000n", 1),
            ("0.0001", 1),
            ("1.0001", 1001),
            ("1Ki", 1_024_000),
            ("1.5Ki", 1_536_000),
            ("0.0001Ki", 103),
            ("0m", 0),
            ("15e-1", 1500),
            ("0.00000000000000000000000000001e29", 1000),
            ("1e-100", 1),
            ("0e100", 0),
            ("8000000000000000", 8_000_000_000_000_000_000),
        ] {
            assert_eq!(parse_millis(text), Some(millis), "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_none_and_what_cannot_be_held_is_clamped() {
        for text in [
            "",
            "m",
            ".",
            "+",
            "1x",
            "1e",
            "e3",
            "1 ",
            "1.2.3",
            "1kk",
            "1mi",
            "--1",
            "1e1.5",
            "NaN",
            "1e99999999999",
        ] {
            assert_eq!(parse_millis(text), None, "{text}");
        }
        assert_eq!(parse_millis("-1"), Some(0));
        for text in [
            "1E",
            "1e100",
            "99999999999999999999999999999999999999999999",
            "99999999999999999999Ei",
            "1e2147483647",
        ] {
            assert_eq!(parse_millis(text), Some(u64::MAX), "{text}");
        }
    }
}
