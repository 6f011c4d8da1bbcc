//! Order statistics of small samples.

/// The value below which `percent` of the sorted sample lie (nearest rank); 0 for an empty one.
pub fn percentile(sorted: &[f64], percent: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a rank within the sample, which is small"
    )]
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted
        .get(rank.clamp(1, sorted.len().max(1)) - 1)
        .copied()
        .unwrap_or_default()
}

/// The sample in ascending order.
pub fn sorted(sample: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut sample: Vec<f64> = sample.into_iter().collect();
    sample.sort_by(f64::total_cmp);
    sample
}

/// The middle of the sample; of an even number the mean of both in the middle; 0 for an empty one.
pub fn median(sample: impl IntoIterator<Item = f64>) -> f64 {
    let sorted = sorted(sample);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        even if even.is_multiple_of(2) => f64::midpoint(sorted[middle - 1], sorted[middle]),
        _ => sorted[middle],
    }
}

/// The least of the sample; 0 for an empty one.
pub fn least(sample: impl IntoIterator<Item = f64>) -> f64 {
    sorted(sample).first().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_of_the_sample() {
        let sample = sorted((1..=200).rev().map(f64::from));
        for (percent, value) in [(50.0, 100.0), (99.0, 198.0), (100.0, 200.0), (0.0, 1.0)] {
            assert!((percentile(&sample, percent) - value).abs() < 1e-9, "{percent}");
        }
        assert!(percentile(&[], 50.0).abs() < 1e-9);
    }

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        assert!((median([4.0, 1.0, 3.0]) - 3.0).abs() < 1e-9);
        assert!((median([4.0, 1.0, 3.0, 2.0]) - 2.5).abs() < 1e-9);
        assert!(median([]).abs() < 1e-9);
    }
}
