//! What was measured, and what it says.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

/// The finest and the longest latency that is told apart, in nanoseconds: a microsecond and an hour.
const FINEST: u64 = 1_000;
const LONGEST: u64 = 3_600_000_000_000;

/// One workload on one way, over one run or several.
#[derive(Clone)]
pub(super) struct Measured {
    /// Requests that were answered without an error; with acks 0: sent.
    pub(super) requests: u64,
    /// Bytes of records in them.
    pub(super) bytes: u64,
    /// From the start to the last answer.
    pub(super) elapsed: Duration,
    /// From sending to the whole answer, in nanoseconds; empty with acks 0. Where requests have a schedule, from the moment
    /// when a request was due, so that a broker that stops answers for all that should have been sent meanwhile.
    pub(super) latency: Histogram<u64>,
    /// Answers with an error, by code.
    pub(super) errors: BTreeMap<i16, u64>,
    /// How often a partition had moved to another broker, and metadata was asked for again.
    pub(super) moved: u64,
    /// Requests of the schedule for which there was no time.
    pub(super) unsent: u64,
}

/// The latencies that are told.
pub(super) const PERCENTILES: [(&str, f64); 5] = [
    ("p50", 0.5),
    ("p90", 0.9),
    ("p99", 0.99),
    ("p99_9", 0.999),
    ("max", 1.0),
];

impl Measured {
    /// Nothing yet.
    pub(super) fn new() -> Result<Self, String> {
        let latency = Histogram::new_with_bounds(FINEST, LONGEST, 3);
        Ok(Measured {
            requests: 0,
            bytes: 0,
            elapsed: Duration::ZERO,
            latency: latency.map_err(|error| error.to_string())?,
            errors: BTreeMap::new(),
            moved: 0,
            unsent: 0,
        })
    }

    /// Adds what was measured beside it, in the same time.
    pub(super) fn add_parallel(&mut self, other: &Measured) {
        let elapsed = self.elapsed.max(other.elapsed);
        self.add(other);
        self.elapsed = elapsed;
    }

    /// Adds what was measured after it.
    pub(super) fn add(&mut self, other: &Measured) {
        self.requests += other.requests;
        self.bytes += other.bytes;
        self.elapsed += other.elapsed;
        // Both have the same bounds.
        let _ = self.latency.add(&other.latency);
        for (code, count) in &other.errors {
            *self.errors.entry(*code).or_default() += count;
        }
        self.moved += other.moved;
        self.unsent += other.unsent;
    }

    /// Answers with an error.
    pub(super) fn failed(&self) -> u64 {
        self.errors.values().sum()
    }

    /// Notes how long a request took.
    pub(super) fn took(&mut self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.latency.saturating_record(nanoseconds);
    }

    /// Requests a second.
    pub(super) fn requests_per_second(&self) -> f64 {
        per(self.requests as f64, self.elapsed)
    }

    /// Megabytes (1,000,000 bytes) of records a second.
    pub(super) fn megabytes_per_second(&self) -> f64 {
        per(self.bytes as f64 / 1e6, self.elapsed)
    }

    /// The time within which this share of the requests was answered, in microseconds; `None` where none was timed.
    pub(super) fn latency_at(&self, quantile: f64) -> Option<f64> {
        match self.latency.is_empty() {
            true => None,
            false => Some(self.latency.value_at_quantile(quantile) as f64 / 1e3),
        }
    }
}

fn per(amount: f64, time: Duration) -> f64 {
    match time.as_secs_f64() {
        0.0 => 0.0,
        seconds => amount / seconds,
    }
}

/// The value in the middle; `None` of nothing.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.retain(|value| value.is_finite());
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        n if n % 2 == 1 => values.get(middle).copied(),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_between_the_two_in_the_middle() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 9.0, f64::NAN]), Some(3.0));
    }

    #[test]
    fn what_ran_beside_each_other_took_as_long_as_the_longest() {
        let measured = |seconds| {
            let mut measured = Measured::new().expect("a histogram");
            measured.requests = 10;
            measured.bytes = 2_000_000;
            measured.elapsed = Duration::from_secs(seconds);
            measured.took(Duration::from_micros(100));
            measured.errors.insert(7, 1);
            measured
        };
        let mut both = measured(1);
        both.add_parallel(&measured(2));
        assert_eq!((both.requests, both.elapsed.as_secs()), (20, 2));
        assert_eq!(both.megabytes_per_second(), 2.0);
        both.add(&measured(2));
        assert_eq!((both.requests, both.elapsed.as_secs()), (30, 4));
        assert_eq!(both.failed(), 3);
        assert_eq!(both.latency.len(), 3);
        let p50 = both.latency_at(0.5).expect("a latency");
        assert!((99.0..101.0).contains(&p50), "{p50}");
    }
}
