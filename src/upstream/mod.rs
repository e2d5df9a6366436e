//! Where each node is now: resolves at each dial, tries all addresses, speaks TLS if that is wanted, times out.

mod ask;
mod error;
pub mod health;
pub mod own;
mod probe;
pub mod resolver;
mod tls;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustix::io::Errno;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

pub use error::ConnectError;
use health::Health;
use own::{OwnConnection, OwnConnections};
pub use probe::ProbeError;
use resolver::{ResolveError, Resolver};

use crate::config::{BrokerAddress, NodeAddress, Timeouts, VirtualCluster};
use crate::limits::is_at_fd_limit;
use crate::metrics::ClusterMetrics;
use crate::port_map::{NodeId, Route};
use crate::transport::stream::{Stream, tune};
use crate::transport::tls::client::Client;

/// How long the next address waits at most for the one before it (RFC 8305 calls it the connection attempt delay).
const STAGGER: Duration = Duration::from_millis(250);

/// The pauses between two look-ups of a name that does not resolve: they grow up to the last.
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_LAST: Duration = Duration::from_millis(800);

/// How long a bootstrap server that failed stands behind the others.
const UNHEALTHY: Duration = Duration::from_secs(10);

/// Dials the brokers of one virtual cluster. Shared by all threads.
#[derive(Debug)]
pub struct Upstream {
    bootstrap: Vec<Server>,
    nodes: BTreeMap<NodeId, NodeAddress>,
    /// Shared with what was in force before, where that had the same brokers.
    learned: Arc<RwLock<HashMap<NodeId, BrokerAddress>>>,
    /// The same.
    health: Arc<Health>,
    /// A probe asked who is in the cluster, and the broker closed instead: it wants SASL.
    keeps_to_itself: AtomicBool,
    /// Held while the bootstrap servers are asked, so that a rush of clients asks once.
    asking: tokio::sync::Mutex<()>,
    next: AtomicUsize,
    began: Instant,
    connect: Duration,
    keepalive: Option<Duration>,
    tls: Option<Client>,
    own: Arc<OwnConnections>,
    metrics: Arc<ClusterMetrics>,
}

#[derive(Debug)]
struct Server {
    address: BrokerAddress,
    /// When it failed last, in milliseconds since the start, plus one; 0 for never.
    failed: AtomicU64,
}

/// An established connection to a broker.
#[derive(Debug)]
pub struct Connected {
    /// The socket, tuned, and TLS over it if that is wanted.
    pub stream: Stream,
    /// The name and port that were dialled.
    pub address: BrokerAddress,
    /// The address that answered.
    pub peer: SocketAddr,
    /// Says that this connection is ours, for as long as it is open.
    pub own: Option<OwnConnection>,
}

impl Upstream {
    /// For one virtual cluster. `previous` is in force until this one is; what it has learned is not forgotten, unless no
    /// bootstrap server of it is left: then these are other brokers, and a node's number means another one.
    pub fn new(
        cluster: &VirtualCluster,
        timeouts: &Timeouts,
        tls: Option<Client>,
        previous: Option<&Upstream>,
        own: Arc<OwnConnections>,
        metrics: Arc<ClusterMetrics>,
    ) -> Self {
        let servers = &cluster.bootstrap_servers;
        let same = previous.filter(|previous| {
            let mut before = previous.bootstrap.iter();
            before.any(|server| servers.contains(&server.address))
        });
        Upstream {
            bootstrap: servers
                .iter()
                .map(|address| Server {
                    address: address.clone(),
                    failed: AtomicU64::new(0),
                })
                .collect(),
            nodes: cluster.nodes.clone(),
            learned: same.map_or_else(Arc::default, |previous| previous.learned.clone()),
            health: same.map_or_else(Arc::default, |previous| previous.health.clone()),
            keeps_to_itself: AtomicBool::new(false),
            asking: tokio::sync::Mutex::new(()),
            next: AtomicUsize::new(0),
            began: Instant::now(),
            connect: timeouts.connect,
            keepalive: timeouts.keepalive,
            tls,
            own,
            metrics,
        }
    }

    /// Connects to the broker that a route leads to, within `timeouts.connect`.
    pub async fn connect(
        &self,
        route: Route,
        resolver: &Resolver,
    ) -> Result<Connected, ConnectError> {
        let begin = Instant::now();
        let deadline = begin + self.connect;
        let outcome = match route {
            Route::Bootstrap => self.connect_bootstrap(resolver, deadline).await,
            Route::Node(id) => self.connect_node(id, resolver, deadline).await,
        };
        match &outcome {
            Ok(_) => self.metrics.upstream_connected(begin.elapsed()),
            Err(error) => self.metrics.upstream_connect_failed(route, error.reason()),
        }
        outcome
    }

    /// Whether a connection that was accepted at `local` from `client` was made by this process: then an address in the
    /// configuration leads back here, and dialling it again would go on until nothing is left.
    pub fn is_own(&self, client: SocketAddr, local: SocketAddr) -> bool {
        self.own.contains(client, local)
    }

    /// Which brokers can be reached.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// TLS towards brokers, if it is spoken.
    pub fn tls(&self) -> Option<&Client> {
        self.tls.as_ref()
    }

    /// Whether it speaks TLS to brokers.
    pub fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether any node's address is learned rather than configured.
    pub fn learns(&self) -> bool {
        self.nodes.values().any(|a| *a == NodeAddress::Learned)
    }

    /// Whether answers of the brokers of the other one tell where the nodes of this one are.
    pub fn has_brokers_of(&self, other: &Upstream) -> bool {
        Arc::ptr_eq(&self.learned, &other.learned)
    }

    /// Takes note of the addresses in an answer; those of nodes whose address is configured are not needed.
    pub fn learn<'a>(&self, seen: impl Iterator<Item = (NodeId, &'a str, u16)>) {
        for (id, host, port) in seen {
            if self.nodes.get(&id) != Some(&NodeAddress::Learned) {
                continue;
            }
            let same = |known: &BrokerAddress| known.host == host && known.port == port;
            if self.read_learned().get(&id).is_some_and(same) {
                continue;
            }
            let address = BrokerAddress {
                host: host.to_owned(),
                port,
            };
            let mut learned = self.learned.write().unwrap_or_else(PoisonError::into_inner);
            learned.insert(id, address);
        }
    }

    /// Where a node is, if that is configured or was learned.
    pub fn address(&self, id: NodeId) -> Option<BrokerAddress> {
        match self.nodes.get(&id)? {
            NodeAddress::Configured(address) => Some(address.clone()),
            NodeAddress::Learned => self.read_learned().get(&id).cloned(),
        }
    }

    fn read_learned(&self) -> std::sync::RwLockReadGuard<'_, HashMap<NodeId, BrokerAddress>> {
        self.learned.read().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connect_node(
        &self,
        id: NodeId,
        resolver: &Resolver,
        deadline: Instant,
    ) -> Result<Connected, ConnectError> {
        let learned = self.nodes.get(&id) == Some(&NodeAddress::Learned);
        let known = self.address(id);
        if let Some(address) = &known {
            if !learned {
                return self
                    .connect_name(address, Some(id), resolver, deadline, true)
                    .await;
            }
            // A learned address may have moved; then the brokers know better. One that is silent now must leave the time
            // to ask them.
            let half = deadline.saturating_duration_since(Instant::now()) / 2;
            let until = Instant::now() + half;
            let connected = self.connect_name(address, Some(id), resolver, until, false);
            if let Ok(connected) = connected.await {
                return Ok(connected);
            }
        }
        let address = self.ask(id, known.as_ref(), resolver, deadline).await?;
        self.connect_name(&address, Some(id), resolver, deadline, true)
            .await
    }

    /// Asks the bootstrap servers where a node is. `stale` is the address that has just failed.
    async fn ask(
        &self,
        id: NodeId,
        stale: Option<&BrokerAddress>,
        resolver: &Resolver,
        deadline: Instant,
    ) -> Result<BrokerAddress, ConnectError> {
        let cannot = |why: String| ConnectError::CannotLearn { node: id, why };
        let question = async {
            let _asking = self.asking.lock().await;
            // Another session may have asked while this one waited.
            if let Some(address) = self.address(id).filter(|now| Some(now) != stale) {
                return Ok(address);
            }
            let ask = async |server: &Server, until: Instant| {
                let address = &server.address;
                let connected = self.connect_name(address, None, resolver, until, false);
                let connected = connected.await?;
                let answer = timeout_at(until, ask::brokers(&connected.stream)).await;
                answer
                    .map_err(|_| cannot(format!("{address} did not answer in time")))?
                    .map_err(|error| cannot(format!("{address} {error}")))
            };
            let brokers = self.try_bootstrap(deadline, ask).await?;
            self.learn(brokers.iter().map(|b| (b.node_id, b.host.as_str(), b.port)));
            match brokers.iter().any(|broker| broker.node_id == id) {
                true => self
                    .address(id)
                    .ok_or(ConnectError::UnknownNode { node: id }),
                false => Err(ConnectError::UnknownNode { node: id }),
            }
        };
        timeout_at(deadline, question).await.unwrap_or_else(|_| {
            Err(cannot(
                "the bootstrap servers did not answer in time".into(),
            ))
        })
    }

    async fn connect_bootstrap(
        &self,
        resolver: &Resolver,
        deadline: Instant,
    ) -> Result<Connected, ConnectError> {
        let connect = async |server: &Server, until: Instant| {
            let address = &server.address;
            self.connect_name(address, None, resolver, until, false)
                .await
        };
        self.try_bootstrap(deadline, connect).await
    }

    /// Each server once, healthy ones first, until `attempt` succeeds at one; all of it again while no name resolves.
    async fn try_bootstrap<T>(
        &self,
        deadline: Instant,
        attempt: impl AsyncFn(&Server, Instant) -> Result<T, ConnectError>,
    ) -> Result<T, ConnectError> {
        let mut pause = RETRY_FIRST;
        loop {
            let order = self.bootstrap_order();
            let mut last = None;
            let mut resolved = false;
            for (done, server) in order.iter().enumerate() {
                // One silent server must not use up the time of the others.
                let left = deadline.saturating_duration_since(Instant::now());
                let share = left / u32::try_from(order.len() - done).unwrap_or(1);
                match attempt(server, Instant::now() + share).await {
                    Ok(success) => {
                        server.failed.store(0, Ordering::Relaxed);
                        return Ok(success);
                    }
                    Err(error) => {
                        let now = self.began.elapsed().as_millis() as u64;
                        server.failed.store(now + 1, Ordering::Relaxed);
                        resolved |= !matches!(error, ConnectError::Unresolved { .. });
                        last = Some(error);
                    }
                }
            }
            let error = last.unwrap_or(ConnectError::NoBootstrapServer);
            if resolved || Instant::now() + pause >= deadline {
                return Err(error);
            }
            sleep(pause).await;
            pause = (pause * 2).min(RETRY_LAST);
        }
    }

    fn bootstrap_order(&self) -> Vec<&Server> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let now = self.began.elapsed().as_millis() as u64;
        let unhealthy = |server: &Server| {
            let failed = server.failed.load(Ordering::Relaxed);
            failed > 0 && now.saturating_sub(failed) < UNHEALTHY.as_millis() as u64
        };
        let count = self.bootstrap.len();
        let mut order: Vec<&Server> = (0..count)
            .map(|n| &self.bootstrap[(first + n) % count])
            .collect();
        // The sort is stable: the rotation stays within each half.
        order.sort_by_key(|server| unhealthy(server));
        order
    }

    /// Resolves and dials. A name that does not resolve is asked for again until the deadline if `patient`: the name of a
    /// pod is missing from a headless service while the pod starts.
    async fn connect_name(
        &self,
        address: &BrokerAddress,
        node: Option<NodeId>,
        resolver: &Resolver,
        deadline: Instant,
        patient: bool,
    ) -> Result<Connected, ConnectError> {
        let mut pause = RETRY_FIRST;
        let mut unresolved = "the name servers did not answer in time".to_owned();
        let found = loop {
            match timeout_at(deadline, resolver.resolve(&address.host)).await {
                Ok(Ok(found)) => break found,
                Ok(Err(ResolveError(why))) => unresolved = why,
                // A look-up that the deadline cut off says less than the ones before it.
                Err(_) => {}
            }
            if !patient || Instant::now() + pause >= deadline {
                return Err(ConnectError::Unresolved {
                    address: address.clone(),
                    why: unresolved,
                });
            }
            sleep(pause).await;
            pause = (pause * 2).min(RETRY_LAST);
        };
        let (stream, peer) = dial(&found, address.port, deadline)
            .await
            .map_err(|failures| ConnectError::dialled(address, failures))?;
        if is_at_fd_limit(stream.as_raw_fd()) {
            let error = Errno::MFILE.into();
            return Err(ConnectError::dialled(address, vec![(peer, error)]));
        }
        // The connection may be gone already; using it will tell.
        let _ = tune(&stream, self.keepalive);
        let own = stream.local_addr().map(|local| self.own.add(local, peer));
        let stream = match &self.tls {
            Some(tls) => tls::connect(tls, stream, address, node, deadline).await?,
            None => Stream::new(stream),
        };
        Ok(Connected {
            stream,
            address: address.clone(),
            peer,
            own: own.ok(),
        })
    }
}

type Dialled = Result<(TcpStream, SocketAddr), Vec<(SocketAddr, io::Error)>>;

/// Dials until an address answers.
async fn dial(found: &[IpAddr], port: u16, deadline: Instant) -> Dialled {
    match *found {
        [ip] => dial_one(SocketAddr::new(ip, port), deadline).await,
        _ => dial_all(found, port, deadline).await,
    }
}

/// The pod of a node has one address: nothing is to be staggered, and no task is needed.
async fn dial_one(peer: SocketAddr, deadline: Instant) -> Dialled {
    match timeout_at(deadline, TcpStream::connect(peer)).await {
        Ok(Ok(stream)) => Ok((stream, peer)),
        Ok(Err(error)) => Err(vec![(peer, error)]),
        Err(_) => Err(vec![(peer, io::ErrorKind::TimedOut.into())]),
    }
}

/// Dials all addresses, each a moment after the one before it or as soon as that failed; the first to answer wins.
async fn dial_all(found: &[IpAddr], port: u16, deadline: Instant) -> Dialled {
    let mut waiting = found.iter().map(|&ip| SocketAddr::new(ip, port));
    // The last address must have its turn, and time to answer.
    let left = deadline.saturating_duration_since(Instant::now());
    let turns = u32::try_from(found.len()).unwrap_or(u32::MAX).max(1);
    let stagger = STAGGER.min(left / 2 / turns);
    let mut dialling: JoinSet<(SocketAddr, io::Result<TcpStream>)> = JoinSet::new();
    let mut failures = Vec::new();
    let mut more = true;
    loop {
        if more {
            match waiting.next() {
                Some(peer) => {
                    dialling.spawn(async move { (peer, TcpStream::connect(peer).await) });
                }
                None => more = false,
            }
        }
        if dialling.is_empty() && !more {
            return Err(failures);
        }
        let next = Instant::now() + stagger;
        tokio::select! {
            biased;
            Some(outcome) = dialling.join_next() => match outcome {
                Ok((peer, Ok(stream))) => return Ok((stream, peer)),
                Ok((peer, Err(error))) => failures.push((peer, error)),
                Err(_) => {}
            },
            () = sleep_until(deadline) => {
                let timed_out = |&ip: &IpAddr| {
                    let peer = SocketAddr::new(ip, port);
                    (peer, io::Error::from(io::ErrorKind::TimedOut))
                };
                let silent = found.iter().map(timed_out);
                let told: Vec<SocketAddr> = failures.iter().map(|f| f.0).collect();
                failures.extend(silent.filter(|(peer, _)| !told.contains(peer)));
                return Err(failures);
            }
            () = sleep_until(next), if more => {}
        }
    }
}
