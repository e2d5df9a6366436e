//! The accept loop of one listener.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tracing::{error, warn};

use super::Listener;
use super::pool::{Job, PoolHandle};
use crate::limits::{ConnectionLimit, Permit};
use crate::metrics::Metrics;
use crate::port_map::Route;
use crate::session::Cluster;

/// How long to wait after an accept error that is the process's (no file descriptors left) and not the connection's.
const ACCEPT_BACK_OFF: Duration = Duration::from_millis(100);

/// Accepts for ever. An error of one connection is skipped; one of the process is waited out. The listener is never given up.
pub(super) async fn accept_loop(
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
        warn!(cluster, %route, connections, repeats, "as many connections are open as there may be: new ones wait; raise limits.connections, or where it is \"auto\" the limit of open files (ulimit -n)");
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
