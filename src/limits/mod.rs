//! How many connections may be open at one time, in all and of one client, the file descriptors that it depends on, and
//! how many TLS handshakes may be under way.

mod clients;
mod handshakes;
mod places;

use std::num::NonZeroUsize;
use std::os::fd::RawFd;
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

pub use clients::{ClientLimits, ClientPermit, Clients, Refused};
pub use handshakes::Handshakes;
pub use places::{Place, Places};

use crate::config::Limits;

/// File descriptors that are not connections: standard streams, the main runtime, name look-ups, hosts files, the admin
/// listener.
const RESERVED_FDS: u64 = 64;

/// What the runtime of a worker thread has open: its epoll instance, twice, and what wakes it.
const FDS_PER_THREAD: u64 = 3;

/// The most pipes that pay: of 256 KiB each, more would use up what the kernel lets an unprivileged user have.
const MOST_PIPES: u64 = 128;

/// What is assumed where there is no limit.
const MANY_FDS: u64 = 1_048_576;

/// Permits for client connections: one is the right to have one, and one to its broker.
#[derive(Clone, Debug)]
pub struct ConnectionLimit(Places);

/// The right to have one client connection, and one to its broker.
pub type Permit = Place;

impl ConnectionLimit {
    /// As configured, else as many as there are file descriptors for beside so many ports and worker threads.
    pub fn new(limits: &Limits, ports: usize, threads: usize) -> Self {
        ConnectionLimit(Places::new(most(limits, ports, threads)))
    }

    /// The same from now on. Connections that are too many stay.
    pub fn resize(&self, limits: &Limits, ports: usize, threads: usize) {
        self.0.resize(most(limits, ports, threads));
    }

    /// How many connections there may be.
    pub fn most(&self) -> usize {
        self.0.most()
    }

    /// A permit, if one is free now.
    pub fn try_acquire(&self) -> Option<Permit> {
        self.0.try_take()
    }

    /// Waits until there may be one more.
    pub async fn acquire(&self) -> Permit {
        self.0.take().await
    }
}

fn most(limits: &Limits, ports: usize, threads: usize) -> usize {
    limits
        .connections
        .unwrap_or_else(|| max_connections(ports, threads))
}

/// How many worker threads there are: as configured, else one per core.
pub fn threads(configured: Option<usize>) -> usize {
    configured
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZeroUsize::get))
        .max(1)
}

/// How many connections there are file descriptors for: two each, beside the listening sockets, each with one connection
/// that waits for a permit, the pipes, the worker threads, and a reserve.
pub fn max_connections(ports: usize, threads: usize) -> usize {
    connections_within(max_fds(), ports, threads)
}

fn connections_within(fds: u64, ports: usize, threads: usize) -> usize {
    let listeners = ports as u64 * sockets_within(fds, ports, threads) as u64;
    let pipes = pipes_within(fds);
    let taken = RESERVED_FDS.max(reserve(fds))
        + FDS_PER_THREAD * threads as u64
        + 2 * listeners
        + 2 * pipes;
    (fds.saturating_sub(taken) / 2).max(1) as usize
}

/// On how many of the worker threads each port has a listening socket of its own: on all, unless that would take more than
/// a quarter of the file descriptors; at least on one.
pub fn sockets_per_port(ports: usize, threads: usize) -> usize {
    sockets_within(max_fds(), ports, threads)
}

fn sockets_within(fds: u64, ports: usize, threads: usize) -> usize {
    let room = fds / 4 / (ports as u64).max(1);
    room.clamp(1, (threads as u64).max(1)) as usize
}

/// How many pipes (two file descriptors each) this process may have: few where the limit of open files is small.
pub fn max_pipes() -> usize {
    pipes_within(max_fds()) as usize
}

fn pipes_within(fds: u64) -> u64 {
    MOST_PIPES.min(fds / 16)
}

/// The limit of open file descriptors that is in force.
pub fn max_fds() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(MANY_FDS)
}

/// Whether the process nears its limit of open file descriptors, as told by the number of one that it was just given.
///
/// POSIX gives the lowest number that is free, so all below `fd` are taken: this costs no system call, and no counting of
/// descriptors that others open (resolvers, logs). The converse does not hold, since a low number may just have been given
/// back while all others are taken; what is set aside, an eighth at least, is to outlast that. New connections are to be
/// refused where this says so, which leaves descriptors for the brokers' side of those that are there, for name look-ups
/// and for the admin listener. The limit is read once: call [`raise_fd_limit`] before.
pub fn is_near_fd_limit(fd: RawFd) -> bool {
    static FIRST_NEAR: OnceLock<u64> = OnceLock::new();
    is_from(fd, *FIRST_NEAR.get_or_init(|| first_near(max_fds())))
}

/// The same of the last half of what is set aside: it is for those who look at this process (the admin listener), and not
/// for the brokers of clients that were let in before.
pub fn is_at_fd_limit(fd: RawFd) -> bool {
    static FIRST_AT: OnceLock<u64> = OnceLock::new();
    is_from(fd, *FIRST_AT.get_or_init(|| first_at(max_fds())))
}

fn is_from(fd: RawFd, first: u64) -> bool {
    u64::try_from(fd).is_ok_and(|fd| fd >= first)
}

fn first_near(fds: u64) -> u64 {
    fds - reserve(fds)
}

fn first_at(fds: u64) -> u64 {
    fds - reserve(fds) / 2
}

/// How many descriptors connections leave free: an eighth, or what is needed at least, which is not to take more than half.
fn reserve(fds: u64) -> u64 {
    RESERVED_FDS.min(fds / 2).max(fds / 8)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_sockets_take_at_most_a_quarter_of_the_descriptors() {
        assert_eq!(sockets_within(20_000, 4, 8), 8);
        assert_eq!(sockets_within(20_000, 1001, 8), 4);
        assert_eq!(sockets_within(20_000, 1001, 2), 2);
        assert_eq!(sockets_within(1024, 1001, 8), 1, "there must be one");
        assert_eq!(sockets_within(1024, 0, 8), 8);
    }

    #[test]
    fn what_is_not_for_connections_is_set_aside() {
        // An eighth in reserve, 3 a thread, 2 for each of 4 sockets, 2 for each of 64 pipes.
        assert_eq!(
            connections_within(1024, 2, 2),
            (1024 - 128 - 6 - 8 - 128) / 2
        );
        assert_eq!(connections_within(60, 2, 2), 1, "there must be one");
    }

    #[test]
    fn as_many_connections_as_there_may_be_are_not_near_the_limit() {
        for fds in [128, 256, 1024, 20_000, 1_048_576] {
            // Of the pipes and listening sockets some may not be there, but of the connections all.
            let open = 2 * connections_within(fds, 2, 2) as u64 + FDS_PER_THREAD * 2;
            assert!(open + 2 * pipes_within(fds) <= first_near(fds), "of {fds}");
        }
    }

    #[test]
    fn the_last_of_the_descriptors_are_near_the_limit() {
        assert_eq!(first_near(1024), 1024 - 128);
        assert_eq!(first_near(256), 256 - 64, "at least the reserve");
        assert_eq!(first_near(64), 32, "at most half");
        assert_eq!(first_at(1024), 1024 - 64);
        let at = first_at(max_fds()) as RawFd;
        assert!(is_at_fd_limit(at) && is_near_fd_limit(at - 1) && !is_at_fd_limit(at - 1));
        let first = first_near(max_fds()) as RawFd;
        assert!(is_near_fd_limit(first) && is_near_fd_limit(RawFd::MAX));
        assert!(!is_near_fd_limit(first - 1) && !is_near_fd_limit(-1));
    }

    #[test]
    fn pipes_are_few_where_descriptors_are_few() {
        assert_eq!(pipes_within(1_048_576), 128);
        assert_eq!(pipes_within(1024), 64);
        assert_eq!(pipes_within(64), 4);
    }

    #[test]
    fn there_is_a_thread_at_least() {
        assert!(threads(None) >= 1);
        assert_eq!(threads(Some(3)), 3);
    }
}
