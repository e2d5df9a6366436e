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
mod cluster;
mod error;
mod listen;
mod pool;
mod worker;

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tracing::{info, warn};

use accept::Listener;
use cluster::{Bound, Files, ForClusters};
pub use error::StartError;
use listen::{Port, listen};
use pool::{ForWorkers, Pool};

use crate::admin::{self, AdminState};
use crate::config::{Config, VirtualCluster};
use crate::limits::{self, ConnectionLimit};
use crate::metrics::Metrics;
use crate::port_map::PortMap;
use crate::protocol::api;
use crate::session::LiveCluster;
use crate::session::end::EndReason;
use crate::transport::pipe;

/// A server whose listeners are bound and which serves nobody yet.
#[derive(Debug)]
pub struct Server {
    config: Config,
    ports: usize,
    /// For each worker thread.
    listeners: Vec<Vec<Listener>>,
    clusters: Vec<LiveCluster>,
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
        let shared = ForClusters::new(metrics.clone(), &config.limits);
        let files = config.clusters.values().map(|c| Files::load(c, None));
        let files: Vec<Files> = files.collect::<Result<_, _>>()?;
        let ports = config
            .clusters
            .values()
            .map(VirtualCluster::count_ports)
            .sum();
        let per_port = sockets_per_port(ports, threads);
        let mut listeners: Vec<Vec<Listener>> = (0..threads).map(|_| Vec::new()).collect();
        let mut clusters = Vec::new();
        let mut bound = 0;
        for (cluster, files) in config.clusters.values().zip(files) {
            let name = cluster.name.as_str();
            let (doors, open) = Bound::bind(cluster, per_port, config.timeouts.keepalive)?;
            let cluster = shared.make(&config, cluster, doors, files, None)?;
            let cluster = LiveCluster::new(ArcSwap::from_pointee(cluster));
            for (door, Port { address, sockets }) in open {
                info!(cluster = name, route = %door, %address, "listening");
                for (n, socket) in sockets.into_iter().enumerate() {
                    // Where there are fewer than threads each thread gets its share of them.
                    listeners[(bound + n) % threads].push(Listener {
                        socket,
                        door,
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

    /// The ports of each cluster of port mode as bound and advertised, by name.
    pub fn ports(&self) -> impl Iterator<Item = (String, PortMap)> {
        self.clusters.iter().filter_map(|cluster| {
            let cluster = cluster.load();
            Some((cluster.name.clone(), cluster.ports.clone()?))
        })
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
