//! What is true: the configuration, valid by construction. What was written is in `file`, which turns it into this and
//! reports every fault at once.

mod address;
mod claims;
mod clients;
mod cluster;
pub mod fault;
mod file;
pub mod keys;
mod network;
mod nodes;
mod ports;
mod reader;
mod service;
mod show;
mod sni;
mod template;
mod tls;
pub(crate) mod unit;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

pub use fault::{Fault, Faults};
pub use file::ParseOptions;
pub use network::{Access, Network};
pub use service::ServiceName;

use crate::port_map::{NodeId, PortMap};

/// A host that clients can be told, or what is wrong with it.
pub fn advertised_host(text: &str) -> Result<String, String> {
    address::advertised_host(text).map_err(|(problem, _)| problem)
}

/// The whole configuration of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The virtual clusters by name, at least one.
    pub clusters: BTreeMap<String, VirtualCluster>,
    /// Where the admin endpoints listen; `None` where they are turned off.
    pub admin: Option<SocketAddr>,
    /// Names in small letters by which browsers may call the admin endpoints, beside those that nobody else can own; one that
    /// begins with a dot stands for that domain and all below it.
    pub admin_hosts: Vec<String>,
    /// How names are resolved.
    pub dns: Dns,
    /// Bounds on what a peer may make this process hold.
    pub limits: Limits,
    /// Bounds on how long a peer may make no progress.
    pub timeouts: Timeouts,
    /// How this process goes away.
    pub drain: Drain,
    /// How brokers are probed.
    pub health: Health,
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
    /// Port mode: node ids and their ports. `None` in SNI mode alone.
    pub ports: Option<PortMap>,
    /// SNI mode: one port, at which the TLS server name picks the node.
    pub sni: Option<Sni>,
    /// Which host clients of port mode are told.
    pub advertise: Advertise,
    /// The host of [`Advertise::Configured`], and of clients of [`Advertise::Dialled`] of which it is not known what they
    /// dialled.
    pub advertised_host: Option<String>,
    /// The Service whose load balancer's address stands in the place of `advertised_host`, as soon as it is known.
    pub advertised_from_service: Option<ServiceName>,
    /// TLS towards clients; `None` is plaintext.
    pub tls: Option<Tls>,
    /// TLS towards brokers; `None` is plaintext.
    pub upstream_tls: Option<UpstreamTls>,
    /// Whether connections begin with a PROXY protocol header.
    pub proxy_protocol: ProxyProtocol,
    /// Which clients may connect.
    pub access: Access,
    /// Where each node of the map is inside the cluster.
    pub nodes: BTreeMap<NodeId, NodeAddress>,
    /// The `[[nodes]]` entries as written, which `ports` and `nodes` were made from.
    pub entries: Vec<NodeEntry>,
    /// What becomes of api keys that this program does not know.
    pub unknown_apis: UnknownApis,
    /// How broker addresses at the end of Fetch answers are hidden.
    pub fetch_endpoints: FetchEndpoints,
}

impl VirtualCluster {
    /// How many ports it has on this machine.
    pub fn count_ports(&self) -> usize {
        let of_port_mode = self.ports.as_ref();
        let of_port_mode = of_port_mode.map_or(0, |map| 1 + map.nodes().count());
        of_port_mode + usize::from(self.sni.is_some())
    }
}

/// One `[[nodes]]` entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeEntry {
    /// A list of ids and ranges.
    pub ids: String,
    /// The bound port of the first id; the n-th has port + n. `None` in SNI mode alone.
    pub port: Option<u16>,
    /// The advertised port of the first id.
    pub advertised_port: Option<u16>,
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
    /// The same for each client (an IPv4 address, or the /64 of an IPv6 address); `None` is no limit.
    pub connections_per_client: Option<usize>,
    /// New connections of each client; `None` is no limit.
    pub connection_rate_per_client: Option<Rate>,
    /// TLS handshakes of clients under way at one time, all clusters together. Further ones wait.
    pub tls_handshakes: usize,
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
    /// From a client's first byte to the end of its TLS handshake.
    pub tls_handshake: Duration,
    /// From accept to the first complete request prefix.
    pub first_bytes: Duration,
    /// How long a peer may take nothing of what is ready for it.
    pub stalled_write: Duration,
    /// How long a connection may be silent in both directions; `None` is for ever.
    pub idle: Option<Duration>,
    /// How old a connection may become; it is closed between two requests, each at another time within the last tenth.
    /// `None` is for ever.
    pub max_connection_age: Option<Duration>,
    /// The interval of TCP keepalive probes on both legs; `None` turns them off.
    pub keepalive: Option<Duration>,
}

/// How it is found out which brokers can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// The time from one probe of a broker to the next; `None` for no probes.
    pub interval: Option<Duration>,
}

/// How this process goes away after SIGTERM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// How long it goes on as before after it was told to stop, while load balancers learn that it is going away.
    pub lame_duck: Duration,
    /// How long requests in flight may take to be answered before their connections are cut.
    pub grace: Duration,
}

/// SNI mode: one port for all nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sni {
    /// The name that leads to the bootstrap route.
    pub bootstrap_host: String,
    /// The template of the names of nodes, with `{node_id}` or `{ordinal}`.
    pub node_host: String,
    /// The names of all routes, and the port, bound and advertised.
    pub ports: PortMap,
}

/// Which host clients are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Advertise {
    /// `advertised_host`.
    #[default]
    Configured,
    /// What this client itself dialled: the TLS server name, or what a PROXY protocol header says.
    Dialled,
}

/// TLS towards clients. Files are in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate chain, the server's own first.
    pub certificate: PathBuf,
    /// The private key of the first certificate: PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
    /// Authorities that sign certificates of clients.
    pub client_ca: Option<PathBuf>,
    /// Whether clients must show a certificate.
    pub client_auth: ClientAuth,
    /// The lowest version that is spoken.
    pub min_version: TlsVersion,
    /// Lists of revoked certificates of clients.
    pub crl: Option<PathBuf>,
    /// Keys of session tickets, shared by all replicas; `None`: each process makes its own.
    pub ticket_keys: Option<PathBuf>,
}

/// Whether clients must show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// They are not asked.
    #[default]
    None,
    /// They are asked; one that is shown must be good.
    Optional,
    /// They must.
    Required,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// RFC 5246.
    #[default]
    Tls12,
    /// RFC 8446.
    Tls13,
}

/// TLS towards brokers. Their certificates are always verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamTls {
    /// Authorities that sign certificates of brokers; `None` is the system's.
    pub ca: Option<PathBuf>,
    /// Our own certificate chain and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The name that a broker's certificate must have, where it is not the host that is dialled; may have `{node_id}`,
    /// which for bootstrap servers is not known: those are then asked for the host that is dialled.
    pub server_name: Option<String>,
}

/// Whether connections begin with a header of the PROXY protocol, versions 1 and 2.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyProtocol {
    /// From the peers in `from`.
    pub mode: ProxyProtocolMode,
    /// The networks of the load balancers.
    pub from: Vec<Network>,
}

/// Whether a header is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyProtocolMode {
    /// Never.
    #[default]
    Off,
    /// Perhaps.
    Optional,
    /// Always; who does not send one is refused.
    Required,
}

/// So many connections in such a time on average, and at most so many at once; at least one, or none is ever admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub connections: u32,
    /// In which time.
    pub per: Duration,
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

/// A log level: each has more lines than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

impl Rate {
    /// The times that a rate may be of, in seconds.
    pub(crate) const UNITS: [(&'static str, u64); 3] = [("s", 1), ("m", 60), ("h", 3_600)];
}

impl Advertise {
    pub(crate) const WORDS: [(&'static str, Advertise); 2] = [
        ("configured", Advertise::Configured),
        ("dialled", Advertise::Dialled),
    ];
}

impl ClientAuth {
    pub(crate) const WORDS: [(&'static str, ClientAuth); 3] = [
        ("none", ClientAuth::None),
        ("optional", ClientAuth::Optional),
        ("required", ClientAuth::Required),
    ];
}

impl TlsVersion {
    pub(crate) const WORDS: [(&'static str, TlsVersion); 2] =
        [("1.2", TlsVersion::Tls12), ("1.3", TlsVersion::Tls13)];
}

impl ProxyProtocolMode {
    pub(crate) const WORDS: [(&'static str, ProxyProtocolMode); 3] = [
        ("off", ProxyProtocolMode::Off),
        ("optional", ProxyProtocolMode::Optional),
        ("required", ProxyProtocolMode::Required),
    ];
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
