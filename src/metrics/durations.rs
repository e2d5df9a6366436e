//! Histograms of durations that are counted by thread: for each observation two additions to numbers that no other thread
//! writes, one in a bucket and one to the sum.

use std::time::Duration;

use prometheus::proto::{Bucket, Histogram as Proto};

use super::threads::{Counters, Place};

/// The upper ends of the buckets of `portolan_request_seconds`, in microseconds: from what a broker answers from memory to
/// the default timeout of Kafka's clients (30 s), with what a Fetch waits by default (0.5 s) between.
pub(super) static REQUEST: Bounds = Bounds::of(&[
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    5_000_000, 30_000_000,
]);

/// Those of `portolan_proxy_seconds`: from a small frame to what nobody would accept.
pub(super) static PROXY: Bounds = Bounds::of(&[
    5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000, 100_000, 1_000_000,
]);

/// The upper ends of buckets.
#[derive(Debug)]
pub(super) struct Bounds {
    micros: &'static [u64],
    /// For nanoseconds of each number of bits. A search over all bounds would be the dearest part of an observation.
    steps: [Step; 65],
}

/// There is at most one bound among the numbers of so many bits.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// In nanoseconds.
    bound: u64,
    /// The bucket of what is not above the bound; what is is in the next.
    bucket: usize,
}

impl Bounds {
    /// In microseconds, each at least twice the one before.
    const fn of(micros: &'static [u64]) -> Self {
        let bound = u64::MAX;
        let mut steps = [Step { bound, bucket: 0 }; 65];
        let mut bits = 0;
        let mut bucket = 0;
        while bits < steps.len() {
            let greatest = if bits == 64 {
                u64::MAX
            } else {
                (1 << bits) - 1
            };
            steps[bits].bucket = bucket;
            if bucket < micros.len() && micros[bucket] * 1000 <= greatest {
                steps[bits].bound = micros[bucket] * 1000;
                bucket += 1;
                assert!(bucket == micros.len() || micros[bucket] * 1000 > greatest);
            }
            bits += 1;
        }
        Bounds { micros, steps }
    }

    fn bucket(&self, nanos: u64) -> usize {
        let bits = u64::BITS - nanos.leading_zeros();
        let Step { bound, bucket } = self.steps[bits as usize];
        bucket + usize::from(nanos > bound)
    }
}

/// Where a histogram is counted: a place for each bucket, one for what is beyond the last, and one for the sum in
/// nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Histogram {
    first: Place,
    bounds: &'static Bounds,
}

impl Histogram {
    /// With so many places from this one on.
    pub(super) fn at(first: Place, bounds: &'static Bounds) -> Self {
        Histogram { first, bounds }
    }

    /// How many places it has.
    pub(super) fn places(bounds: &Bounds) -> usize {
        bounds.micros.len() + 2
    }

    /// Counts as many that took so long each.
    pub(super) fn observe(self, counters: &Counters, each: Duration, times: u64) {
        // Up to 584 years.
        let nanos = each.as_nanos() as u64;
        counters.add(self.first.plus(self.bounds.bucket(nanos)), times);
        counters.add(self.sum(), nanos.wrapping_mul(times));
    }

    /// As prometheus writes it.
    pub(super) fn proto(self, counters: &Counters) -> Proto {
        let mut count = 0;
        let mut buckets = Vec::with_capacity(self.bounds.micros.len());
        for (n, bound) in self.bounds.micros.iter().enumerate() {
            count += counters.sum(self.first.plus(n));
            let mut bucket = Bucket::default();
            bucket.set_cumulative_count(count);
            bucket.set_upper_bound(seconds(bound * 1000));
            buckets.push(bucket);
        }
        count += counters.sum(self.first.plus(self.bounds.micros.len()));
        let mut histogram = Proto::default();
        histogram.set_bucket(buckets);
        histogram.set_sample_count(count);
        histogram.set_sample_sum(seconds(counters.sum(self.sum())));
        histogram
    }

    /// How many seconds were counted in all, and for how many.
    pub(super) fn totals(self, counters: &Counters) -> (f64, u64) {
        let buckets = 0..=self.bounds.micros.len();
        let count = buckets.map(|n| counters.sum(self.first.plus(n))).sum();
        (seconds(counters.sum(self.sum())), count)
    }

    /// Whether it is counted in the same places.
    pub(super) fn is(self, other: Histogram) -> bool {
        self.first == other.first
    }

    fn sum(self) -> Place {
        self.first.plus(self.bounds.micros.len() + 1)
    }
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_falls_into_the_first_bucket_that_holds_it() {
        static BOUNDS: Bounds = Bounds::of(&[10, 20, 1000]);
        let counters = Counters::new(1 + Histogram::places(&BOUNDS), 0);
        let histogram = Histogram::at(Place::nth(1), &BOUNDS);
        for (nanos, times) in [
            (0, 1),
            (10_000, 2),
            (10_001, 4),
            (1_000_000, 8),
            (1_000_001, 16),
            (3_000_000_000, 32),
        ] {
            histogram.observe(&counters, Duration::from_nanos(nanos), times);
        }
        let proto = histogram.proto(&counters);
        let buckets = proto.get_bucket().iter();
        let buckets: Vec<(f64, u64)> = buckets
            .map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()))
            .collect();
        assert_eq!(buckets, [(0.000_01, 3), (0.000_02, 7), (0.001, 15)]);
        assert_eq!(proto.get_sample_count(), 63);
        let nanos =
            2 * 10_000 + 4 * 10_001 + 8 * 1_000_000 + 16 * 1_000_001 + 32 * 3_000_000_000_u64;
        assert_eq!(proto.get_sample_sum(), nanos as f64 / 1e9);
        assert_eq!(histogram.totals(&counters), (nanos as f64 / 1e9, 63));
        assert_eq!(counters.sum(Place::nth(0)), 0);
    }

    #[test]
    fn the_bucket_is_the_one_that_a_search_over_all_finds() {
        for bounds in [&REQUEST, &PROXY] {
            let ends = bounds.micros.iter().map(|bound| bound * 1000);
            let powers = (0..u64::BITS).map(|bits| 1 << bits);
            let marks = ends.chain(powers).chain([0, u64::MAX]);
            for nanos in marks.flat_map(|n: u64| [n.saturating_sub(1), n, n.saturating_add(1)]) {
                let found = bounds.micros.partition_point(|bound| bound * 1000 < nanos);
                assert_eq!(bounds.bucket(nanos), found, "{nanos} ns");
            }
        }
    }
}
