//! What counting costs: all that a session does for the metrics in an exchange, and a scrape.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::Criterion;
use portolan::metrics::{ClusterMetrics, Metrics, NodeBytes, count_as_worker};
use portolan::port_map::{Door, NodeId, Route};
use portolan::protocol::api;
use portolan::session::end::EndReason;

use super::case;

const WORKERS: usize = 2;

/// The key of Produce.
const PRODUCE: i16 = 0;

/// A request and its answer, alone and together with others: as many looks at the clock, and as many additions, as there
/// are in `src/session`.
pub(crate) fn exchange(criterion: &mut Criterion) {
    count_as_worker(0);
    let metrics = metrics();
    let cluster = metrics.cluster("main", &doors(3)).unwrap();
    let node = cluster.node_bytes(Route::Node(NodeId(1))).unwrap();
    let mut group = criterion.benchmark_group("counting");
    case(&mut group, "the clock", 0, 1, Instant::now);
    for at_once in [1, 16] {
        let name = format!("{at_once} at once");
        case(&mut group, &name, 0, at_once, || {
            requests(&cluster, &node, at_once);
            answers(&cluster, &node, at_once);
        });
    }
}

/// A turn in which the session reads requests and passes them on.
fn requests(cluster: &ClusterMetrics, node: &NodeBytes, at_once: usize) {
    let woken = Instant::now();
    for _ in 0..at_once {
        cluster.request(black_box(PRODUCE));
    }
    node.request(1000);
    passed(cluster, woken, at_once);
    cluster.in_flight_grew(at_once);
}

/// A turn in which it passes the answers on.
fn answers(cluster: &ClusterMetrics, node: &NodeBytes, at_once: usize) {
    let woken = Instant::now();
    for n in 0..at_once {
        // Not in the same bucket each time.
        cluster.answered(black_box(PRODUCE), Duration::from_micros(300 * n as u64));
    }
    node.response(1000);
    passed(cluster, woken, at_once);
    cluster.in_flight_shrank(at_once);
}

fn passed(cluster: &ClusterMetrics, woken: Instant, frames: usize) {
    let spent = woken.elapsed();
    cluster.frames_passed(spent, 1);
    if frames > 1 {
        cluster.frames_passed(spent, frames as u64 - 1);
    }
}

/// The text of a cluster with so many nodes. `bytes` are those of the text, `elements` its lines.
pub(crate) fn scrape(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scrape");
    for nodes in [3, 100] {
        let metrics = metrics();
        metrics.cluster("main", &doors(nodes)).unwrap();
        let text = metrics.render().unwrap();
        let name = format!("{nodes} nodes");
        case(&mut group, &name, text.len(), text.lines().count(), || {
            metrics.render().unwrap()
        });
    }
}

fn metrics() -> Metrics {
    let apis: Vec<_> = api::all().collect();
    Metrics::new(&apis, &EndReason::LABELS, WORKERS).unwrap()
}

fn doors(nodes: i32) -> Vec<Door> {
    let routes = (0..nodes).map(|id| Route::Node(NodeId(id)));
    routes.chain([Route::Bootstrap]).map(Door::from).collect()
}
