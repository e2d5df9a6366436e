//! The accept loop of one listening socket, on the worker thread that serves what it accepts.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::TcpListener;
use tracing::{error, warn};

use super::listen::BACKLOG;
use super::worker::{Arrival, Thread};
use crate::limits::{Permit, is_near_fd_limit, max_fds};
use crate::port_map::Door;
use crate::session::{Cluster, LiveCluster};

/// How long to wait after an accept error that is the process's (no file descriptors left) and not the connection's.
const ACCEPT_BACK_OFF: Duration = Duration::from_millis(100);

/// Connections that are accepted in a row before the sessions of the thread have their turn.
const BURST: usize = 16;

/// A listening socket, and where its port leads.
#[derive(Debug)]
pub(super) struct Listener<S = std::net::TcpListener> {
    pub(super) socket: S,
    pub(super) door: Door,
    pub(super) cluster: LiveCluster,
}

impl Listener {
    /// Makes the socket known to the runtime of this thread.
    pub(super) fn register(self) -> io::Result<Listener<TcpListener>> {
        Ok(Listener {
            socket: TcpListener::from_std(self.socket)?,
            door: self.door,
            cluster: self.cluster,
        })
    }
}

impl<S> Listener<S> {
    fn arrival(&self, peer: SocketAddr, permit: Permit) -> Arrival {
        Arrival {
            peer,
            door: self.door,
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
        door,
        cluster,
    } = listener;
    if let Ok(socket) = socket.into_std() {
        let listener = Listener {
            socket,
            door,
            cluster,
        };
        take_queued(&listener, &thread);
    }
}

/// An error of one connection is skipped; one of the process is waited out.
async fn accept_for_ever(listener: &Listener<TcpListener>, thread: &Thread) {
    let door = listener.door;
    loop {
        for _ in 0..BURST {
            match listener.socket.accept().await {
                Ok((stream, peer)) => {
                    if is_near_fd_limit(stream.as_raw_fd()) {
                        refuse(thread, &listener.cluster.load(), door);
                        continue;
                    }
                    // Where no more can be served this one waits here, and further ones in the kernel's backlog.
                    let permit = permit(thread, listener).await;
                    thread.place(stream, listener.arrival(peer, permit));
                }
                Err(error) if is_connections_own(&error) => {}
                Err(error) => {
                    thread.metrics.accept_error();
                    let cluster = listener.cluster.load();
                    let key = (cluster.name.clone(), "accept", door);
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
            Ok((stream, peer)) => {
                if let Some(permit) = thread.limit.try_acquire()
                    && stream.set_nonblocking(true).is_ok()
                {
                    let arrival = listener.arrival(peer, permit);
                    thread.serve_std(stream, arrival, thread.count_one());
                }
            }
            Err(error) if is_connections_own(&error) => {}
            Err(_) => return,
        }
    }
}

/// Closes a connection at once, so that what is left of the file descriptors is there for brokers, names and probes.
fn refuse(thread: &Thread, cluster: &Cluster, door: Door) {
    thread.metrics.limit_met("open_files");
    let key = (cluster.name.clone(), "open_files", door);
    if let Some(repeats) = cluster.faults.admit(key) {
        let cluster = cluster.name.as_str();
        let max_fds = max_fds();
        warn!(cluster, route = %door, max_fds, repeats, "almost as many files are open as there may be: new connections are closed; raise the limit of open files (ulimit -n), or lower limits.connections");
    }
}

async fn permit(thread: &Thread, listener: &Listener<TcpListener>) -> Permit {
    let limit = &thread.limit;
    if let Some(permit) = limit.try_acquire() {
        return permit;
    }
    thread.metrics.limit_met("connections");
    {
        let cluster = listener.cluster.load();
        let door = listener.door;
        let key = (cluster.name.clone(), "connection_limit", door);
        if let Some(repeats) = cluster.faults.admit(key) {
            let cluster = cluster.name.as_str();
            let connections = limit.most();
            warn!(cluster, route = %door, connections, repeats, "as many connections are open as there may be: new ones wait; raise limits.connections, or where it is \"auto\" the limit of open files (ulimit -n)");
        }
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
