//! Binds every listener, accepts, hands connections to worker threads, and drains them in the end.
//!
//! One thread accepts; N threads serve, each with a runtime of its own, so that a connection and its upstream live and
//! die on one thread. A connection goes to the thread with the fewest.

mod accept;
mod error;
mod pool;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tracing::{info, warn};

use accept::accept_loop;
pub use error::StartError;
use pool::Pool;

use crate::admin::{self, AdminState};
use crate::config::{Config, FetchEndpoints, UnknownApis, VirtualCluster};
use crate::limits::{ConnectionLimit, max_pipes};
use crate::metrics::Metrics;
use crate::port_map::{NodeId, NodePort, PortMap, Route};
use crate::protocol::api::{self, Policy};
use crate::session::Cluster;
use crate::session::end::EndReason;
use crate::session::faults::Faults;
use crate::transport::pipe;
use crate::upstream::Upstream;
use crate::upstream::own::OwnConnections;

/// Connections that the kernel completes before they are accepted.
const BACKLOG: i32 = 1024;

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

impl Server {
    /// Binds every port of every cluster and of the admin listener; all or none.
    pub async fn bind(config: Config) -> Result<Self, StartError> {
        if config.runtime.splice
            && let Err(error) = pipe::start(max_pipes())
        {
            warn!(%error, "splice(2) does not work here, so every byte is copied; set runtime.splice = false if that is as it should be");
        }
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
        let version = env!("CARGO_PKG_VERSION");
        // By the names of the configuration: both may be "auto" there.
        info!(
            version,
            runtime.threads = threads,
            limits.connections = limit.most(),
            "ready"
        );

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
