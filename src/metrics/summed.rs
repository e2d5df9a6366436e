//! The metric families whose numbers are kept by thread, as the collector that adds them up at each scrape.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

use super::durations::{Bounds, Histogram};
use super::threads::{Counters, NUMBERS_A_LINE, Place};

/// One of [`FAMILIES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Connections,
    ConnectionsTotal,
    Ends,
    Requests,
    Rewritten,
    Neutralised,
    Bytes,
    /// Of these come those of [`Family::Bytes`], which have no places of their own.
    NodeBytes,
    InFlight,
    RequestSeconds,
    ProxySeconds,
}

struct About {
    family: Family,
    kind: MetricType,
    name: &'static str,
    help: &'static str,
    /// Beside `cluster`, which all have.
    labels: &'static [&'static str],
}

const FAMILIES: [About; 11] = [
    About {
        family: Family::Connections,
        kind: MetricType::GAUGE,
        name: "portolan_connections",
        help: "Client connections that are open.",
        labels: &["route"],
    },
    About {
        family: Family::ConnectionsTotal,
        kind: MetricType::COUNTER,
        name: "portolan_connections_total",
        help: "Client connections that were accepted; by route \"sni\" those that ended before their server name led to another.",
        labels: &["route"],
    },
    About {
        family: Family::Ends,
        kind: MetricType::COUNTER,
        name: "portolan_connection_ends_total",
        help: "Client connections that ended, by reason.",
        labels: &["reason"],
    },
    About {
        family: Family::Requests,
        kind: MetricType::COUNTER,
        name: "portolan_requests_total",
        help: "Requests that were let through or answered here.",
        labels: &["api"],
    },
    About {
        family: Family::Rewritten,
        kind: MetricType::COUNTER,
        name: "portolan_addresses_rewritten_total",
        help: "Broker addresses that were replaced in answers.",
        labels: &["api"],
    },
    About {
        family: Family::Neutralised,
        kind: MetricType::COUNTER,
        name: "portolan_endpoints_neutralised_total",
        help: "Fields of broker addresses that were blanked in passing answers.",
        labels: &["api"],
    },
    About {
        family: Family::Bytes,
        kind: MetricType::COUNTER,
        name: "portolan_bytes_total",
        help: "Bytes that were passed on, by direction: request (to brokers) or response (to clients).",
        labels: &["direction"],
    },
    About {
        family: Family::NodeBytes,
        kind: MetricType::COUNTER,
        name: "portolan_node_bytes_total",
        help: "Bytes that were passed on, by direction and by the node (its id, or bootstrap) whose connections they were passed on for.",
        labels: &["node", "direction"],
    },
    About {
        family: Family::InFlight,
        kind: MetricType::GAUGE,
        name: "portolan_in_flight",
        help: "Requests that were let through or answered here and whose answers have not begun to come.",
        labels: &[],
    },
    About {
        family: Family::RequestSeconds,
        kind: MetricType::HISTOGRAM,
        name: "portolan_request_seconds",
        help: "From a request that was read to its last byte to the first byte of its answer: the broker's time as seen from here, with what it lets \
               a Fetch wait, and with connecting to it for the first of a connection. Not of requests that are answered here, or never (acks=0).",
        labels: &["api"],
    },
    About {
        family: Family::ProxySeconds,
        kind: MetricType::HISTOGRAM,
        name: "portolan_proxy_seconds",
        help: "This process's own share: of each request and of each answer, from the wake-up that found its bytes to the write that handed its last \
               byte to the kernel, without the time in which more of it was waited for, or a peer that does not take it.",
        labels: &[],
    },
];

/// The series of a cluster, each with the places of its numbers.
#[derive(Debug, Default)]
pub(super) struct Series {
    all: Vec<OneSeries>,
    places: usize,
}

#[derive(Debug)]
struct OneSeries {
    family: Family,
    /// In the order of [`About::labels`].
    labels: Vec<String>,
    value: Value,
}

#[derive(Clone, Copy, Debug)]
enum Value {
    Sum(Place),
    /// What is open: began less ended.
    Difference(Place, Place),
    Histogram(Histogram),
}

impl Value {
    /// As one number: of a histogram that of its observations.
    fn number(self, counters: &Counters) -> u64 {
        match self {
            Value::Sum(place) => counters.sum(place),
            Value::Difference(began, ended) => {
                // What ends in between makes it one too many and never one too few.
                let ended = counters.sum(ended);
                counters.sum(began).saturating_sub(ended)
            }
            Value::Histogram(histogram) => histogram.totals(counters).1,
        }
    }
}

impl Series {
    /// What comes next begins where a cache line does.
    pub(super) fn begin_line(&mut self) {
        self.places = self.places.next_multiple_of(NUMBERS_A_LINE);
    }

    /// A place that is in no series of its own.
    pub(super) fn place(&mut self) -> Place {
        self.places += 1;
        Place::nth(self.places - 1)
    }

    /// A counter.
    pub(super) fn counter(&mut self, family: Family, labels: &[&str]) -> Place {
        let place = self.place();
        self.push(family, labels, Value::Sum(place));
        place
    }

    /// A gauge of what began and has not ended.
    pub(super) fn open(&mut self, family: Family, labels: &[&str], began: Place, ended: Place) {
        self.push(family, labels, Value::Difference(began, ended));
    }

    /// A histogram.
    pub(super) fn histogram(
        &mut self,
        family: Family,
        labels: &[&str],
        bounds: &'static Bounds,
    ) -> Histogram {
        let histogram = Histogram::at(Place::nth(self.places), bounds);
        self.places += Histogram::places(bounds);
        self.push(family, labels, Value::Histogram(histogram));
        histogram
    }

    fn push(&mut self, family: Family, labels: &[&str], value: Value) {
        let labels = labels.iter().map(|&label| label.to_owned()).collect();
        self.all.push(OneSeries {
            family,
            labels,
            value,
        });
    }
}

/// All families, over all clusters.
#[derive(Clone, Debug)]
pub(super) struct Summed(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    descriptions: Vec<Desc>,
    workers: usize,
    clusters: Mutex<Vec<Cluster>>,
}

#[derive(Debug)]
struct Cluster {
    name: String,
    series: Vec<OneSeries>,
    counters: Arc<Counters>,
}

impl Summed {
    /// Without a cluster, for so many worker threads.
    pub(super) fn new(workers: usize) -> Result<Self, prometheus::Error> {
        let describe = |about: &About| {
            let labels = ["cluster"].iter().chain(about.labels);
            let labels = labels.map(|&label| label.to_owned()).collect();
            Desc::new(about.name.into(), about.help.into(), labels, HashMap::new())
        };
        Ok(Summed(Arc::new(Inner {
            descriptions: FAMILIES.iter().map(describe).collect::<Result<_, _>>()?,
            workers,
            clusters: Mutex::default(),
        })))
    }

    /// One more cluster: its series are there, at zero, from now on.
    pub(super) fn add(&self, name: &str, series: Series) -> Arc<Counters> {
        let counters = Arc::new(Counters::new(series.places, self.0.workers));
        let cluster = Cluster {
            name: name.to_owned(),
            series: series.all,
            counters: counters.clone(),
        };
        let clusters = self.0.clusters.lock();
        clusters
            .unwrap_or_else(PoisonError::into_inner)
            .push(cluster);
        counters
    }
}

impl Summed {
    /// The connections that are open, also of clusters that a reload took out.
    pub(super) fn open_connections(&self) -> u64 {
        let clusters = self.0.clusters.lock();
        let clusters = clusters.unwrap_or_else(PoisonError::into_inner);
        let of_cluster = |cluster: &Cluster| -> u64 {
            let series = cluster.series.iter();
            let open = series.filter(|series| series.family == Family::Connections);
            open.map(|series| series.value.number(&cluster.counters))
                .sum()
        };
        clusters.iter().map(of_cluster).sum()
    }
}

impl Collector for Summed {
    fn desc(&self) -> Vec<&Desc> {
        self.0.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let clusters = self.0.clusters.lock();
        let clusters = clusters.unwrap_or_else(PoisonError::into_inner);
        let family = |about: &About| {
            let mut family = MetricFamily::default();
            family.set_name(about.name.into());
            family.set_help(about.help.into());
            family.set_field_type(about.kind);
            let metrics = match about.family {
                Family::Bytes => totals(&clusters),
                _ => clusters.iter().flat_map(|c| c.metrics(about)).collect(),
            };
            family.set_metric(metrics);
            family
        };
        FAMILIES.iter().map(family).collect()
    }
}

/// The bytes of each cluster, by direction: those of its nodes, so that sessions need not count them twice.
fn totals(clusters: &[Cluster]) -> Vec<Metric> {
    let mut totals: BTreeMap<[&str; 2], u64> = BTreeMap::new();
    for cluster in clusters {
        let of_nodes = cluster.series.iter();
        for series in of_nodes.filter(|s| s.family == Family::NodeBytes) {
            let [_, direction] = &series.labels[..] else {
                continue;
            };
            if let Value::Sum(place) = series.value {
                *totals.entry([&cluster.name, direction]).or_default() +=
                    cluster.counters.sum(place);
            }
        }
    }
    let metric = |([name, direction], total): ([&str; 2], u64)| {
        let labels = vec![pair("cluster", name), pair("direction", direction)];
        let mut metric = Metric::from_label(labels);
        metric.set_counter(counter(total));
        metric
    };
    totals.into_iter().map(metric).collect()
}

impl Cluster {
    fn metrics<'a>(&'a self, about: &'a About) -> impl Iterator<Item = Metric> + 'a {
        let of_family = self.series.iter().filter(|s| s.family == about.family);
        of_family.map(|series| {
            let mut labels = vec![pair("cluster", &self.name)];
            let values = about.labels.iter().zip(&series.labels);
            labels.extend(values.map(|(name, value)| pair(name, value)));
            // As the other families have them.
            labels.sort_by(|a, b| a.name().cmp(b.name()));
            let mut metric = Metric::from_label(labels);
            if let Value::Histogram(histogram) = series.value {
                metric.set_histogram(histogram.proto(&self.counters));
                return metric;
            }
            let value = series.value.number(&self.counters);
            if about.kind == MetricType::GAUGE {
                let mut gauge = Gauge::default();
                gauge.set_value(value as f64);
                metric.set_gauge(gauge);
            } else {
                metric.set_counter(counter(value));
            }
            metric
        })
    }
}

fn counter(value: u64) -> Counter {
    let mut counter = Counter::default();
    counter.set_value(value as f64);
    counter
}

fn pair(name: &str, value: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.into());
    pair.set_value(value.into());
    pair
}
