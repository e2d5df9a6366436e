//! Numbers out of what Prometheus scrapes, so that both tell the same.

use std::collections::HashMap;

use prometheus::proto::{Histogram, Metric, MetricFamily};

/// A scrape.
pub(super) struct Counters {
    families: Vec<MetricFamily>,
    /// The values of [`BY_ROUTE`], by name and labels: each route wants its own out of all.
    by_route: HashMap<String, u64>,
}

/// Families of which each route has a series.
const BY_ROUTE: [&str; 3] = [
    "portolan_connections",
    "portolan_connections_total",
    "portolan_node_bytes_total",
];

impl Counters {
    pub(super) fn new(families: Vec<MetricFamily>) -> Self {
        let mut by_route = HashMap::new();
        for family in families.iter().filter(|f| BY_ROUTE.contains(&f.name())) {
            for metric in family.get_metric() {
                let pairs = metric.get_label().iter();
                let labels: Vec<_> = pairs.map(|pair| (pair.name(), pair.value())).collect();
                by_route.insert(key(family.name(), &labels), value(metric));
            }
        }
        Counters { families, by_route }
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

    /// The value of a series of [`BY_ROUTE`] with just these labels; 0 where there is none.
    pub(super) fn get(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.by_route.get(&key(name, labels)).copied().unwrap_or(0)
    }

    /// The sum over all series with these labels.
    pub(super) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let metrics = self.family(name).map_or(&[][..], MetricFamily::get_metric);
        let metrics = metrics.iter().filter(|metric| has(metric, labels));
        metrics.map(value).sum()
    }

    fn family(&self, name: &str) -> Option<&MetricFamily> {
        self.families.iter().find(|family| family.name() == name)
    }
}

/// Of a gauge and a counter one is set.
fn value(metric: &Metric) -> u64 {
    (metric.get_gauge().get_value() + metric.get_counter().get_value()) as u64
}

/// The same for labels in any order.
fn key(name: &str, labels: &[(&str, &str)]) -> String {
    let mut labels = labels.to_vec();
    labels.sort_unstable();
    format!("{name}{labels:?}")
}

fn has(metric: &Metric, labels: &[(&str, &str)]) -> bool {
    labels.iter().all(|(name, value)| {
        let mut pairs = metric.get_label().iter();
        pairs.any(|pair| pair.name() == *name && pair.value() == *value)
    })
}
