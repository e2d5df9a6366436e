//! Numbers out of what Prometheus scrapes, so that both tell the same.

use prometheus::proto::{Histogram, Metric, MetricFamily};

/// A scrape.
pub(super) struct Counters(Vec<MetricFamily>);

impl Counters {
    pub(super) fn new(families: Vec<MetricFamily>) -> Self {
        Counters(families)
    }

    /// Sum of observations and their count, over all series of a histogram with these labels and none of these apis.
    pub(super) fn histogram(
        &self,
        name: &str,
        labels: &[(&str, &str)],
        without: &[&str],
    ) -> Option<(f64, u64)> {
        let family = self.family(name)?;
        let is_without =
            |metric: &&Metric| !without.iter().any(|api| has(metric, &[("api", *api)]));
        let metrics = family.get_metric().iter().filter(|m| has(m, labels));
        let metrics = metrics.filter(is_without);
        let mut histograms = metrics.map(|metric| metric.get_histogram()).peekable();
        histograms.peek()?;
        let add = |(sum, count), histogram: &Histogram| {
            (
                sum + histogram.get_sample_sum(),
                count + histogram.get_sample_count(),
            )
        };
        Some(histograms.fold((0.0, 0), add))
    }

    /// The sum over all series with these labels.
    pub(super) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let metrics = self.family(name).map_or(&[][..], MetricFamily::get_metric);
        let metrics = metrics.iter().filter(|metric| has(metric, labels));
        // Of a gauge and a counter one is set.
        let values = metrics.map(|m| m.get_gauge().get_value() + m.get_counter().get_value());
        values.sum::<f64>() as u64
    }

    fn family(&self, name: &str) -> Option<&MetricFamily> {
        self.0.iter().find(|family| family.name() == name)
    }
}

fn has(metric: &Metric, labels: &[(&str, &str)]) -> bool {
    labels.iter().all(|(name, value)| {
        let mut pairs = metric.get_label().iter();
        pairs.any(|pair| pair.name() == *name && pair.value() == *value)
    })
}
