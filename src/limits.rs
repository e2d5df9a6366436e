//! How many connections may be open at one time, and the file descriptors that it depends on.

use std::sync::Arc;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Limits;

/// File descriptors that are not connections: standard streams, runtimes, name look-ups, hosts files.
const RESERVED_FDS: u64 = 64;

/// Half of the pages that an unprivileged user may have in pipes of 256 KiB (`fs.pipe-user-pages-soft`).
const MOST_PIPES: usize = 128;

/// What is assumed where there is no limit.
const MANY_FDS: u64 = 1_048_576;

/// Permits for client connections.
#[derive(Clone, Debug)]
pub struct ConnectionLimit {
    permits: Arc<Semaphore>,
    most: usize,
}

/// The right to have one client connection, and one to its broker.
#[derive(Debug)]
pub struct Permit(#[expect(dead_code, reason = "held for its drop")] Option<OwnedSemaphorePermit>);

impl ConnectionLimit {
    /// As configured, else as many as there are file descriptors for.
    pub fn new(limits: &Limits, listeners: usize) -> Self {
        let most = limits
            .connections
            .unwrap_or_else(|| max_connections(listeners));
        ConnectionLimit {
            permits: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
            most,
        }
    }

    /// How many connections there may be.
    pub fn most(&self) -> usize {
        self.most
    }

    /// A permit, if one is free now.
    pub fn try_acquire(&self) -> Option<Permit> {
        let permit = self.permits.clone().try_acquire_owned().ok()?;
        Some(Permit(Some(permit)))
    }

    /// Waits until there may be one more.
    pub async fn acquire(&self) -> Permit {
        // The semaphore is never closed, so there always is a permit in the end.
        Permit(self.permits.clone().acquire_owned().await.ok())
    }
}

/// How many connections there are file descriptors for: two each, beside the listeners, each with one connection that
/// waits for a permit, and a reserve.
pub fn max_connections(listeners: usize) -> usize {
    let taken = RESERVED_FDS + 2 * listeners as u64;
    (max_fds().saturating_sub(taken) / 2).max(1) as usize
}

/// How many pipes may move bytes from socket to socket: two file descriptors each.
pub fn max_pipes() -> usize {
    MOST_PIPES.min((max_fds() / 16) as usize)
}

/// The limit of open file descriptors that is in force.
pub fn max_fds() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(MANY_FDS)
}

/// Raises the limit of open file descriptors as far as the system lets us, since the default of many systems (1024) is too
/// low for a proxy. Returns the limit then in force.
pub fn raise_fd_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // If it is refused the old limit stays, which `max_fds` then says.
    let _ = setrlimit(Resource::Nofile, raised);
    max_fds()
}
