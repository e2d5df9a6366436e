//! Medians, and ratios within a round.

/// The middle of some values; `None` without any.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

/// Some ratios in short.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
    pub count: usize,
}

/// The spread of ratios of pairs from the same round. Pairs with a divisor of zero or below tell nothing and are left out: an
/// added latency can be negative by noise.
pub fn ratios(pairs: impl IntoIterator<Item = (f64, f64)>) -> Option<Spread> {
    let ratios: Vec<f64> = pairs
        .into_iter()
        .filter(|(_, divisor)| *divisor > 0.0)
        .map(|(value, divisor)| value / divisor)
        .filter(|ratio| ratio.is_finite())
        .collect();
    Some(Spread {
        median: median(&ratios)?,
        least: ratios.iter().copied().fold(f64::INFINITY, f64::min),
        most: ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        count: ratios.len(),
    })
}
