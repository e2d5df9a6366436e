//! Binds the listening sockets: one of each port on as many worker threads as there are file descriptors for.
//!
//! Sockets of one port need SO_REUSEPORT, by which the kernel spreads connections over them. It would also let a second
//! Portolan of the same user take half of our connections instead of being refused the port. So the first socket of each
//! port is bound and listens without it, which fails where anybody else has the port; only then it gets the option, for
//! Linux compares what the sockets have at the time when another is bound.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::StartError;
use crate::transport::stream::tune;

/// Connections that the kernel completes before they are accepted.
pub(super) const BACKLOG: i32 = 1024;

/// Whether an accepted socket has the options of the listening one, as far as [`tune`] sets them.
pub(super) const INHERITS: bool = cfg!(target_os = "linux");

/// Whether the kernel spreads connections over the sockets of a port. Elsewhere than on Linux the last one gets all.
pub(super) const SPREADS: bool = cfg!(target_os = "linux");

/// A port that is ours alone.
#[derive(Debug)]
pub(super) struct Port {
    /// Where it is; port 0 has become a port.
    pub(super) address: SocketAddr,
    /// All listen on it; at least one.
    pub(super) sockets: Vec<TcpListener>,
}

/// Binds `count` sockets to one address, at least one. What they accept has these keepalive probes and no Nagle delay.
/// `purpose` is for the error.
pub(super) fn listen(
    address: SocketAddr,
    count: usize,
    keepalive: Option<Duration>,
    purpose: impl FnOnce() -> String,
) -> Result<Port, StartError> {
    bind_all(address, count, keepalive).map_err(|error| StartError::Bind {
        address,
        purpose: purpose(),
        error,
    })
}

fn bind_all(address: SocketAddr, count: usize, keepalive: Option<Duration>) -> io::Result<Port> {
    let first = bind(address, false)?;
    // Here, and not on each accepted socket: that would be four system calls a connection.
    tune(&first, keepalive)?;
    first.listen(BACKLOG)?;
    if count > 1 {
        first.set_reuse_port(true)?;
    }
    let first = TcpListener::from(first);
    let address = first.local_addr()?;
    let mut sockets = vec![first];
    while sockets.len() < count {
        let further = bind(address, true)?;
        tune(&further, keepalive)?;
        further.listen(BACKLOG)?;
        sockets.push(further.into());
    }
    Ok(Port { address, sockets })
}

fn bind(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    // A restart must not wait for the last run's connections to time out.
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() && address.ip().is_unspecified() {
        // "::" means both families, whatever the system's default is.
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, TcpStream};

    use super::*;

    const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

    fn kind(outcome: io::Result<Port>) -> io::ErrorKind {
        outcome.expect_err("the port is taken").kind()
    }

    #[test]
    fn nobody_else_gets_a_port_that_is_taken_however_many_sockets_it_has() {
        for count in [1, 2, 4] {
            let Port { address, sockets } = bind_all(ANY_PORT, count, None).unwrap();
            assert_eq!(sockets.len(), count);
            for socket in &sockets {
                assert_eq!(socket.local_addr().unwrap(), address);
            }
            for other in [1, 2, 4] {
                assert_eq!(
                    kind(bind_all(address, other, None)),
                    io::ErrorKind::AddrInUse
                );
            }
            let everywhere = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port());
            assert_eq!(
                kind(bind_all(everywhere, 2, None)),
                io::ErrorKind::AddrInUse
            );
            let everywhere = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), address.port());
            assert_eq!(
                kind(bind_all(everywhere, 2, None)),
                io::ErrorKind::AddrInUse
            );
        }
    }

    #[test]
    fn of_two_that_bind_at_the_same_time_one_is_refused() {
        // Both are bound before either listens, which SO_REUSEADDR allows.
        let one = bind(ANY_PORT, false).unwrap();
        let address = one.local_addr().unwrap().as_socket().unwrap();
        let other = bind(address, false).unwrap();
        one.listen(BACKLOG).unwrap();
        one.set_reuse_port(true).unwrap();
        let refused = other.listen(BACKLOG).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn accepted_sockets_send_at_once_and_probe_a_silent_peer() {
        let interval = Duration::from_secs(77);
        for keepalive in [None, Some(interval)] {
            let Port { address, sockets } = bind_all(ANY_PORT, 2, keepalive).unwrap();
            let mut seen = [false; 2];
            while seen.contains(&false) {
                let _client = TcpStream::connect(address).unwrap();
                for (socket, seen) in sockets.iter().zip(&mut seen) {
                    let Ok((accepted, _)) = socket.accept() else {
                        continue;
                    };
                    *seen = true;
                    let options = socket2::SockRef::from(&accepted);
                    assert!(options.tcp_nodelay().unwrap());
                    assert_eq!(options.keepalive().unwrap(), keepalive.is_some());
                    if keepalive.is_some() {
                        assert_eq!(options.tcp_keepalive_time().unwrap(), interval);
                        assert_eq!(options.tcp_keepalive_interval().unwrap(), interval);
                    }
                }
            }
        }
    }

    #[test]
    fn every_socket_of_a_port_gets_connections() {
        let Port { address, sockets } = bind_all(ANY_PORT, 3, None).unwrap();
        let mut clients = Vec::new();
        let mut accepted = [0; 3];
        // One in three misses a given socket each time: after 300 that all did is out of the question.
        for _ in 0..300 {
            clients.push(TcpStream::connect(address).unwrap());
        }
        for (socket, accepted) in sockets.iter().zip(&mut accepted) {
            while socket.accept().is_ok() {
                *accepted += 1;
            }
        }
        assert_eq!(accepted.iter().sum::<usize>(), 300);
        assert!(accepted.iter().all(|&n| n > 0), "{accepted:?}");
    }
}
