//! What is to be reached, as ratios to other routes in the same round: "must" is a defect where it is missed, "stretch" is the aim.

use crate::routes::RouteId;
use crate::tls::Legs;

/// What of a run is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// The proxy's CPU time for the same work.
    Cpu,
    /// The median latency less that of the direct route in the same round.
    AddedP50,
    /// The 99th percentile less that of the direct route in the same round.
    AddedP99,
}

impl Measure {
    pub fn label(self) -> &'static str {
        match self {
            Measure::Cpu => "CPU",
            Measure::AddedP50 => "added p50",
            Measure::AddedP99 => "added p99",
        }
    }
}

/// What it is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    Route(RouteId),
    /// The better of HAProxy with forced splice and with splice-auto, in each round.
    BetterHaproxy,
}

impl Base {
    pub fn label(self) -> &'static str {
        match self {
            Base::Route(route) => route.letter(),
            Base::BetterHaproxy => "min(H, A)",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Goal {
    pub measure: Measure,
    pub base: Base,
    pub must: f64,
    pub stretch: Option<f64>,
}

pub const H: Base = Base::Route(RouteId::HaproxyForced);
pub const A: Base = Base::Route(RouteId::HaproxyAuto);
pub const G: Base = Base::Route(RouteId::KafkaProxy);
pub const R: Base = Base::Route(RouteId::Relay);

/// For a produced batch of this size.
pub fn produce(kilobytes: usize) -> Vec<Goal> {
    match kilobytes {
        64.. => large(kilobytes),
        16..64 => middling(1.20, 1.05),
        ..=1 => small(),
        _ => against_kafka_proxy(kilobytes),
    }
}

/// For fetched record sets of this size.
pub fn consume(kilobytes: usize, partitions: usize) -> Vec<Goal> {
    match kilobytes * partitions {
        64.. => large(kilobytes),
        16..64 => middling(1.10, 0.95),
        ..=1 => small(),
        _ => against_kafka_proxy(kilobytes),
    }
}

fn large(kilobytes: usize) -> Vec<Goal> {
    let mut goals = vec![cpu(H, 1.15, Some(1.00)), cpu(A, 0.60, None)];
    goals.extend(against_kafka_proxy(kilobytes));
    goals
}

fn middling(must: f64, stretch: f64) -> Vec<Goal> {
    let mut goals = vec![cpu(H, must, Some(stretch)), cpu(A, 0.85, None)];
    goals.extend(against_kafka_proxy(16));
    goals
}

fn small() -> Vec<Goal> {
    vec![
        cpu(Base::BetterHaproxy, 1.15, Some(1.00)),
        cpu(G, 0.60, None),
    ]
}

fn against_kafka_proxy(kilobytes: usize) -> Vec<Goal> {
    vec![match kilobytes {
        256.. => cpu(G, 0.25, Some(0.15)),
        64..256 => cpu(G, 0.35, None),
        _ => cpu(G, 0.60, None),
    }]
}

/// For connections that ask small questions, one after the other.
pub fn ping() -> Vec<Goal> {
    vec![
        cpu(Base::BetterHaproxy, 1.15, Some(1.00)),
        latency(Measure::AddedP50, 1.10, 1.00),
        latency(Measure::AddedP99, 1.25, 1.00),
    ]
}

/// For 1 MB requests at a rate that every route can keep.
pub fn paced_megabyte() -> Vec<Goal> {
    vec![
        latency(Measure::AddedP99, 1.10, 0.75),
        Goal {
            measure: Measure::AddedP99,
            base: A,
            must: 0.50,
            stretch: None,
        },
    ]
}

/// For a batch or a record set of this size with these legs encrypted. The aims are for the client leg.
pub fn tls(legs: Legs, kilobytes: usize) -> Vec<Goal> {
    match (legs, kilobytes) {
        (Legs::Client, 1024..) => vec![cpu(A, 0.50, None)],
        (Legs::Client, 16) => vec![cpu(A, 0.65, None)],
        _ => Vec::new(),
    }
}

fn cpu(base: Base, must: f64, stretch: Option<f64>) -> Goal {
    Goal {
        measure: Measure::Cpu,
        base,
        must,
        stretch,
    }
}

fn latency(measure: Measure, must: f64, stretch: f64) -> Goal {
    Goal {
        measure,
        base: H,
        must,
        stretch: Some(stretch),
    }
}

/// Goals that are no ratios.
pub mod absolute {
    /// System calls for a 1 MB frame and its answer, both directions: must, stretch.
    pub const CALLS_PER_MEGABYTE: (f64, f64) = (20.0, 14.0);
    /// Resident bytes for an idle connection: must, stretch.
    pub const BYTES_PER_CONNECTION: (f64, f64) = (6.0 * 1024.0, 4.0 * 1024.0);
    /// Resident bytes for an idle connection whose client speaks TLS.
    pub const BYTES_PER_TLS_CONNECTION: f64 = 12.0 * 1024.0;
    /// Resident bytes of the idle process.
    pub const RESIDENT_BYTES: f64 = 8.0 * 1024.0 * 1024.0;
    /// Bytes of the stripped binary.
    pub const BINARY_BYTES: f64 = 10e6;
    /// Milliseconds to the first accepted connection.
    pub const START_MILLISECONDS: f64 = 15.0;
    /// CPU microseconds for a connection with one ping.
    pub const CPU_PER_CONNECT: f64 = 180.0;
}
