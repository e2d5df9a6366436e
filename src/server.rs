//! Binds every listener, accepts, hands connections to worker threads, and drains them in the end.
//!
//! One thread accepts; N threads serve, each with a runtime of its own, so that a connection and its upstream live and
//! die on one thread. A connection goes to the thread with the fewest.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::LocalSet;
use tracing::{error, info, warn};

use crate::admin::{self, AdminState};
use crate::config::{Config, FetchEndpoints, UnknownApis, VirtualCluster};
use crate::limits::{ConnectionLimit, Permit};
use crate::metrics::Metrics;
use crate::port_map::{NodeId, NodePort, PortMap, Route};
use crate::protocol::api::{self, Policy};
use crate::session::end::EndReason;
use crate::session::faults::Faults;
use crate::session::{Accepted, Cluster, Phase, Worker, serve};
use crate::upstream::Upstream;
use crate::upstream::own::OwnConnections;
use crate::upstream::resolver::Resolver;

/// Connections that the kernel completes before they are accepted.
const BACKLOG: i32 = 1024;

/// How long to wait after an accept error that is the process's (no file descriptors left) and not the connection's.
const ACCEPT_BACK_OFF: Duration = Duration::from_millis(100);

/// A server whose listeners are bound and which serves nobody yet.
#[derive(Debug)]
pub struct Server {
    config: Config,
    listeners: Vec<Listener>,
    clusters: Vec<Arc<Cluster>>,
    admin: Option<TcpListener>,
    metrics: Arc<Metrics>,
    ready: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Listener {
    socket: TcpListener,
    route: Route,
    cluster: Arc<Cluster>,
}

/// Why the server could not start.
#[derive(Debug)]
pub enum StartError {
    /// An address could not be bound.
    Bind {
        /// The address.
        address: SocketAddr,
        /// What for.
        purpose: String,
        /// The operating system's error.
        error: io::Error,
    },
    /// Something else.
    Other(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Bind {
                address,
                purpose,
                error,
            } => {
                write!(f, "cannot listen on {address} ({purpose}): {error}")?;
                f.write_str(match error.kind() {
                    io::ErrorKind::AddrInUse => {
                        "; another process has this port: stop it, or choose other ports (`ss -ltnp` shows who has which)"
                    }
                    io::ErrorKind::AddrNotAvailable => {
                        "; this machine does not have that address: correct listen_address"
                    }
                    io::ErrorKind::PermissionDenied => {
                        "; ports below 1024 need CAP_NET_BIND_SERVICE: choose higher ones"
                    }
                    _ => "",
                })
            }
            StartError::Other(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for StartError {}

impl Server {
    /// Binds every port of every cluster and of the admin listener; all or none.
    pub async fn bind(config: Config) -> Result<Self, StartError> {
        let end_reasons = EndReason::LABELS;
        let apis: Vec<_> = api::all().collect();
        let metrics = Arc::new(Metrics::new(&apis, &end_reasons).map_err(other)?);
        let shared = ForClusters {
            metrics: metrics.clone(),
            faults: Arc::new(Faults::default()),
            own: Arc::new(OwnConnections::default()),
        };
        let mut listeners = Vec::new();
        let mut clusters = Vec::new();
        for cluster in config.clusters.values() {
            let (ports, sockets) = bind_cluster(cluster)?;
            let cluster = Arc::new(start_cluster(&config, cluster, ports, &shared)?);
            for (socket, route) in sockets {
                let address = socket.local_addr().map_err(other)?;
                info!(cluster = cluster.name, %route, %address, "listening");
                listeners.push(Listener {
                    socket,
                    route,
                    cluster: cluster.clone(),
                });
            }
            clusters.push(cluster);
        }
        let admin = match config.admin {
            None => None,
            Some(address) => {
                let socket = listen(address, || "admin.listen".into())?;
                info!(address = %socket.local_addr().map_err(other)?, "admin listening");
                Some(socket)
            }
        };
        Ok(Server {
            config,
            listeners,
            clusters,
            admin,
            metrics,
            ready: Arc::new(AtomicBool::new(false)),
        })
    }

    /// The ports of each cluster as bound and advertised, by name.
    pub fn ports(&self) -> impl Iterator<Item = (&str, &PortMap)> {
        self.clusters.iter().map(|c| (c.name.as_str(), &c.ports))
    }

    /// Where the admin endpoints are.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref()?.local_addr().ok()
    }

    /// Serves until `shutdown` is ready, then drains. Returns when all connections have ended or `drain.grace` is over.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), StartError> {
        let threads =
            self.config.runtime.threads.unwrap_or_else(|| {
                std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
            });
        let pool = Pool::start(threads, &self.config)?;
        let limit = ConnectionLimit::new(&self.config.limits, self.listeners.len());
        let mut accepting = tokio::task::JoinSet::new();
        for listener in self.listeners {
            let (pool, limit, metrics) = (pool.handle(), limit.clone(), self.metrics.clone());
            accepting.spawn(accept_loop(listener, pool, limit, metrics));
        }
        let (stop_admin, admin_stopped) = tokio::sync::oneshot::channel::<()>();
        let admin = self.admin.map(|socket| {
            let state = AdminState::new(self.metrics.clone(), self.ready.clone());
            tokio::spawn(admin::serve(socket, state, async {
                // The sender going away means the same.
                let _ = admin_stopped.await;
            }))
        });
        self.ready.store(true, Ordering::Release);
        info!(threads, connections = limit.most(), "ready");

        shutdown.await;
        // Dropping the accept loops closes the listeners.
        accepting.shutdown().await;
        let grace = self.config.drain.grace;
        info!(
            connections = pool.sessions(),
            grace_seconds = grace.as_secs_f64(),
            "draining"
        );
        pool.drain(grace).await;
        let _ = stop_admin.send(());
        if let Some(admin) = admin {
            let _ = admin.await;
        }
        info!("drained");
        Ok(())
    }
}

fn other(error: impl fmt::Display) -> StartError {
    StartError::Other(error.to_string())
}

/// Binds a cluster's ports. Port 0, which tests use, becomes the port that the system chose, also where it is advertised.
fn bind_cluster(
    cluster: &VirtualCluster,
) -> Result<(PortMap, Vec<(TcpListener, Route)>), StartError> {
    let mut sockets = Vec::new();
    let mut bind = |port: NodePort, route: Route| -> Result<NodePort, StartError> {
        let address = SocketAddr::new(cluster.listen_address, port.bound);
        let socket = listen(address, || format!("cluster {}, {route}", cluster.name))?;
        let bound = socket.local_addr().map_err(other)?.port();
        sockets.push((socket, route));
        let advertised = match port.advertised {
            0 => bound,
            advertised => advertised,
        };
        Ok(NodePort { bound, advertised })
    };
    let bootstrap = bind(cluster.ports.bootstrap(), Route::Bootstrap)?;
    let nodes: BTreeMap<NodeId, NodePort> = cluster
        .ports
        .nodes()
        .map(|(id, port)| Ok((id, bind(port, Route::Node(id))?)))
        .collect::<Result<_, StartError>>()?;
    let ports = PortMap::new(cluster.ports.advertised_host(), bootstrap, nodes)
        .map_err(|taken| StartError::Other(format!("{taken:?}")))?;
    Ok((ports, sockets))
}

fn listen(
    address: SocketAddr,
    purpose: impl FnOnce() -> String,
) -> Result<TcpListener, StartError> {
    let bind = || {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM.nonblocking(),
            Some(Protocol::TCP),
        )?;
        // A restart must not wait for the last run's connections to time out.
        socket.set_reuse_address(true)?;
        if address.is_ipv6() && address.ip().is_unspecified() {
            // "::" means both families, whatever the system's default is.
            socket.set_only_v6(false)?;
        }
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into())
    };
    bind().map_err(|error| StartError::Bind {
        address,
        purpose: purpose(),
        error,
    })
}

/// What all clusters share.
struct ForClusters {
    metrics: Arc<Metrics>,
    faults: Arc<Faults>,
    own: Arc<OwnConnections>,
}

fn start_cluster(
    config: &Config,
    cluster: &VirtualCluster,
    ports: PortMap,
    shared: &ForClusters,
) -> Result<Cluster, StartError> {
    let routes: Vec<Route> = std::iter::once(Route::Bootstrap)
        .chain(ports.nodes().map(|(id, _)| Route::Node(id)))
        .collect();
    let metrics = shared.metrics.cluster(&cluster.name, &routes);
    let metrics = metrics.map_err(other)?;
    let own = shared.own.clone();
    Ok(Cluster {
        name: cluster.name.clone(),
        ports,
        nodes: cluster.nodes.clone(),
        policy: Policy {
            forward_unknown: cluster.unknown_apis == UnknownApis::Forward,
            cap_fetch: cluster.fetch_endpoints == FetchEndpoints::Cap,
        },
        limits: config.limits,
        timeouts: config.timeouts,
        upstream: Upstream::new(cluster, &config.timeouts, own, metrics.clone()),
        metrics,
        faults: shared.faults.clone(),
    })
}

/// Accepts for ever. An error of one connection is skipped; one of the process is waited out. The listener is never given up.
async fn accept_loop(
    listener: Listener,
    pool: PoolHandle,
    limit: ConnectionLimit,
    metrics: Arc<Metrics>,
) {
    let Listener {
        socket,
        route,
        cluster,
    } = listener;
    loop {
        match socket.accept().await {
            Ok((stream, client)) => pool.assign(Job {
                // Where no more can be served this one waits here, and further ones in the kernel's backlog.
                permit: permit(&limit, &cluster, route).await,
                stream: stream.into_std(),
                client,
                route,
                cluster: cluster.clone(),
            }),
            Err(error) if is_connections_own(&error) => {}
            Err(error) => {
                metrics.accept_error();
                let key = (cluster.name.clone(), "accept", route);
                if let Some(repeats) = cluster.faults.admit(key) {
                    error!(%error, repeats, "cannot accept connections; will try again (raise the limit of open files if it is that)");
                }
                tokio::time::sleep(ACCEPT_BACK_OFF).await;
            }
        }
    }
}

async fn permit(limit: &ConnectionLimit, cluster: &Cluster, route: Route) -> Permit {
    if let Some(permit) = limit.try_acquire() {
        return permit;
    }
    let key = (cluster.name.clone(), "connection_limit", route);
    if let Some(repeats) = cluster.faults.admit(key) {
        let cluster = cluster.name.as_str();
        let connections = limit.most();
        warn!(cluster, %route, connections, repeats, "as many connections are open as there may be: new ones wait; raise limits.connections, or the limit of open files where it follows that");
    }
    limit.acquire().await
}

fn is_connections_own(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// An accepted connection on its way to a worker thread.
struct Job {
    stream: io::Result<std::net::TcpStream>,
    client: SocketAddr,
    route: Route,
    cluster: Arc<Cluster>,
    permit: Permit,
}

enum Order {
    Serve(Job),
    Phase(Phase),
}

struct Pool {
    members: Vec<Member>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Clone)]
struct Member {
    orders: UnboundedSender<Order>,
    sessions: Arc<AtomicUsize>,
}

#[derive(Clone)]
struct PoolHandle(Arc<[Member]>);

impl PoolHandle {
    fn assign(&self, job: Job) {
        let Some(member) = self
            .0
            .iter()
            .min_by_key(|m| m.sessions.load(Ordering::Relaxed))
        else {
            return;
        };
        member.sessions.fetch_add(1, Ordering::Relaxed);
        if member.orders.send(Order::Serve(job)).is_err() {
            member.sessions.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Pool {
    fn start(threads: usize, config: &Config) -> Result<Self, StartError> {
        let mut pool = Pool {
            members: Vec::new(),
            threads: Vec::new(),
        };
        for n in 0..threads {
            let (orders, inbox) = unbounded_channel();
            let sessions = Arc::new(AtomicUsize::new(0));
            let member = Member {
                orders,
                sessions: sessions.clone(),
            };
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(other)?;
            let dns = config.dns.clone();
            let (started, start) = std::sync::mpsc::channel();
            let body = move || {
                let local = LocalSet::new();
                local.block_on(&runtime, async {
                    match Resolver::new(&dns) {
                        Ok(resolver) => {
                            let _ = started.send(Ok(()));
                            work(resolver, inbox, sessions).await;
                        }
                        Err(error) => {
                            let _ = started.send(Err(error.to_string()));
                        }
                    }
                });
            };
            let thread = std::thread::Builder::new()
                .name(format!("worker-{n}"))
                .spawn(body)
                .map_err(other)?;
            match start.recv() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(StartError::Other(error)),
                Err(gone) => return Err(other(gone)),
            }
            pool.members.push(member);
            pool.threads.push(thread);
        }
        Ok(pool)
    }

    fn handle(&self) -> PoolHandle {
        PoolHandle(self.members.clone().into())
    }

    fn sessions(&self) -> usize {
        self.members
            .iter()
            .map(|m| m.sessions.load(Ordering::Relaxed))
            .sum()
    }

    /// Ends every session: those with nothing in flight now, the others when they are answered or the grace is over.
    async fn drain(self, grace: Duration) {
        let tell = |phase| {
            for member in &self.members {
                // A thread that has ended needs no orders.
                let _ = member.orders.send(Order::Phase(phase));
            }
        };
        tell(Phase::Draining);
        let deadline = tokio::time::Instant::now() + grace;
        while self.sessions() > 0 && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let left = self.sessions();
        if left > 0 {
            warn!(
                connections = left,
                "drain.grace is over: cutting the remaining connections"
            );
            tell(Phase::Cut);
            let deadline = tokio::time::Instant::now() + Duration::from_secs(1);
            while self.sessions() > 0 && tokio::time::Instant::now() < deadline {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        drop(self.members);
        for thread in self.threads {
            // A worker that panicked has said so already.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

/// One worker thread: serves the connections that it is given until the last sender is gone.
async fn work(resolver: Resolver, mut inbox: UnboundedReceiver<Order>, sessions: Arc<AtomicUsize>) {
    let worker = Rc::new(Worker {
        resolver,
        phase: std::cell::Cell::new(Phase::Serving),
        changed: tokio::sync::Notify::new(),
    });
    while let Some(order) = inbox.recv().await {
        match order {
            Order::Phase(phase) => {
                worker.phase.set(phase);
                worker.changed.notify_waiters();
            }
            Order::Serve(job) => {
                let done = Done(sessions.clone(), job.permit);
                let socket = match job.stream.and_then(TcpStream::from_std) {
                    Ok(socket) => socket,
                    Err(error) => {
                        warn!(%error, "a connection was lost on its way to its thread");
                        continue;
                    }
                };
                let accepted = Accepted {
                    socket,
                    client: job.client,
                    route: job.route,
                    cluster: job.cluster,
                };
                let worker = worker.clone();
                tokio::task::spawn_local(async move {
                    let _done = done;
                    serve(accepted, worker).await;
                });
            }
        }
    }
}

/// Counts a session down when it is over, however that comes about, and gives its permit back.
struct Done(
    Arc<AtomicUsize>,
    #[expect(dead_code, reason = "held for its drop")] Permit,
);

impl Drop for Done {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
