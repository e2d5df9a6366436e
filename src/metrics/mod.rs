//! Every metric: its name, labels and buckets. Label values are bounded by the configuration and by fixed tables, and each
//! series exists at zero from the start.
//!
//! What is counted for each frame or each connection is counted by thread (`threads`) and added up at the scrape
//! (`summed`); what is rare is counted by prometheus itself.

mod clients;
mod durations;
mod process;
mod reachable;
mod reloads;
mod summed;
mod threads;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

pub use clients::SeenSoftware;
use clients::{Clients, ClusterClients};
use durations::Histogram;
use process::Process;
use prometheus::proto::MetricFamily;
use prometheus::{
    GaugeVec, Histogram as Timer, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};
use reachable::Reachable;
use reloads::Reloads;
pub use reloads::Side;
use summed::{Family, Series, Summed};
pub use threads::count_as_worker;
use threads::{Counters, Place};

use crate::lifecycle::State;
use crate::port_map::{Door, Route};
use crate::protocol::api::{Policy, UNKNOWN, carries_addresses, visible};
use crate::protocol::software::ClientSoftware;
use crate::upstream::ConnectError;

/// Where the build knows it.
const COMMIT: Option<&str> = option_env!("PORTOLAN_BUILD_COMMIT");

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
    process: Process,
}

/// The metrics of one virtual cluster. Every series is looked up once, when this is made: counting for a frame is one
/// addition to a number that no other thread writes.
#[derive(Debug)]
pub struct ClusterMetrics {
    counters: Arc<Counters>,
    doors: RwLock<HashMap<Door, DoorMetrics>>,
    ends: HashMap<&'static str, Place>,
    requests: PerApi<Place>,
    rewritten: PerApi<Place>,
    neutralised: PerApi<Place>,
    request_bytes: Place,
    response_bytes: Place,
    in_flight: (Place, Place),
    request_seconds: PerApi<Histogram>,
    proxy_seconds: Histogram,
    clients: ClusterClients,
    unmapped: IntCounter,
    connect_seconds: Timer,
    reachable: Reachable,
    limits: Arc<HashMap<&'static str, IntCounter>>,
}

#[derive(Debug)]
struct DoorMetrics {
    counters: Arc<Counters>,
    opened: Place,
    closed: Place,
    /// Where those are counted in all that end here, if they are not counted when they are opened.
    ended: Option<Place>,
    /// Of what goes to and comes from its broker; `None` where no broker is dialled for it.
    bytes: Option<NodeBytes>,
    failures: HashMap<&'static str, IntCounter>,
}

/// Where the bytes of one route are counted, looked up once for each connection.
#[derive(Clone, Debug)]
pub struct NodeBytes {
    counters: Arc<Counters>,
    request: Place,
    response: Place,
}

impl NodeBytes {
    /// Bytes went to the broker.
    pub fn request(&self, n: usize) {
        self.counters.add(self.request, n as u64);
    }

    /// Bytes came from the broker and went to the client.
    pub fn response(&self, n: usize) {
        self.counters.add(self.response, n as u64);
    }
}

/// A counter (or a histogram) an api key, found by index since keys are dense, and perhaps one for the keys that have none.
#[derive(Debug)]
struct PerApi<T> {
    by_key: Vec<Option<T>>,
    unknown: Option<T>,
}

/// Where time went, from the start on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latency {
    /// Requests that brokers have answered.
    pub requests: u64,
    /// The sum of `portolan_request_seconds`.
    pub broker_seconds: f64,
    /// The sum of `portolan_proxy_seconds`.
    pub proxy_seconds: f64,
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
            .with_label_values(&[env!("CARGO_PKG_VERSION"), COMMIT.unwrap_or("unknown")])
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
        let request_bytes = series.counter(Family::Bytes, &["request"]);
        let response_bytes = series.counter(Family::Bytes, &["response"]);
        let in_flight = (series.place(), series.place());
        series.open(Family::InFlight, &[], in_flight.0, in_flight.1);
        let request_seconds = PerApi::of_answered(&mut series, &self.apis);
        let proxy_seconds = series.histogram(Family::ProxySeconds, &[], durations::PROXY);
        let requests = PerApi::of_all(&mut series, &self.apis);
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
            requests,
            rewritten,
            neutralised,
            request_bytes,
            response_bytes,
            in_flight,
            request_seconds,
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
        let mut known = cluster
            .doors
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let new = doors.iter().filter(|door| !known.contains_key(door));
        let mut series = Series::default();
        let places: Vec<_> = new
            .map(|&door| {
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
        for (door, opened, closed, ended, bytes) in places {
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
            known.insert(door, metrics);
        }
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

    /// The text that Prometheus scrapes (format 0.0.4).
    pub fn render(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.gather())
    }

    /// What [`Metrics::render`] writes.
    pub fn gather(&self) -> Vec<MetricFamily> {
        self.process.read();
        self.registry.gather()
    }
}

impl ClusterMetrics {
    /// A client connection was accepted.
    pub fn connection_opened(&self, door: impl Into<Door>) {
        self.with_door(door.into(), |door| door.counters.add(door.opened, 1));
    }

    /// It is known now which route a client connection is for that came by another door.
    pub fn connection_moved(&self, from: Door, to: Door) {
        self.with_door(from, |door| door.counters.add(door.closed, 1));
        self.connection_opened(to);
    }

    fn with_door<T>(&self, door: Door, act: impl FnOnce(&DoorMetrics) -> T) -> Option<T> {
        let doors = self.doors.read().unwrap_or_else(PoisonError::into_inner);
        doors.get(&door).map(act)
    }

    /// Where the bytes of a connection for this route are counted.
    pub fn node_bytes(&self, route: Route) -> Option<NodeBytes> {
        self.with_door(route.into(), |door| door.bytes.clone())?
    }

    /// A client said which software it is; once for each connection. `None`: in words that no broker would accept.
    pub fn introduced(&self, software: Option<ClientSoftware<'_>>) {
        self.clients.count(software);
    }

    /// The software of the clients of this cluster so far, and how many connections introduced themselves so.
    pub fn client_software(&self) -> Vec<SeenSoftware> {
        self.clients.seen()
    }

    /// So many more requests wait for their answers.
    pub fn in_flight_grew(&self, n: usize) {
        self.counters.add(self.in_flight.0, n as u64);
    }

    /// So many fewer requests wait for their answers.
    pub fn in_flight_shrank(&self, n: usize) {
        self.counters.add(self.in_flight.1, n as u64);
    }

    /// A connection or a request met a limit.
    pub fn limit_met(&self, limit: &str) {
        met(&self.limits, limit);
    }

    /// A client connection ended.
    pub fn connection_closed(&self, door: impl Into<Door>, reason: &'static str) {
        self.with_door(door.into(), |door| {
            door.counters.add(door.closed, 1);
            if let Some(ended) = door.ended {
                door.counters.add(ended, 1);
            }
        });
        if let Some(&end) = self.ends.get(reason) {
            self.counters.add(end, 1);
        }
    }

    /// A request was read.
    pub fn request(&self, api_key: i16) {
        self.requests.add(&self.counters, api_key, 1);
    }

    /// A broker's answer has begun to come, so long after its request was read.
    pub fn answered(&self, api_key: i16, took: Duration) {
        if let Some(histogram) = self.request_seconds.of(api_key) {
            histogram.observe(&self.counters, took, 1);
        }
    }

    /// As many frames went out, on each of which this process spent so long.
    pub fn frames_passed(&self, spent_on_each: Duration, frames: u64) {
        self.proxy_seconds
            .observe(&self.counters, spent_on_each, frames);
    }

    /// What all requests so far took, of brokers and of us.
    pub fn latency(&self) -> Latency {
        let answered = self.request_seconds.all();
        let (requests, broker_seconds) = answered
            .map(|histogram| histogram.total(&self.counters))
            .fold((0, 0.0), |all, one| (all.0 + one.0, all.1 + one.1));
        let (_, proxy_seconds) = self.proxy_seconds.total(&self.counters);
        Latency {
            requests,
            broker_seconds,
            proxy_seconds,
        }
    }

    /// Bytes went to a broker.
    pub fn request_bytes(&self, n: usize) {
        self.counters.add(self.request_bytes, n as u64);
    }

    /// Bytes went to a client.
    pub fn response_bytes(&self, n: usize) {
        self.counters.add(self.response_bytes, n as u64);
    }

    /// Addresses were replaced.
    pub fn rewritten(&self, api_key: i16, n: u64) {
        self.rewritten.add(&self.counters, api_key, n);
    }

    /// Fields of addresses were blanked.
    pub fn endpoints_neutralised(&self, api_key: i16, n: u64) {
        self.neutralised.add(&self.counters, api_key, n);
    }

    /// A broker outside the map was left out.
    pub fn unmapped_node(&self) {
        self.unmapped.inc();
    }

    /// A connection to a broker was made.
    pub fn upstream_connected(&self, took: Duration) {
        self.connect_seconds.observe(took.as_secs_f64());
    }

    /// Whether the broker of a route can be reached.
    pub fn reachable(&self, route: Route, is: bool) {
        self.reachable.set(route, is);
    }

    /// These routes are in force from now on: brokers of others are nobody's any more, and not down.
    pub fn only_reachable(&self, routes: BTreeSet<Route>) {
        self.reachable.keep(routes);
    }

    /// A connection to a broker could not be made.
    pub fn upstream_connect_failed(&self, route: Route, reason: &'static str) {
        self.with_door(route.into(), |door| {
            if let Some(failures) = door.failures.get(reason) {
                failures.inc();
            }
        });
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

impl PerApi<Place> {
    fn of_all(series: &mut Series, apis: &[(i16, &'static str)]) -> Self {
        let mut all = PerApi::new(Some(series.counter(Family::Requests, &[UNKNOWN])));
        for &(key, name) in apis {
            all.insert(key, series.counter(Family::Requests, &[name]));
        }
        all
    }

    /// Only the apis that can count here: a series that stays at zero for ever tells nobody anything.
    fn with_addresses(series: &mut Series, family: Family, apis: &[(i16, &'static str)]) -> Self {
        let mut some = PerApi::new(None);
        for &(key, name) in apis.iter().filter(|(key, _)| carries_addresses(*key)) {
            some.insert(key, series.counter(family, &[name]));
        }
        some
    }

    fn add(&self, counters: &Counters, api_key: i16, n: u64) {
        if let Some(place) = self.of(api_key) {
            counters.add(place, n);
        }
    }
}

impl PerApi<Histogram> {
    /// Only the apis that are let through: those among brokers would be a quarter of all series.
    fn of_answered(series: &mut Series, apis: &[(i16, &'static str)]) -> Self {
        let mut of = |name| series.histogram(Family::RequestSeconds, &[name], durations::REQUEST);
        let mut some = PerApi::new(Some(of(UNKNOWN)));
        let policy = Policy::default();
        for &(key, name) in apis.iter().filter(|(key, _)| visible(&policy, *key)) {
            some.insert(key, of(name));
        }
        some
    }
}

impl<T: Copy> PerApi<T> {
    fn new(unknown: Option<T>) -> Self {
        PerApi {
            by_key: Vec::new(),
            unknown,
        }
    }

    fn insert(&mut self, api_key: i16, it: T) {
        let Ok(index) = usize::try_from(api_key) else {
            // No api has such a key.
            return;
        };
        if index >= self.by_key.len() {
            self.by_key.resize(index + 1, None);
        }
        self.by_key[index] = Some(it);
    }

    fn of(&self, api_key: i16) -> Option<T> {
        let index = usize::try_from(api_key).ok();
        let known = index.and_then(|index| *self.by_key.get(index)?);
        known.or(self.unknown)
    }

    fn all(&self) -> impl Iterator<Item = T> + '_ {
        self.by_key.iter().chain([&self.unknown]).copied().flatten()
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
mod tests {
    use super::*;
    use crate::port_map::NodeId;

    #[test]
    fn every_series_is_there_at_zero_from_the_start() {
        let apis = [
            (0, "Produce"),
            (3, "Metadata"),
            (12, "Heartbeat"),
            (52, "Vote"),
        ];
        let metrics = Metrics::new(&apis, &["client_closed"], 2).unwrap();
        let routes = [Route::Bootstrap, Route::Node(NodeId(1001))].map(Door::from);
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
            r#"portolan_node_bytes_total{cluster="main",direction="request",node="1001"} 0"#,
            r#"portolan_node_bytes_total{cluster="main",direction="response",node="bootstrap"} 0"#,
            r#"portolan_in_flight{cluster="main"} 0"#,
            r#"portolan_request_seconds_bucket{api="Produce",cluster="main",le="0.0005"} 0"#,
            r#"portolan_request_seconds_bucket{api="unknown",cluster="main",le="+Inf"} 0"#,
            r#"portolan_request_seconds_sum{api="Metadata",cluster="main"} 0"#,
            r#"portolan_proxy_seconds_bucket{cluster="main",le="0.000005"} 0"#,
            r#"portolan_proxy_seconds_count{cluster="main"} 0"#,
            "portolan_accept_errors_total 0",
        ] {
            assert!(text.contains(series), "{series} is missing in\n{text}");
        }
        assert!(text.contains(r#"portolan_requests_total{api="Heartbeat""#));
        let between_brokers = r#"portolan_request_seconds_count{api="Vote""#;
        assert!(!text.contains(between_brokers), "it is not let through");
        for family in ["addresses_rewritten_total", "endpoints_neutralised_total"] {
            let heartbeat = format!(r#"portolan_{family}{{api="Heartbeat""#);
            assert!(!text.contains(&heartbeat), "it carries no addresses");
        }
    }

    #[test]
    fn what_threads_count_is_added_up() {
        let metrics = Metrics::new(&[(0, "Produce"), (3, "Metadata")], &["client_closed"], 2);
        let metrics = metrics.unwrap();
        let clusters =
            ["a", "b"].map(|name| metrics.cluster(name, &[Route::Bootstrap.into()]).unwrap());
        std::thread::scope(|scope| {
            for worker in [Some(0), Some(1), None] {
                let clusters = &clusters;
                scope.spawn(move || {
                    if let Some(worker) = worker {
                        count_as_worker(worker);
                    }
                    for cluster in clusters {
                        cluster.connection_opened(Route::Bootstrap);
                        cluster.request_bytes(100);
                        cluster.response_bytes(1);
                        cluster.rewritten(3, 2);
                        cluster.rewritten(0, 0);
                        cluster.endpoints_neutralised(4711, 5);
                        cluster.answered(3, Duration::from_millis(2));
                        cluster.answered(4711, Duration::from_secs(60));
                        cluster.frames_passed(Duration::from_micros(20), 3);
                    }
                });
            }
        });
        // Opened on other threads than it is closed on.
        clusters[1].connection_closed(Route::Bootstrap, "client_closed");
        let text = metrics.render().unwrap();
        for series in [
            r#"portolan_connections{cluster="a",route="bootstrap"} 3"#,
            r#"portolan_connections{cluster="b",route="bootstrap"} 2"#,
            r#"portolan_connections_total{cluster="b",route="bootstrap"} 3"#,
            r#"portolan_connection_ends_total{cluster="a",reason="client_closed"} 0"#,
            r#"portolan_connection_ends_total{cluster="b",reason="client_closed"} 1"#,
            r#"portolan_bytes_total{cluster="a",direction="request"} 300"#,
            r#"portolan_bytes_total{cluster="b",direction="response"} 3"#,
            r#"portolan_addresses_rewritten_total{api="Metadata",cluster="a"} 6"#,
            r#"portolan_request_seconds_bucket{api="Metadata",cluster="a",le="0.001"} 0"#,
            r#"portolan_request_seconds_bucket{api="Metadata",cluster="a",le="0.0025"} 3"#,
            r#"portolan_request_seconds_sum{api="Metadata",cluster="a"} 0.006"#,
            r#"portolan_request_seconds_bucket{api="unknown",cluster="b",le="30"} 0"#,
            r#"portolan_request_seconds_bucket{api="unknown",cluster="b",le="+Inf"} 3"#,
            r#"portolan_proxy_seconds_bucket{cluster="b",le="0.00001"} 0"#,
            r#"portolan_proxy_seconds_bucket{cluster="b",le="0.000025"} 9"#,
        ] {
            assert!(text.contains(series), "{series} is missing in\n{text}");
        }
        for line in [
            "# HELP portolan_connections Client connections that are open.",
            "# TYPE portolan_connections gauge",
            "# TYPE portolan_bytes_total counter",
            "# TYPE portolan_request_seconds histogram",
        ] {
            assert_eq!(text.matches(line).count(), 1, "{line} in\n{text}");
        }
        let latency = clusters[0].latency();
        assert_eq!(latency.requests, 6);
        assert_eq!(latency.broker_seconds, 0.006 + 180.0);
        assert_eq!(latency.proxy_seconds, 9.0 * 0.000_02);
    }

    #[test]
    fn counting_reaches_the_text() {
        let metrics = Metrics::new(&[(0, "Produce")], &["client_closed"], 2).unwrap();
        let cluster = metrics.cluster("main", &[Route::Bootstrap.into()]).unwrap();
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
