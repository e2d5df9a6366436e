//! What is true: the configuration, valid by construction. What was written is in `file`, which turns it into this and
//! reports every fault at once.

mod address;
mod claims;
mod cluster;
pub mod fault;
mod file;
pub mod keys;
mod nodes;
mod reader;
mod show;
pub(crate) mod unit;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

pub use fault::{Fault, Faults};
pub use file::ParseOptions;

use crate::port_map::{NodeId, PortMap};

/// The whole configuration of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The virtual clusters by name, at least one.
    pub clusters: BTreeMap<String, VirtualCluster>,
    /// Where the admin endpoints listen; `None` where they are turned off.
    pub admin: Option<SocketAddr>,
    /// How names are resolved.
    pub dns: Dns,
    /// Bounds on what a peer may make this process hold.
    pub limits: Limits,
    /// Bounds on how long a peer may make no progress.
    pub timeouts: Timeouts,
    /// How this process goes away.
    pub drain: Drain,
    /// Threads.
    pub runtime: Runtime,
    /// Logging.
    pub log: Log,
}

/// One Kafka cluster as clients see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualCluster {
    /// Its name in logs and metrics.
    pub name: String,
    /// Where the bootstrap route forwards to, at least one.
    pub bootstrap_servers: Vec<BrokerAddress>,
    /// The address that every port of this cluster is bound on.
    pub listen_address: IpAddr,
    /// Node ids and their ports.
    pub ports: PortMap,
    /// Where each node of the map is inside the cluster.
    pub nodes: BTreeMap<NodeId, NodeAddress>,
    /// The `[[nodes]]` entries as written, which `ports` and `nodes` were made from.
    pub entries: Vec<NodeEntry>,
    /// What becomes of api keys that this program does not know.
    pub unknown_apis: UnknownApis,
    /// How broker addresses at the end of Fetch answers are hidden.
    pub fetch_endpoints: FetchEndpoints,
}

/// One `[[nodes]]` entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeEntry {
    /// A list of ids and ranges.
    pub ids: String,
    /// The bound port of the first id; the n-th has port + n.
    pub port: u16,
    /// The advertised port of the first id.
    pub advertised_port: u16,
    /// The template of the nodes' addresses; `None` where they are learned.
    pub address: Option<String>,
}

/// A broker's address inside the cluster: a name, resolved anew at each dial, and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BrokerAddress {
    /// Host name or IP literal without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl fmt::Display for BrokerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl std::str::FromStr for BrokerAddress {
    type Err = String;

    /// `HOST:PORT`, or what is wrong with it and what to write instead.
    fn from_str(text: &str) -> Result<Self, String> {
        address::broker(text).map_err(|(problem, remedy)| format!("{problem}: {remedy}"))
    }
}

/// How a node's address is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeAddress {
    /// From the configuration, its placeholders filled in.
    Configured(BrokerAddress),
    /// From what the brokers themselves advertise in their answers.
    Learned,
}

/// Name resolution.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dns {
    /// Name servers to ask instead of the system's; empty means the system's.
    pub servers: Vec<SocketAddr>,
    /// A file in the format of hosts(5) that is looked into first.
    pub hosts_file: Option<PathBuf>,
}

/// Bounds on what a peer may make this process hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Client connections at one time, all clusters together; `None` sizes it to the file descriptor limit.
    pub connections: Option<usize>,
    /// Requests of one connection that wait for an answer.
    pub in_flight: usize,
    /// A request frame's size in bytes.
    pub request_bytes: u32,
    /// The size in bytes up to which an answer (or an answer's head) is held to be rewritten.
    pub response_rewrite_bytes: u32,
    /// A SASL token's size in bytes.
    pub sasl_bytes: u32,
}

/// Bounds on how long a peer may make no progress. These are about progress, not about whole messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From the first bytes of a client to an established connection to a broker.
    pub connect: Duration,
    /// From accept to the first complete request prefix.
    pub first_bytes: Duration,
    /// How long a peer may take nothing of what is ready for it.
    pub stalled_write: Duration,
    /// How long a connection may be silent in both directions; `None` is for ever.
    pub idle: Option<Duration>,
    /// The interval of TCP keepalive probes on both legs; `None` turns them off.
    pub keepalive: Option<Duration>,
}

/// How this process goes away after SIGTERM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// How long requests in flight may take to be answered before their connections are cut.
    pub grace: Duration,
}

/// Threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Runtime {
    /// Worker threads; `None` is one per core.
    pub threads: Option<usize>,
    /// Whether large frames may go through pipes of the kernel (splice(2)).
    pub splice: bool,
}

/// Logging.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// The least severe level that is written.
    pub level: LogLevel,
    /// How lines look.
    pub format: LogFormat,
}

/// A log level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What becomes of api keys that this program does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownApis {
    /// They are taken out of ApiVersions answers; a client that uses one all the same is disconnected.
    #[default]
    Hide,
    /// They pass. A future api whose answers carry broker addresses would leak them.
    Forward,
}

/// How broker addresses at the end of Fetch answers (KIP-951) are hidden from clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FetchEndpoints {
    /// They are blanked in place while the answer streams by.
    #[default]
    Neutralise,
    /// Fetch is offered up to version 15 and Produce up to 9, which have none.
    Cap,
}

impl LogLevel {
    pub(crate) const WORDS: [(&'static str, LogLevel); 5] = [
        ("error", LogLevel::Error),
        ("warn", LogLevel::Warn),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
        ("trace", LogLevel::Trace),
    ];
}

impl LogFormat {
    pub(crate) const WORDS: [(&'static str, LogFormat); 2] =
        [("text", LogFormat::Text), ("json", LogFormat::Json)];
}

impl UnknownApis {
    pub(crate) const WORDS: [(&'static str, UnknownApis); 2] = [
        ("hide", UnknownApis::Hide),
        ("forward", UnknownApis::Forward),
    ];
}

impl FetchEndpoints {
    pub(crate) const WORDS: [(&'static str, FetchEndpoints); 2] = [
        ("neutralise", FetchEndpoints::Neutralise),
        ("cap", FetchEndpoints::Cap),
    ];
}
