//! A scripted cluster: a bootstrap port and one for each node, which say what the test wants them to say.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::ServerConfig;

use crate::common::broker::{Broker, Link, Received};
use crate::sasl::{Listener, Session};

/// The node id of the bootstrap port in scripts.
pub const BOOTSTRAP: i32 = -1;

pub const LIST_OFFSETS: i16 = 2;
pub const METADATA: i16 = 3;
pub const FIND_COORDINATOR: i16 = 10;
pub const SASL_HANDSHAKE: i16 = 17;
pub const API_VERSIONS: i16 = 18;
pub const DESCRIBE_CONFIGS: i16 = 32;
pub const SASL_AUTHENTICATE: i16 = 36;
pub const DESCRIBE_CLUSTER: i16 = 60;

/// Host and port as told.
pub type Told = BTreeMap<i32, (String, u16)>;

/// What happens instead of the usual answer.
pub enum Act {
    /// These bytes.
    Send(Vec<u8>),
    /// The connection is closed.
    Close,
    /// Nothing, for as long as the client waits.
    Silence,
}

/// Decides by the port's node and the request.
pub type Script = dyn Fn(i32, &Received) -> Option<Act> + Send + Sync;

/// A partition.
#[derive(Clone, Debug)]
pub struct Partition {
    pub topic: &'static str,
    pub index: i32,
    pub leader: i32,
    pub replicas: Vec<i32>,
    pub in_sync: Vec<i32>,
}

/// What the cluster says. A test changes it at any time.
pub struct State {
    pub cluster_id: &'static str,
    /// What Metadata tells.
    pub brokers: Told,
    /// What the Metadata of one port tells instead.
    pub brokers_at: BTreeMap<i32, Told>,
    /// What DescribeCluster tells instead.
    pub described: Option<Told>,
    /// The coordinator of all groups.
    pub coordinator: (i32, (String, u16)),
    /// Which broker is behind the port of a node, where it is not that node.
    pub behind: BTreeMap<i32, i32>,
    pub partitions: Vec<Partition>,
    /// What the Metadata of one port tells of partitions instead.
    pub partitions_at: BTreeMap<i32, Vec<Partition>>,
    /// Api keys with their lowest and highest version.
    pub versions: Vec<(i16, i16, i16)>,
    /// Whether brokers tell their configuration.
    pub describes: bool,
    /// How users are let in.
    pub sasl: Option<Listener>,
    pub script: Option<Arc<Script>>,
    /// Api keys of all requests, with the node of the port.
    pub requests: Vec<(i32, i16)>,
}

/// The running cluster.
pub struct Cluster {
    state: Arc<Mutex<State>>,
    bootstrap: Broker,
    nodes: BTreeMap<i32, Broker>,
    host: &'static str,
}

impl Cluster {
    /// Well-behaved brokers with these ids, each the leader of a partition.
    pub fn start(ids: &[i32]) -> Self {
        Self::start_at("127.0.0.1", "127.0.0.1", ids)
    }

    /// The same by TLS, by the name localhost: the bootstrap with the first configuration, the nodes with the second.
    pub fn by_tls(bootstrap: Arc<ServerConfig>, nodes: Arc<ServerConfig>, ids: &[i32]) -> Self {
        Self::start_on(
            "localhost",
            Ipv4Addr::LOCALHOST.into(),
            ids,
            Some((bootstrap, nodes)),
        )
    }

    /// The same under this host, listening at an address.
    pub fn start_at(host: &'static str, ip: &str, ids: &[i32]) -> Self {
        Self::start_on(host, ip.parse().expect("an address"), ids, None)
    }

    fn start_on(
        host: &'static str,
        ip: IpAddr,
        ids: &[i32],
        tls: Option<(Arc<ServerConfig>, Arc<ServerConfig>)>,
    ) -> Self {
        let state = Arc::new(Mutex::new(State::new(ids)));
        let broker = |node: i32, tls: Option<&Arc<ServerConfig>>| {
            let state = state.clone();
            match tls {
                None => Broker::serving_at((ip, 0).into(), move |link| serve(link, node, &state)),
                Some(config) => {
                    Broker::answering_by_tls(config.clone(), move |request| {
                        match lock(&state).act(node, &mut Session::default(), request) {
                            Act::Send(bytes) => Some(bytes),
                            Act::Close | Act::Silence => None,
                        }
                    })
                }
            }
        };
        let tls = tls.as_ref();
        let bootstrap = broker(BOOTSTRAP, tls.map(|(bootstrap, _)| bootstrap));
        let nodes = ids
            .iter()
            .map(|id| (*id, broker(*id, tls.map(|(_, nodes)| nodes))));
        let nodes: BTreeMap<i32, Broker> = nodes.collect();
        let cluster = Cluster {
            state,
            bootstrap,
            nodes,
            host,
        };
        let told: Told = ids.iter().map(|id| (*id, cluster.told(*id))).collect();
        let mut state = cluster.state();
        state.coordinator = (ids[0], told[&ids[0]].clone());
        state.brokers = told;
        drop(state);
        cluster
    }

    /// Host and port of a node.
    pub fn told(&self, id: i32) -> (String, u16) {
        (self.host.to_owned(), self.address(id).port())
    }

    /// Where a node listens.
    pub fn address(&self, id: i32) -> SocketAddr {
        self.nodes[&id].address()
    }

    /// What `check` is given.
    pub fn target(&self) -> String {
        format!("{}:{}", self.host, self.bootstrap.address().port())
    }

    /// What it says.
    pub fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// The port of a node refuses connections from here on.
    pub fn stop(&mut self, id: i32) {
        self.nodes.get_mut(&id).expect("a node").stop();
    }

    /// What happens instead of usual answers.
    pub fn script(&self, script: impl Fn(i32, &Received) -> Option<Act> + Send + Sync + 'static) {
        self.state().script = Some(Arc::new(script));
    }

    /// The connections that a node has accepted.
    pub fn connections(&self, id: i32) -> usize {
        self.nodes[&id].connections()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(mut link: Link, node: i32, state: &Mutex<State>) {
    let mut session = Session::default();
    while let Some(request) = link.try_request() {
        let act = lock(state).act(node, &mut session, &request);
        match act {
            Act::Send(bytes) if link.try_send(&bytes).is_ok() => {}
            Act::Send(_) | Act::Close => return,
            // Until the client goes away.
            Act::Silence => drop(link.try_request()),
        }
    }
}
