//! The accept loop of one listening socket, on the worker thread that serves what it accepts.

use std::io;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::doors::Lead;
use super::listen::BACKLOG;
use super::worker::Thread;
use crate::limits::{Permit, is_near_fd_limit, max_fds};
use crate::port_map::Door;
use crate::session::Cluster;
use crate::transport::stream::tune;

/// How long to wait after an accept error that is the process's (no file descriptors left) and not the connection's.
const ACCEPT_BACK_OFF: Duration = Duration::from_millis(100);

/// Connections that are accepted in a row before the sessions of the thread have their turn.
const BURST: usize = 16;

/// A listening socket, and where its port leads.
#[derive(Debug)]
pub(super) struct Listener<S = std::net::TcpListener> {
    pub(super) socket: S,
    pub(super) lead: watch::Receiver<Lead>,
    /// The probes that the socket was made with.
    pub(super) keepalive: Option<Duration>,
}

impl Listener {
    /// Makes the socket known to the runtime of this thread.
    pub(super) fn register(self) -> io::Result<Listener<TcpListener>> {
        Ok(Listener {
            socket: TcpListener::from_std(self.socket)?,
            lead: self.lead,
            keepalive: self.keepalive,
        })
    }
}

/// Accepts until the port closes or the thread is told to stop, and then what the kernel has completed by then: closing the
/// socket would reset it. The socket is never given up before that.
pub(super) async fn accept_loop(mut listener: Listener<TcpListener>, thread: Rc<Thread>) {
    let mut stopping = thread.stopping.subscribe();
    let mut closing = listener.lead.clone();
    tokio::select! {
        biased;
        // The sender is the thread's, so it is still there.
        _ = stopping.wait_for(|stopping| *stopping) => {}
        _ = closing.wait_for(|lead| !lead.open) => {}
        () = accept_for_ever(&mut listener, &thread) => {}
    }
    // One that waited for a permit was dropped with the loop.
    if let Ok(socket) = listener.socket.into_std() {
        take_queued(&socket, &closing.borrow().clone(), &thread);
    }
}

/// An error of one connection is skipped; one of the process is waited out.
async fn accept_for_ever(listener: &mut Listener<TcpListener>, thread: &Thread) {
    loop {
        for _ in 0..BURST {
            match listener.socket.accept().await {
                Ok((stream, peer)) => {
                    let lead = listener.lead.borrow().clone();
                    let cluster = lead.cluster.load();
                    if is_near_fd_limit(stream.as_raw_fd()) {
                        refuse(thread, &cluster, lead.door);
                        continue;
                    }
                    let keepalive = cluster.timeouts.keepalive;
                    if keepalive != listener.keepalive {
                        probe(&listener.socket, &stream, keepalive);
                        listener.keepalive = keepalive;
                    }
                    drop(cluster);
                    // Where no more can be served this one waits here, and further ones in the kernel's backlog.
                    let permit = permit(thread, &lead).await;
                    thread.place(stream, lead.arrival(peer, permit));
                }
                Err(error) if is_connections_own(&error) => {}
                Err(error) => {
                    thread.metrics.accept_error();
                    let lead = listener.lead.borrow().clone();
                    let cluster = lead.cluster.load();
                    let key = (cluster.name.clone(), NO_ACCEPT, lead.door);
                    if let Some(repeats) = cluster.faults.admit(key) {
                        let (cluster, route) = (cluster.name.as_str(), lead.door);
                        error!(cluster, %route, %error, repeats, "cannot accept connections; will try again (raise the limit of open files if it is that)");
                    }
                    tokio::time::sleep(ACCEPT_BACK_OFF).await;
                }
            }
        }
        tokio::task::yield_now().await;
    }
}

/// Serves what is in the kernel's queue, at most as many as it held when full. What there is no place for ends here.
fn take_queued(socket: &std::net::TcpListener, lead: &Lead, thread: &Thread) {
    for _ in 0..=BACKLOG {
        match socket.accept() {
            Ok((stream, peer)) => {
                if let Some(permit) = thread.limit.try_acquire()
                    && stream.set_nonblocking(true).is_ok()
                {
                    let arrival = lead.arrival(peer, permit);
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
    let key = (cluster.name.clone(), NO_FILES, door);
    if let Some(repeats) = cluster.faults.admit(key) {
        let cluster = cluster.name.as_str();
        let max_fds = max_fds();
        warn!(cluster, route = %door, max_fds, repeats, "almost as many files are open as there may be: new connections are closed; raise the limit of open files (ulimit -n), or lower limits.connections");
    }
}

/// Lets what this socket accepts have other probes from now on, as a reload wants it, and what it has accepted just now.
fn probe(socket: &TcpListener, stream: &TcpStream, keepalive: Option<Duration>) {
    // What fails on a socket that is there fails for one that is gone already.
    let _ = tune(socket, keepalive);
    let _ = tune(stream, keepalive);
    if keepalive.is_none() {
        let _ = SockRef::from(socket).set_keepalive(false);
        let _ = SockRef::from(stream).set_keepalive(false);
    }
}

async fn permit(thread: &Thread, lead: &Lead) -> Permit {
    let limit = &thread.limit;
    if let Some(permit) = limit.try_acquire() {
        tell_end(&lead.cluster.load(), lead.door);
        return permit;
    }
    thread.metrics.limit_met("connections");
    {
        let cluster = lead.cluster.load();
        let door = lead.door;
        let key = (cluster.name.clone(), NO_PERMIT, door);
        if let Some(repeats) = cluster.faults.admit(key) {
            let cluster = cluster.name.as_str();
            let connections = limit.most();
            warn!(cluster, route = %door, connections, repeats, "as many connections are open as there may be: new ones wait; raise limits.connections, or where it is \"auto\" the limit of open files (ulimit -n)");
        }
    }
    limit.acquire().await
}

/// What keeps connections from being served, for [`Cluster::faults`].
const WAYS: [&str; 3] = [NO_ACCEPT, NO_FILES, NO_PERMIT];
const NO_ACCEPT: &str = "accept";
const NO_FILES: &str = "open_files";
const NO_PERMIT: &str = "connection_limit";

/// One was served at once: says so if it was told that none were.
fn tell_end(cluster: &Cluster, door: Door) {
    if cluster.faults.are_over(&cluster.name, &WAYS, door) {
        let cluster = cluster.name.as_str();
        info!(cluster, route = %door, "new connections are served again");
    }
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
