//! Every metric: its name, labels and buckets. Label values are bounded by the configuration and by fixed tables, and each
//! series exists at zero from the start.

mod process;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use process::Process;
use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};

use crate::port_map::Route;
use crate::protocol::api::{UNKNOWN, carries_addresses};
use crate::upstream::ConnectError;

/// The seconds that connecting to a broker takes: from loopback to the default timeout and beyond.
const CONNECT_BUCKETS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 5.0];

/// All metrics of this process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    apis: Vec<(i16, &'static str)>,
    end_reasons: Vec<&'static str>,
    families: Families,
    accept_errors: IntCounter,
    process: Process,
}

/// The metrics of one virtual cluster. Every series is looked up once, when this is made: counting is one atomic addition.
#[derive(Debug)]
pub struct ClusterMetrics {
    routes: HashMap<Route, RouteMetrics>,
    ends: HashMap<&'static str, IntCounter>,
    requests: PerApi,
    rewritten: HashMap<i16, IntCounter>,
    neutralised: HashMap<i16, IntCounter>,
    request_bytes: IntCounter,
    response_bytes: IntCounter,
    unmapped: IntCounter,
    connect_seconds: Histogram,
}

#[derive(Debug)]
struct RouteMetrics {
    open: IntGauge,
    opened: IntCounter,
    failures: HashMap<&'static str, IntCounter>,
}

/// One counter an api key, found by index since keys are dense, and one for the keys outside the table.
#[derive(Debug)]
struct PerApi {
    by_key: Vec<IntCounter>,
    unknown: IntCounter,
}

#[derive(Debug)]
struct Families {
    connections: IntGaugeVec,
    connections_total: IntCounterVec,
    ends: IntCounterVec,
    requests: IntCounterVec,
    rewritten: IntCounterVec,
    neutralised: IntCounterVec,
    bytes: IntCounterVec,
    unmapped: IntCounterVec,
    connect_seconds: HistogramVec,
    connect_failures: IntCounterVec,
}

impl Metrics {
    /// All families, registered. `apis` and `end_reasons` are the values of the labels of these names.
    pub fn new(
        apis: &[(i16, &'static str)],
        end_reasons: &[&'static str],
    ) -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let r = &registry;
        let families = Families {
            connections: gauges(
                r,
                "connections",
                "Client connections that are open.",
                &["cluster", "route"],
            )?,
            connections_total: counters(
                r,
                "connections_total",
                "Client connections that were accepted.",
                &["cluster", "route"],
            )?,
            ends: counters(
                r,
                "connection_ends_total",
                "Client connections that ended, by reason.",
                &["cluster", "reason"],
            )?,
            requests: counters(
                r,
                "requests_total",
                "Requests that were let through or answered here.",
                &["cluster", "api"],
            )?,
            rewritten: counters(
                r,
                "addresses_rewritten_total",
                "Broker addresses that were replaced in answers.",
                &["cluster", "api"],
            )?,
            neutralised: counters(
                r,
                "endpoints_neutralised_total",
                "Fields of broker addresses that were blanked in passing answers.",
                &["cluster", "api"],
            )?,
            bytes: counters(
                r,
                "bytes_total",
                "Bytes that were passed on, by direction: request (to brokers) or response (to clients).",
                &["cluster", "direction"],
            )?,
            unmapped: counters(
                r,
                "unmapped_nodes_total",
                "Brokers outside the port map that were left out of answers.",
                &["cluster"],
            )?,
            connect_seconds: connect_seconds(r)?,
            connect_failures: counters(
                r,
                "upstream_connect_failures_total",
                "Connections to brokers that could not be made.",
                &["cluster", "node", "reason"],
            )?,
        };
        let build = GaugeVec::new(
            Opts::new("portolan_build_info", "1, with the version as a label."),
            &["version"],
        )?;
        build
            .with_label_values(&[env!("CARGO_PKG_VERSION")])
            .set(1.0);
        registry.register(Box::new(build))?;
        let accept_errors = IntCounter::new(
            "portolan_accept_errors_total",
            "Errors of the operating system when accepting connections, such as no file descriptors left.",
        )?;
        registry.register(Box::new(accept_errors.clone()))?;
        let process = Process::new(&registry)?;
        Ok(Metrics {
            apis: apis.to_vec(),
            end_reasons: end_reasons.to_vec(),
            families,
            accept_errors,
            process,
            registry,
        })
    }

    /// The metrics of one cluster, all series at zero.
    pub fn cluster(
        &self,
        name: &str,
        routes: &[Route],
    ) -> Result<Arc<ClusterMetrics>, prometheus::Error> {
        let families = &self.families;
        let routes = routes
            .iter()
            .map(|&route| {
                let label = route.to_string();
                let node = match route {
                    Route::Bootstrap => label.clone(),
                    Route::Node(id) => id.to_string(),
                };
                let failures = ConnectError::REASONS
                    .iter()
                    .map(|&reason| {
                        let labels = [name, &node, reason];
                        (reason, families.connect_failures.with_label_values(&labels))
                    })
                    .collect();
                let metrics = RouteMetrics {
                    open: families.connections.with_label_values(&[name, &label]),
                    opened: families
                        .connections_total
                        .with_label_values(&[name, &label]),
                    failures,
                };
                (route, metrics)
            })
            .collect();
        let ends = self
            .end_reasons
            .iter()
            .map(|&reason| (reason, families.ends.with_label_values(&[name, reason])))
            .collect();
        let bytes = |direction| families.bytes.with_label_values(&[name, direction]);
        Ok(Arc::new(ClusterMetrics {
            routes,
            ends,
            requests: PerApi::new(&families.requests, name, &self.apis),
            rewritten: with_addresses(&families.rewritten, name, &self.apis),
            neutralised: with_addresses(&families.neutralised, name, &self.apis),
            request_bytes: bytes("request"),
            response_bytes: bytes("response"),
            unmapped: families.unmapped.with_label_values(&[name]),
            connect_seconds: families.connect_seconds.with_label_values(&[name]),
        }))
    }

    /// The operating system did not give us a connection.
    pub fn accept_error(&self) {
        self.accept_errors.inc();
    }

    /// The text that Prometheus scrapes (format 0.0.4).
    pub fn render(&self) -> Result<String, prometheus::Error> {
        self.process.read();
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

impl ClusterMetrics {
    /// A client connection was accepted.
    pub fn connection_opened(&self, route: Route) {
        if let Some(metrics) = self.routes.get(&route) {
            metrics.open.inc();
            metrics.opened.inc();
        }
    }

    /// A client connection ended.
    pub fn connection_closed(&self, route: Route, reason: &'static str) {
        if let Some(metrics) = self.routes.get(&route) {
            metrics.open.dec();
        }
        if let Some(end) = self.ends.get(reason) {
            end.inc();
        }
    }

    /// A request was read.
    pub fn request(&self, api_key: i16) {
        self.requests.get(api_key).inc();
    }

    /// Bytes went to a broker.
    pub fn request_bytes(&self, n: usize) {
        self.request_bytes.inc_by(n as u64);
    }

    /// Bytes went to a client.
    pub fn response_bytes(&self, n: usize) {
        self.response_bytes.inc_by(n as u64);
    }

    /// Addresses were replaced.
    pub fn rewritten(&self, api_key: i16, n: u64) {
        if let Some(counter) = self.rewritten.get(&api_key) {
            counter.inc_by(n);
        }
    }

    /// Fields of addresses were blanked.
    pub fn endpoints_neutralised(&self, api_key: i16, n: u64) {
        if let Some(counter) = self.neutralised.get(&api_key) {
            counter.inc_by(n);
        }
    }

    /// A broker outside the map was left out.
    pub fn unmapped_node(&self) {
        self.unmapped.inc();
    }

    /// A connection to a broker was made.
    pub fn upstream_connected(&self, took: Duration) {
        self.connect_seconds.observe(took.as_secs_f64());
    }

    /// A connection to a broker could not be made.
    pub fn upstream_connect_failed(&self, route: Route, reason: &'static str) {
        let metrics = self.routes.get(&route);
        if let Some(failures) = metrics.and_then(|metrics| metrics.failures.get(reason)) {
            failures.inc();
        }
    }
}

impl PerApi {
    fn new(family: &IntCounterVec, cluster: &str, apis: &[(i16, &'static str)]) -> Self {
        let counter = |name| family.with_label_values(&[cluster, name]);
        let unknown = counter(UNKNOWN);
        let mut by_key = Vec::new();
        for &(key, name) in apis {
            let index = usize::try_from(key).unwrap_or(0);
            if index >= by_key.len() {
                by_key.resize(index + 1, unknown.clone());
            }
            by_key[index] = counter(name);
        }
        PerApi { by_key, unknown }
    }

    fn get(&self, api_key: i16) -> &IntCounter {
        let index = usize::try_from(api_key).ok();
        index
            .and_then(|index| self.by_key.get(index))
            .unwrap_or(&self.unknown)
    }
}

/// Only the apis that can count here: a series that stays at zero for ever tells nobody anything.
fn with_addresses(
    family: &IntCounterVec,
    cluster: &str,
    apis: &[(i16, &'static str)],
) -> HashMap<i16, IntCounter> {
    apis.iter()
        .filter(|(key, _)| carries_addresses(*key))
        .map(|&(key, name)| (key, family.with_label_values(&[cluster, name])))
        .collect()
}

fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntCounterVec, prometheus::Error> {
    let family = IntCounterVec::new(Opts::new(format!("portolan_{name}"), help), labels)?;
    registry.register(Box::new(family.clone()))?;
    Ok(family)
}

fn gauges(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntGaugeVec, prometheus::Error> {
    let family = IntGaugeVec::new(Opts::new(format!("portolan_{name}"), help), labels)?;
    registry.register(Box::new(family.clone()))?;
    Ok(family)
}

fn connect_seconds(registry: &Registry) -> Result<HistogramVec, prometheus::Error> {
    let options = HistogramOpts::new(
        "portolan_upstream_connect_seconds",
        "From the decision to dial a broker to the established connection, name look-up included.",
    );
    let family = HistogramVec::new(options.buckets(CONNECT_BUCKETS.to_vec()), &["cluster"])?;
    registry.register(Box::new(family.clone()))?;
    Ok(family)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port_map::NodeId;

    #[test]
    fn every_series_is_there_at_zero_from_the_start() {
        let apis = [(0, "Produce"), (3, "Metadata"), (12, "Heartbeat")];
        let metrics = Metrics::new(&apis, &["client_closed"]).unwrap();
        let routes = [Route::Bootstrap, Route::Node(NodeId(1001))];
        metrics.cluster("main", &routes).unwrap();
        let text = metrics.render().unwrap();
        for series in [
            r#"portolan_connections{cluster="main",route="bootstrap"} 0"#,
            r#"portolan_connections_total{cluster="main",route="node-1001"} 0"#,
            r#"portolan_connection_ends_total{cluster="main",reason="client_closed"} 0"#,
            r#"portolan_requests_total{api="Produce",cluster="main"} 0"#,
            r#"portolan_requests_total{api="unknown",cluster="main"} 0"#,
            r#"portolan_addresses_rewritten_total{api="Metadata",cluster="main"} 0"#,
            r#"portolan_unmapped_nodes_total{cluster="main"} 0"#,
            r#"portolan_upstream_connect_failures_total{cluster="main",node="1001",reason="refused"} 0"#,
            r#"portolan_bytes_total{cluster="main",direction="response"} 0"#,
            "portolan_accept_errors_total 0",
        ] {
            assert!(text.contains(series), "{series} is missing in\n{text}");
        }
        assert!(text.contains(r#"portolan_requests_total{api="Heartbeat""#));
        for family in ["addresses_rewritten_total", "endpoints_neutralised_total"] {
            let heartbeat = format!(r#"portolan_{family}{{api="Heartbeat""#);
            assert!(!text.contains(&heartbeat), "it carries no addresses");
        }
    }

    #[test]
    fn counting_reaches_the_text() {
        let metrics = Metrics::new(&[(0, "Produce")], &["client_closed"]).unwrap();
        let cluster = metrics.cluster("main", &[Route::Bootstrap]).unwrap();
        cluster.connection_opened(Route::Bootstrap);
        cluster.request(0);
        cluster.request(4711);
        cluster.connection_closed(Route::Bootstrap, "client_closed");
        let text = metrics.render().unwrap();
        for series in [
            r#"portolan_connections{cluster="main",route="bootstrap"} 0"#,
            r#"portolan_connections_total{cluster="main",route="bootstrap"} 1"#,
            r#"portolan_connection_ends_total{cluster="main",reason="client_closed"} 1"#,
            r#"portolan_requests_total{api="Produce",cluster="main"} 1"#,
            r#"portolan_requests_total{api="unknown",cluster="main"} 1"#,
        ] {
            assert!(text.contains(series), "{series} is missing in\n{text}");
        }
    }
}
