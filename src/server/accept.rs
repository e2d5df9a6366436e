//! The accept loop of one listening socket, on the worker thread that serves what it accepts.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tracing::{error, warn};

use super::listen::BACKLOG;
use super::worker::{Arrival, Thread};
use crate::limits::{ConnectionLimit, Permit};
use crate::port_map::Route;
use crate::session::Cluster;

/// How long to wait after an accept error that is the process's (no file descriptors left) and not the connection's.
const ACCEPT_BACK_OFF: Duration = Duration::from_millis(100);

/// Connections that are accepted in a row before the sessions of the thread have their turn.
const BURST: usize = 16;

/// A listening socket, and where its port leads.
#[derive(Debug)]
pub(super) struct Listener<S = std::net::TcpListener> {
    pub(super) socket: S,
    pub(super) route: Route,
    pub(super) cluster: Arc<Cluster>,
}

impl Listener {
    /// Makes the socket known to the runtime of this thread.
    pub(super) fn register(self) -> io::Result<Listener<TcpListener>> {
        Ok(Listener {
            socket: TcpListener::from_std(self.socket)?,
            route: self.route,
            cluster: self.cluster,
        })
    }
}

impl<S> Listener<S> {
    fn arrival(&self, client: SocketAddr, permit: Permit) -> Arrival {
        Arrival {
            client,
            route: self.route,
            cluster: self.cluster.clone(),
            permit,
        }
    }
}

/// Accepts until the thread is told to stop, and then what the kernel has completed by then: closing the socket would reset
/// it. The socket is never given up before that.
pub(super) async fn accept_loop(listener: Listener<TcpListener>, thread: Rc<Thread>) {
    let mut stopping = thread.stopping.subscribe();
    tokio::select! {
        biased;
        // The sender is the thread's, so it is still there.
        _ = stopping.wait_for(|stopping| *stopping) => {}
        () = accept_for_ever(&listener, &thread) => {}
    }
    // One that waited for a permit was dropped with the loop.
    let Listener {
        socket,
        route,
        cluster,
    } = listener;
    if let Ok(socket) = socket.into_std() {
        let listener = Listener {
            socket,
            route,
            cluster,
        };
        take_queued(&listener, &thread);
    }
}

/// An error of one connection is skipped; one of the process is waited out.
async fn accept_for_ever(listener: &Listener<TcpListener>, thread: &Thread) {
    let (cluster, route) = (&listener.cluster, listener.route);
    loop {
        for _ in 0..BURST {
            match listener.socket.accept().await {
                Ok((stream, client)) => {
                    // Where no more can be served this one waits here, and further ones in the kernel's backlog.
                    let permit = permit(&thread.limit, cluster, route).await;
                    thread.place(stream, listener.arrival(client, permit));
                }
                Err(error) if is_connections_own(&error) => {}
                Err(error) => {
                    thread.metrics.accept_error();
                    let key = (cluster.name.clone(), "accept", route.into());
                    if let Some(repeats) = cluster.faults.admit(key) {
                        error!(%error, repeats, "cannot accept connections; will try again (raise the limit of open files if it is that)");
                    }
                    tokio::time::sleep(ACCEPT_BACK_OFF).await;
                }
            }
        }
        tokio::task::yield_now().await;
    }
}

/// Serves what is in the kernel's queue, at most as many as it held when full. What there is no place for ends here.
fn take_queued(listener: &Listener, thread: &Thread) {
    for _ in 0..=BACKLOG {
        match listener.socket.accept() {
            Ok((stream, client)) => {
                if let Some(permit) = thread.limit.try_acquire()
                    && stream.set_nonblocking(true).is_ok()
                {
                    let arrival = listener.arrival(client, permit);
                    thread.serve_std(stream, arrival, thread.count_one());
                }
            }
            Err(error) if is_connections_own(&error) => {}
            Err(_) => return,
        }
    }
}

async fn permit(limit: &ConnectionLimit, cluster: &Cluster, route: Route) -> Permit {
    if let Some(permit) = limit.try_acquire() {
        return permit;
    }
    let key = (cluster.name.clone(), "connection_limit", route.into());
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
