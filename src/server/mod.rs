//! Binds every port, starts the worker threads that accept and serve, and drains them in the end.
//!
//! N worker threads, each with a runtime of its own, have listening sockets of their own for every port (`listen`): a
//! connection is accepted and served, and its broker dialled, on one thread, and none of its bytes meets another. Only
//! where one thread has more sessions than another is an accepted connection handed over, once and for good (`balance`).
//! Signals, reloads (`reload`), drain and the admin listener are on the main thread, which serves no connections: what reading `/metrics`
//! costs, nobody's requests wait for. A worker that is gone takes its sockets with it, and gets no connections any more.
//!
//! A listening socket needs a file descriptor. Where there are so many ports and threads that they would take more than a
//! quarter of the limit of open files, each port has sockets on some of the threads only, down to one, and the others get
//! their share by hand-over.

mod accept;
mod balance;
mod certificates;
mod changes;
mod clashes;
mod cluster;
mod doors;
mod error;
mod in_force;
mod listen;
mod pool;
mod probes;
mod reload;
mod services;
mod source;
mod watch;
mod worker;

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::sleep;
use tracing::{info, warn};

use accept::Listener;
pub use error::StartError;
use in_force::{InForce, count_ports, sockets_per_port};
use listen::{Port, listen};
use pool::{ForWorkers, Pool};
use probes::Probes;
use reload::Reloader;
pub use source::Source;
use watch::Watch;

use crate::admin::{self, AdminState};
use crate::config::Config;
use crate::lifecycle::{Lifecycle, State};
use crate::limits::{self, ConnectionLimit};
use crate::metrics::Metrics;
use crate::port_map::PortMap;
use crate::protocol::api;
use crate::service;
use crate::session::end::EndReason;
use crate::transport::pipe;

/// A server whose listeners are bound and which serves nobody yet.
#[derive(Debug)]
pub struct Server {
    in_force: InForce,
    /// For each worker thread.
    listeners: Vec<Vec<Listener>>,
    admin: Option<TcpListener>,
    metrics: Arc<Metrics>,
    life: Lifecycle,
    watch: Watch,
    source: Source,
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
        warn_of_too_many_connections(&config);
        // What is watched must be looked at before it is read.
        let watch = Watch::of(&config);
        let mut in_force = InForce::nothing(metrics.clone(), config.clone(), threads);
        let files = in_force::load(&config, &in_force.previous())?;
        let admin = config.admin;
        tell_of_few_sockets(count_ports(&config), threads);
        let next = in_force.prepare(config, files)?;
        let admin = match admin {
            None => None,
            Some(address) => {
                let Port { address, sockets } = listen(address, 1, None, || "admin.listen".into())?;
                info!(%address, "admin listening");
                let socket = sockets.into_iter().next().map(TcpListener::from_std);
                socket.transpose().map_err(other)?
            }
        };
        Ok(Server {
            // There is nothing that could close.
            listeners: in_force.put(next).listeners,
            in_force,
            admin,
            metrics,
            life: Lifecycle::default(),
            watch,
            source: Source::default(),
        })
    }

    /// Lets the configuration be read again from here while it serves. Without this only the files that it names are.
    pub fn reload_from(mut self, source: Source) -> Self {
        self.source = source;
        self
    }

    /// The ports of each cluster of port mode as bound and advertised, by name.
    pub fn ports(&self) -> impl Iterator<Item = (String, PortMap)> {
        self.in_force.clusters().values().filter_map(|cluster| {
            let cluster = cluster.load();
            Some((cluster.name.clone(), cluster.ports.clone()?))
        })
    }

    /// Where the admin endpoints are.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref()?.local_addr().ok()
    }

    /// Serves until `shutdown` is ready and `drain.lame_duck` is over, then drains. Returns when all connections have ended or `drain.grace` is over.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), StartError> {
        let threads = self.listeners.len();
        let config = self.in_force.config();
        let limit = ConnectionLimit::new(&config.limits, count_ports(config), threads);
        self.metrics.connections_limited(limit.most());
        let shared = ForWorkers {
            dns: config.dns.clone(),
            limit: limit.clone(),
            metrics: self.metrics.clone(),
        };
        let pool = Pool::start(self.listeners, &shared)?;
        let (stop_admin, admin_stopped) = tokio::sync::oneshot::channel::<()>();
        let admin = self.admin.map(|socket| {
            let state = AdminState::new(
                self.metrics.clone(),
                self.life.clone(),
                self.in_force.board().clone(),
                limit.clone(),
            );
            tokio::spawn(admin::serve(socket, state, async {
                // The sender going away means the same.
                let _ = admin_stopped.await;
            }))
        });
        let enter = |state| {
            self.life.enter(state);
            self.metrics.entered(state);
        };
        enter(State::Serving);
        let version = env!("CARGO_PKG_VERSION");
        // By the names of the configuration: both may be "auto" there.
        info!(
            version,
            runtime.threads = threads,
            limits.connections = limit.most(),
            "ready"
        );
        service::ready();

        let board = self.in_force.board().clone();
        let probes = Probes::start(board, &self.in_force.config().dns)?;
        let mut reloader = Reloader::new(self.in_force, self.watch, self.source, limit);
        let drain = reloader.drain();
        let stopped = async {
            shutdown.await;
            enter(State::LameDuck);
            lame_duck(drain.load().lame_duck, &pool).await;
        };
        // A lame duck learns of new certificates, too.
        tokio::select! {
            () = stopped => {}
            never = reloader.run(&pool, &self.metrics) => match never {},
        }
        drop(probes);
        enter(State::Draining);
        pool.stop_accepting().await;
        pool.drain(drain.load().grace).await;
        let _ = stop_admin.send(());
        if let Some(admin) = admin {
            let _ = admin.await;
        }
        info!("drained");
        Ok(())
    }
}

/// Goes on as before for this long, while load balancers learn that no more clients should come here.
async fn lame_duck(duration: Duration, pool: &Pool) {
    if duration.is_zero() {
        return;
    }
    info!(
        connections = pool.sessions(),
        lame_duck_seconds = duration.as_secs_f64(),
        "lame duck: /lbz answers 503, new connections are still served"
    );
    sleep(duration).await;
}

fn other(error: impl fmt::Display) -> StartError {
    StartError::Other(error.to_string())
}

/// Says on how many threads each port listens, where that is not all of them.
fn tell_of_few_sockets(ports: usize, threads: usize) {
    let per_port = sockets_per_port(ports, threads);
    if per_port < threads && listen::SPREADS {
        info!(
            ports,
            runtime.threads = threads,
            threads_per_port = per_port,
            max_fds = limits::max_fds(),
            "file descriptors are too few for every port to listen on every thread: a port listens on some of them, which hand connections to the others; raise the limit of open files (ulimit -n)"
        );
    }
}

fn warn_of_too_many_connections(config: &Config) {
    let threads = limits::threads(config.runtime.threads);
    let possible = limits::max_connections(count_ports(config), threads);
    if let Some(configured) = config.limits.connections
        && configured > possible
    {
        warn!(
            configured,
            possible,
            "limits.connections is more than the limit of open files has room for: raise that limit (ulimit -n), or lower it"
        );
    }
}
