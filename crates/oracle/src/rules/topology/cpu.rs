//! Allocatable CPU of a node, from the text form of a quantity (`k8s.io/apimachinery/pkg/api/resource`).

use k8s_openapi::api::core::v1::Node;

const NANO: i128 = 1_000_000_000;

/// Allocatable CPU in billionths of a core; 0 when absent or unreadable.
pub(super) fn allocatable_nanos(node: &Node) -> i128 {
    let allocatable = node
        .status
        .as_ref()
        .and_then(|status| status.allocatable.as_ref());
    allocatable
        .and_then(|resources| resources.get("cpu"))
        .and_then(|cpu| nanos(&cpu.0))
        .unwrap_or(0)
}

/// Thousandths of a core, rounded up as upstream does, for a ratio of two such numbers.
#[expect(clippy::cast_precision_loss, reason = "upstream computes with doubles too")]
pub(super) fn millis(nanos: i128) -> f64 {
    const PER_MILLI: i128 = NANO / 1000;
    ((nanos + PER_MILLI - 1) / PER_MILLI) as f64
}

/// Value of a non-negative quantity in billionths, rounded up.
fn nanos(text: &str) -> Option<i128> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let ten = |exponent: u32| 10_i128.checked_pow(exponent);
    let (up, down): (i128, i128) = match suffix {
        "n" => (1, ten(9)?),
        "u" => (1, ten(6)?),
        "m" => (1, ten(3)?),
        "" => (1, 1),
        "k" => (ten(3)?, 1),
        "M" => (ten(6)?, 1),
        "G" => (ten(9)?, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        exponent => match exponent.strip_prefix(['e', 'E'])?.parse::<i32>().ok()? {
            up if up >= 0 => (ten(up.unsigned_abs())?, 1),
            down => (1, ten(down.unsigned_abs())?),
        },
    };
    let divisor = ten(u32::try_from(fraction.len()).ok()?)?.checked_mul(down)?;
    let scaled = digits.checked_mul(NANO)?.checked_mul(up)?;
    Some((scaled + divisor - 1) / divisor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_the_api_writes_them() {
        for (text, expected) in [
            ("4", Some(4 * NANO)),
            ("3920m", Some(3_920_000_000)),
            ("1.5", Some(1_500_000_000)),
            ("0", Some(0)),
            ("2k", Some(2000 * NANO)),
            ("1Ki", Some(1024 * NANO)),
            ("250000u", Some(250_000_000)),
            ("7n", Some(7)),
            ("1e3", Some(1000 * NANO)),
            ("1E-1", Some(NANO / 10)),
            ("", None),
            ("many", None),
        ] {
            assert_eq!(nanos(text), expected, "{text}");
        }
        assert!((0.9..1.1).contains(&millis(1)), "rounded up");
    }
}
