//! The cases: which frames, how many at a time, how often, and what is to be reached in each.

use std::time::Duration;

use crate::client::Shape;
use crate::frames::{self, Exchange};
use crate::goals::{self, Goal};
use crate::tls::Legs;

/// What a case sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    Produce {
        size: usize,
    },
    Consume {
        size: usize,
        partitions: usize,
    },
    Ping,
    /// A connection for each ping, through TLS with a full handshake.
    Connect,
    /// The same with a handshake that resumes.
    Reconnect,
    Metadata {
        partitions: usize,
    },
    FindCoordinator,
}

/// How the price of a case is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// CPU seconds for 10^9 bytes of requests and answers.
    PerGigabyte,
    /// CPU microseconds for a request and its answer.
    PerRequest,
}

impl Unit {
    pub fn label(self) -> &'static str {
        match self {
            Unit::PerGigabyte => "CPU s/GB",
            Unit::PerRequest => "CPU us/request",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    pub load: Load,
    /// What of the route is encrypted.
    pub legs: Legs,
    pub shape: Shape,
    pub unit: Unit,
    /// Part of `--quick`.
    pub quick: bool,
    /// How many frames the pass under strace sends; none where the count tells nothing.
    pub traced: Option<u64>,
    pub goals: Vec<Goal>,
}

impl Case {
    /// Part of `--tls`: the cases with TLS, and the one in plaintext that handshakes are compared with.
    pub fn belongs_to_tls(&self) -> bool {
        self.legs != Legs::None || self.load == Load::Connect
    }

    pub fn exchange(&self) -> Exchange {
        match self.load {
            Load::Produce { size } => frames::produce_records(size),
            Load::Consume { size, partitions } => frames::fetch_records(size, partitions),
            Load::Ping | Load::Connect | Load::Reconnect => frames::ping(),
            Load::Metadata { partitions } => frames::metadata(partitions),
            Load::FindCoordinator => frames::find_coordinator(),
        }
    }
}

/// The cases that connect, by name: in plaintext, with full handshakes, and with handshakes that resume.
pub const CONNECT: &str = "connect";
pub const TLS_CONNECT: &str = "TLS connect";
pub const TLS_RECONNECT: &str = "TLS reconnect";

const KB: usize = 1024;
/// 1 MB in the names of cases.
const MB: usize = 1024 * KB;

/// All of them, in the order in which they are shown.
pub fn all() -> Vec<Case> {
    let mut cases = plaintext();
    cases.extend(tls());
    cases
}

fn plaintext() -> Vec<Case> {
    let mut cases = Vec::new();
    // Sizes in KB, and whether they are part of --quick.
    let sizes = [
        (1024, true),
        (256, false),
        (64, true),
        (32, false),
        (16, true),
        (8, false),
        (4, false),
        (1, true),
    ];
    for (size, quick) in sizes {
        cases.push(produce(size * KB, quick));
    }
    for (size, quick) in sizes {
        cases.push(consume(size * KB, 1, quick));
    }
    cases.push(consume(64 * KB, 6, true));
    cases.push(consume(10 * KB, 6, false));
    cases.push(paced(produce(MB, true), 300, goals::paced_megabyte()));
    cases.push(paced(consume(MB, 1, false), 300, Vec::new()));
    cases.push(paced(produce(64 * KB, false), 150, Vec::new()));
    cases.push(small("ping 1", Load::Ping, 1, true, goals::ping()));
    cases.push(small("ping 16", Load::Ping, 16, true, goals::ping()));
    cases.push(small(CONNECT, Load::Connect, 1, true, Vec::new()));
    let metadata = Load::Metadata { partitions: 10_000 };
    cases.push(small(
        "metadata 10000 partitions",
        metadata,
        4,
        false,
        Vec::new(),
    ));
    cases.push(small(
        "find coordinator",
        Load::FindCoordinator,
        16,
        false,
        Vec::new(),
    ));
    cases
}

fn tls() -> Vec<Case> {
    let client = |case| encrypted(case, Legs::Client);
    let both = |case| encrypted(case, Legs::Both);
    vec![
        client(produce(MB, true)),
        client(produce(64 * KB, false)),
        client(produce(16 * KB, true)),
        client(consume(MB, 1, true)),
        client(consume(64 * KB, 1, false)),
        client(consume(16 * KB, 1, true)),
        client(small("ping 1", Load::Ping, 1, false, Vec::new())),
        client(small("ping 16", Load::Ping, 16, false, Vec::new())),
        client(small("connect", Load::Connect, 1, true, Vec::new())),
        client(small("reconnect", Load::Reconnect, 1, true, Vec::new())),
        client(paced(produce(MB, false), 300, Vec::new())),
        client(paced(produce(16 * KB, false), 300, Vec::new())),
        both(produce(MB, false)),
        both(produce(16 * KB, false)),
        both(consume(MB, 1, false)),
        both(consume(16 * KB, 1, false)),
    ]
}

fn encrypted(case: Case, legs: Legs) -> Case {
    let both = match legs {
        Legs::Both => "both legs ",
        _ => "",
    };
    let goals = match case.load {
        Load::Produce { size } | Load::Consume { size, .. } => goals::tls(legs, size / KB),
        _ => Vec::new(),
    };
    // One leg tells what there is to know of the calls, and strace takes its time.
    let traced = case.traced.filter(|_| legs == Legs::Client);
    Case {
        name: format!("TLS {both}{}", case.name),
        legs,
        traced,
        goals,
        ..case
    }
}

fn produce(size: usize, quick: bool) -> Case {
    Case {
        name: format!("produce {}", size_name(size)),
        load: Load::Produce { size },
        legs: Legs::None,
        shape: saturated(4, 5),
        unit: unit(size),
        quick,
        traced: traced(size),
        goals: goals::produce(size / KB),
    }
}

fn consume(size: usize, partitions: usize, quick: bool) -> Case {
    let times = match partitions {
        1 => String::new(),
        n => format!("{n} x "),
    };
    Case {
        name: format!("consume {times}{}", size_name(size)),
        load: Load::Consume { size, partitions },
        legs: Legs::None,
        shape: saturated(4, 1),
        unit: unit(size),
        quick,
        traced: traced(size * partitions),
        goals: goals::consume(size / KB, partitions),
    }
}

fn paced(case: Case, megabytes_per_second: u32, goals: Vec<Goal>) -> Case {
    let size = match case.load {
        Load::Produce { size } | Load::Consume { size, .. } => size,
        _ => unreachable!("only bulk is paced by bytes"),
    };
    let interval = Duration::from_secs_f64(size as f64 / (f64::from(megabytes_per_second) * 1e6));
    Case {
        name: format!("paced {} at {megabytes_per_second} MB/s", case.name),
        shape: Shape {
            interval: Some(interval),
            ..case.shape
        },
        traced: None,
        goals,
        ..case
    }
}

fn small(name: &str, load: Load, connections: usize, quick: bool, goals: Vec<Goal>) -> Case {
    Case {
        name: name.to_owned(),
        load,
        legs: Legs::None,
        shape: saturated(connections, 1),
        unit: Unit::PerRequest,
        quick,
        traced: (!matches!(load, Load::Connect | Load::Reconnect)).then_some(500),
        goals,
    }
}

fn saturated(connections: usize, in_flight: usize) -> Shape {
    Shape {
        connections,
        in_flight,
        interval: None,
    }
}

fn unit(size: usize) -> Unit {
    match size {
        ..=KB => Unit::PerRequest,
        _ => Unit::PerGigabyte,
    }
}

fn traced(bytes: usize) -> Option<u64> {
    Some(match bytes {
        MB.. => 200,
        _ => 1000,
    })
}

fn size_name(size: usize) -> String {
    match size {
        MB.. => format!("{} MB", size / MB),
        _ => format!("{} KB", size / KB),
    }
}
