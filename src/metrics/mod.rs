//! Every metric: its name, labels and buckets. Label values are bounded by the configuration and by fixed tables, and each
//! series exists at zero from the start.
//!
//! What is counted for each frame or each connection is counted by thread (`threads`) and added up at the scrape
//! (`summed`); what is rare is counted by prometheus itself.

mod clients;
mod cluster;
mod durations;
mod per_api;
mod process;
mod reachable;
mod reloads;
mod services;
mod summed;
mod threads;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use clients::Clients;
pub use clients::SeenSoftware;
use cluster::DoorMetrics;
pub use cluster::{ClusterMetrics, NodeBytes, RouteCounts, Took};
use per_api::PerApi;
use process::Process;
pub use process::ProcessCounts;
use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};
use reachable::Reachable;
use reloads::Reloads;
pub use reloads::Side;
use services::Services;
use summed::{Family, Series, Summed};
pub use threads::count_as_worker;

use crate::lifecycle::State;
use crate::port_map::{Door, Route};
use crate::upstream::ConnectError;

/// The seconds that connecting to a broker takes: from loopback to the default timeout and beyond.
const CONNECT_BUCKETS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 5.0];

/// The limits that are counted when they are met, as `portolan_limit_rejections_total` names them.
pub const LIMITS: [&str; 9] = [
    "connections",
    "connections_per_client",
    "connection_rate_per_client",
    "tls_handshakes",
    "open_files",
    "in_flight",
    "request_bytes",
    "sasl_bytes",
    "response_rewrite_bytes",
];

/// All metrics of this process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    apis: Vec<(i16, &'static str)>,
    end_reasons: Vec<&'static str>,
    summed: Summed,
    families: Families,
    clients: Clients,
    limits: Arc<HashMap<&'static str, IntCounter>>,
    accept_errors: IntCounter,
    drain_state: IntGauge,
    reloads: Reloads,
    services: Services,
    process: Process,
}

/// What prometheus counts itself.
#[derive(Debug)]
struct Families {
    unmapped: IntCounterVec,
    connect_seconds: HistogramVec,
    connect_failures: IntCounterVec,
    reachable: IntGaugeVec,
}

impl Metrics {
    /// All families, registered. `apis` and `end_reasons` are the values of the labels of these names; `workers` is the
    /// number of threads that count by [`count_as_worker`].
    pub fn new(
        apis: &[(i16, &'static str)],
        end_reasons: &[&'static str],
        workers: usize,
    ) -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let r = &registry;
        let summed = Summed::new(workers)?;
        registry.register(Box::new(summed.clone()))?;
        let families = Families {
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
            reachable: reachable::family(r)?,
        };
        let clients = Clients::new(&registry)?;
        let build = GaugeVec::new(
            Opts::new(
                "portolan_build_info",
                "1, with the version and the commit that it was built of (or \"unknown\") as labels.",
            ),
            &["version", "commit"],
        )?;
        build
            .with_label_values(&[
                env!("CARGO_PKG_VERSION"),
                crate::COMMIT.unwrap_or("unknown"),
            ])
            .set(1.0);
        registry.register(Box::new(build))?;
        let rejections = counters(
            r,
            "limit_rejections_total",
            "Connections and requests that were refused for a limit; at limits.connections, limits.tls_handshakes and limits.in_flight they wait.",
            &["limit"],
        )?;
        let limits = LIMITS.map(|limit| (limit, rejections.with_label_values(&[limit])));
        let accept_errors = IntCounter::new(
            "portolan_accept_errors_total",
            "Errors of the operating system when accepting connections, such as no file descriptors left.",
        )?;
        registry.register(Box::new(accept_errors.clone()))?;
        let drain_state = IntGauge::new(
            "portolan_drain_state",
            "How far this process is in going away: 0 serving, 1 lame duck, 2 draining.",
        )?;
        registry.register(Box::new(drain_state.clone()))?;
        let reloads = Reloads::new(&registry)?;
        let services = Services::new(&registry)?;
        let process = Process::new(&registry)?;
        Ok(Metrics {
            apis: apis.to_vec(),
            end_reasons: end_reasons.to_vec(),
            summed,
            families,
            clients,
            limits: Arc::new(HashMap::from(limits)),
            accept_errors,
            drain_state,
            reloads,
            services,
            process,
            registry,
        })
    }

    /// The metrics of one cluster, all series at zero.
    pub fn cluster(
        &self,
        name: &str,
        doors: &[Door],
    ) -> Result<Arc<ClusterMetrics>, prometheus::Error> {
        let families = &self.families;
        let mut series = Series::default();
        let in_flight = (series.place(), series.place());
        series.open(Family::InFlight, &[], in_flight.0, in_flight.1);
        let proxy_seconds = series.histogram(Family::ProxySeconds, &[], &durations::PROXY);
        let exchanges = PerApi::of_all(&mut series, &self.apis);
        let rewritten = PerApi::with_addresses(&mut series, Family::Rewritten, &self.apis);
        let neutralised = PerApi::with_addresses(&mut series, Family::Neutralised, &self.apis);
        let reasons = self.end_reasons.iter();
        let ends = reasons
            .map(|&reason| (reason, series.counter(Family::Ends, &[reason])))
            .collect();
        let metrics = ClusterMetrics {
            counters: self.summed.add(name, series),
            doors: RwLock::default(),
            ends,
            exchanges,
            rewritten,
            neutralised,
            in_flight,
            proxy_seconds,
            clients: self.clients.of(name),
            unmapped: families.unmapped.with_label_values(&[name]),
            connect_seconds: families.connect_seconds.with_label_values(&[name]),
            reachable: Reachable::new(&families.reachable, name),
            limits: self.limits.clone(),
        };
        self.add_doors(&metrics, name, doors);
        Ok(Arc::new(metrics))
    }

    /// Adds the series of doors that the cluster has since a reload. Those of doors that it has no more stay: counters do
    /// not go away while a process runs.
    pub fn add_doors(&self, cluster: &ClusterMetrics, name: &str, doors: &[Door]) {
        // Workers read them at each connection: nobody may hold them while a scrape is written.
        let new: Vec<Door> = {
            let known = cluster.doors.read();
            let known = known.unwrap_or_else(PoisonError::into_inner);
            let new = doors.iter().filter(|door| !known.contains_key(door));
            new.copied().collect()
        };
        let mut series = Series::default();
        let places: Vec<_> = new
            .into_iter()
            .map(|door| {
                let label = door.to_string();
                let total = series.counter(Family::ConnectionsTotal, &[&label]);
                // Those that go on to a route are counted there, and once.
                let (opened, ended) = match door {
                    Door::Route(_) => (total, None),
                    Door::Sni => (series.place(), Some(total)),
                };
                let closed = series.place();
                series.open(Family::Connections, &[&label], opened, closed);
                let bytes = node(door).map(|node| {
                    ["request", "response"]
                        .map(|direction| series.counter(Family::NodeBytes, &[&node, direction]))
                });
                (door, opened, closed, ended, bytes)
            })
            .collect();
        if places.is_empty() {
            return;
        }
        let counters = self.summed.add(name, series);
        let made: Vec<_> = places
            .into_iter()
            .map(|(door, opened, closed, ended, bytes)| {
                let metrics = DoorMetrics {
                    counters: counters.clone(),
                    opened,
                    closed,
                    ended,
                    bytes: bytes.map(|[request, response]| NodeBytes {
                        counters: counters.clone(),
                        request,
                        response,
                    }),
                    failures: self.failures(name, door),
                };
                (door, metrics)
            })
            .collect();
        let known = cluster.doors.write();
        known.unwrap_or_else(PoisonError::into_inner).extend(made);
    }

    fn failures(&self, cluster: &str, door: Door) -> HashMap<&'static str, IntCounter> {
        let Some(node) = node(door) else {
            return HashMap::new();
        };
        let failures = &self.families.connect_failures;
        ConnectError::REASONS
            .iter()
            .map(|&reason| {
                let labels = [cluster, &node, reason];
                (reason, failures.with_label_values(&labels))
            })
            .collect()
    }

    /// A connection met a limit of the process as a whole.
    pub fn limit_met(&self, limit: &str) {
        met(&self.limits, limit);
    }

    /// The operating system did not give us a connection.
    pub fn accept_error(&self) {
        self.accept_errors.inc();
    }

    /// The process goes on to another stage of its life.
    pub fn entered(&self, state: State) {
        self.drain_state.set(state.drain_state());
    }

    /// A configuration was put into force, or was not.
    pub fn reloaded(&self, success: bool) {
        self.reloads.count(success);
    }

    /// Whether the configuration that was read last, with the files that it names, is in force.
    pub fn last_reload(&self, is_in_force: bool) {
        self.reloads.last(is_in_force);
    }

    /// From now on there may be so many client connections.
    pub fn connections_limited(&self, most: usize) {
        self.reloads.connections_limited(most);
    }

    /// Until when a certificate of a cluster is good, in seconds since 1970; `None` where there is none.
    pub fn certificate_expires(&self, cluster: &str, side: Side, not_after: Option<i64>) {
        self.reloads.expires(cluster, side, not_after);
    }

    /// The client connections that are open.
    pub fn open_connections(&self) -> u64 {
        self.summed.open_connections()
    }

    /// Whether the address of a cluster's Service is known; `None` where it has no Service any more.
    pub fn service_followed(&self, cluster: &str, known: Option<bool>) {
        self.services.followed(cluster, known);
    }

    /// A cluster's Service could not be read.
    pub fn service_failed(&self, cluster: &str, reason: &'static str) {
        self.services.failed(cluster, reason);
    }

    /// How many configurations were put into force after the start, and how many were refused.
    pub fn reloads(&self) -> (u64, u64) {
        self.reloads.counts()
    }

    /// What the operating system knows of this process.
    pub fn process(&self) -> ProcessCounts {
        self.process.counts()
    }

    /// The text that Prometheus scrapes (format 0.0.4).
    pub fn render(&self) -> Result<String, prometheus::Error> {
        self.process.read();
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// The value of the label `node` for the broker behind a route.
fn node_of(route: Route) -> String {
    match route {
        Route::Bootstrap => "bootstrap".to_owned(),
        Route::Node(id) => id.to_string(),
    }
}

/// The same for a door; `None` for one for which no broker is dialled: brokers are dialled for routes.
fn node(door: Door) -> Option<String> {
    match door {
        Door::Route(route) => Some(node_of(route)),
        Door::Sni => None,
    }
}

fn met(limits: &HashMap<&'static str, IntCounter>, limit: &str) {
    if let Some(count) = limits.get(limit) {
        count.inc();
    }
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
mod tests;
