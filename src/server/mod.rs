//! Binds every port, starts the worker threads that accept and serve, and drains them in the end.
//!
//! N worker threads, each with a runtime of its own, have listening sockets of their own for every port (`listen`): a
//! connection is accepted and served, and its broker dialled, on one thread, and none of its bytes meets another. Only
//! where one thread has more sessions than another is an accepted connection handed over, once and for good (`balance`).
//! Signals, drain and the admin listener are on the main thread, which serves no connections: what reading `/metrics`
//! costs, nobody's requests wait for. A worker that is gone takes its sockets with it, and gets no connections any more.
//!
//! A listening socket needs a file descriptor. Where there are so many ports and threads that they would take more than a
//! quarter of the limit of open files, each port has sockets on some of the threads only, down to one, and the others get
//! their share by hand-over.

mod accept;
mod balance;
mod error;
mod listen;
mod pool;
mod worker;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tracing::{info, warn};

use accept::Listener;
pub use error::StartError;
use listen::{Port, listen};
use pool::{ForWorkers, Pool};

use crate::admin::{self, AdminState};
use crate::config::{Config, FetchEndpoints, UnknownApis, VirtualCluster};
use crate::limits::{self, ConnectionLimit};
use crate::metrics::Metrics;
use crate::port_map::{NodeId, NodePort, PortMap, Route};
use crate::protocol::api::{self, Policy};
use crate::session::Cluster;
use crate::session::end::EndReason;
use crate::session::faults::Faults;
use crate::transport::pipe;
use crate::upstream::Upstream;
use crate::upstream::own::OwnConnections;

/// A server whose listeners are bound and which serves nobody yet.
#[derive(Debug)]
pub struct Server {
    config: Config,
    ports: usize,
    /// For each worker thread.
    listeners: Vec<Vec<Listener>>,
    clusters: Vec<Arc<Cluster>>,
    admin: Option<TcpListener>,
    metrics: Arc<Metrics>,
    ready: Arc<AtomicBool>,
}

impl Server {
    /// Binds every port of every cluster and of the admin listener; all or none.
    pub async fn bind(config: Config) -> Result<Self, StartError> {
        if config.runtime.splice
            && let Err(error) = pipe::start(limits::max_pipes())
        {
            warn!(%error, "splice(2) does not work here, so every byte is copied; set runtime.splice = false if that is as it should be");
        }
        let end_reasons = EndReason::LABELS;
        let apis: Vec<_> = api::all().collect();
        let threads = limits::threads(config.runtime.threads);
        let metrics = Metrics::new(&apis, &end_reasons, threads).map_err(other)?;
        let metrics = Arc::new(metrics);
        let shared = ForClusters {
            metrics: metrics.clone(),
            faults: Arc::new(Faults::default()),
            own: Arc::new(OwnConnections::default()),
        };
        let ports = config.clusters.values().map(count_ports).sum();
        let per_port = sockets_per_port(ports, threads);
        let mut listeners: Vec<Vec<Listener>> = (0..threads).map(|_| Vec::new()).collect();
        let mut clusters = Vec::new();
        let mut bound = 0;
        for cluster in config.clusters.values() {
            let (ports, open) = bind_cluster(cluster, per_port, config.timeouts.keepalive)?;
            let cluster = Arc::new(start_cluster(&config, cluster, ports, &shared)?);
            for (route, Port { address, sockets }) in open {
                info!(cluster = cluster.name, %route, %address, "listening");
                for (n, socket) in sockets.into_iter().enumerate() {
                    // Where there are fewer than threads each thread gets its share of them.
                    listeners[(bound + n) % threads].push(Listener {
                        socket,
                        route,
                        cluster: cluster.clone(),
                    });
                }
                bound += 1;
            }
            clusters.push(cluster);
        }
        let admin = match config.admin {
            None => None,
            Some(address) => {
                let Port { address, sockets } = listen(address, 1, None, || "admin.listen".into())?;
                info!(%address, "admin listening");
                let socket = sockets.into_iter().next().map(TcpListener::from_std);
                socket.transpose().map_err(other)?
            }
        };
        Ok(Server {
            config,
            ports,
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
        let threads = self.listeners.len();
        let limit = ConnectionLimit::new(&self.config.limits, self.ports, threads);
        let shared = ForWorkers {
            dns: self.config.dns.clone(),
            limit: limit.clone(),
            metrics: self.metrics.clone(),
        };
        let pool = Pool::start(self.listeners, &shared)?;
        let (stop_admin, admin_stopped) = tokio::sync::oneshot::channel::<()>();
        let admin = self.admin.map(|socket| {
            let state = AdminState::new(self.metrics.clone(), self.ready.clone());
            tokio::spawn(admin::serve(socket, state, async {
                // The sender going away means the same.
                let _ = admin_stopped.await;
            }))
        });
        self.ready.store(true, Ordering::Release);
        let version = env!("CARGO_PKG_VERSION");
        // By the names of the configuration: both may be "auto" there.
        info!(
            version,
            runtime.threads = threads,
            limits.connections = limit.most(),
            "ready"
        );

        shutdown.await;
        pool.stop_accepting().await;
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

fn count_ports(cluster: &VirtualCluster) -> usize {
    1 + cluster.nodes.len()
}

/// On how many threads each port listens; says so where that is not on all of them.
fn sockets_per_port(ports: usize, threads: usize) -> usize {
    if !listen::SPREADS {
        return 1;
    }
    let per_port = limits::sockets_per_port(ports, threads);
    if per_port < threads {
        info!(
            ports,
            runtime.threads = threads,
            threads_per_port = per_port,
            max_fds = limits::max_fds(),
            "file descriptors are too few for every port to listen on every thread: a port listens on some of them, which hand connections to the others; raise the limit of open files (ulimit -n)"
        );
    }
    per_port
}

/// Binds a cluster's ports. Port 0, which tests use, becomes the port that the system chose, also where it is advertised.
fn bind_cluster(
    cluster: &VirtualCluster,
    per_port: usize,
    keepalive: Option<Duration>,
) -> Result<(PortMap, Vec<(Route, Port)>), StartError> {
    let Some(map) = &cluster.ports else {
        return Err(StartError::Other("SNI mode".into()));
    };
    let mut all = Vec::new();
    let mut bind = |port: NodePort, route: Route| -> Result<NodePort, StartError> {
        let address = SocketAddr::new(cluster.listen_address, port.bound);
        let purpose = || format!("cluster {}, {route}", cluster.name);
        let open = listen(address, per_port, keepalive, purpose)?;
        let bound = open.address.port();
        all.push((route, open));
        let advertised = match port.advertised {
            0 => bound,
            advertised => advertised,
        };
        Ok(NodePort { bound, advertised })
    };
    let bootstrap = bind(map.bootstrap(), Route::Bootstrap)?;
    let nodes: BTreeMap<NodeId, NodePort> = map
        .nodes()
        .map(|(id, port)| Ok((id, bind(port, Route::Node(id))?)))
        .collect::<Result<_, StartError>>()?;
    let ports = PortMap::new(map.host_of(Route::Bootstrap), bootstrap, nodes)
        .map_err(|taken| StartError::Other(format!("{taken:?}")))?;
    Ok((ports, all))
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
