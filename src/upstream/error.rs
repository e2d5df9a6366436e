//! Why a broker cannot be reached, in the words of whoever can mend it.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use rustix::io::Errno;

use crate::config::BrokerAddress;
use crate::port_map::NodeId;
use crate::transport::stream::is_one_of;

/// Why a broker cannot be reached.
#[derive(Debug)]
pub enum ConnectError {
    /// Its name has no address.
    Unresolved {
        /// What was looked up.
        address: BrokerAddress,
        /// What the resolver said last.
        why: String,
    },
    /// No address accepted the connection.
    Refused {
        /// What was dialled.
        address: BrokerAddress,
        /// What became of each of its addresses.
        tried: Vec<(SocketAddr, io::Error)>,
    },
    /// No address answered in time.
    TimedOut {
        /// What was dialled.
        address: BrokerAddress,
        /// What became of each of its addresses.
        tried: Vec<(SocketAddr, io::Error)>,
    },
    /// This machine could not open a socket, or had no local port left.
    Local {
        /// What was to be dialled.
        address: BrokerAddress,
        /// The operating system's error.
        error: io::Error,
    },
    /// It was reached, and there is no TLS connection.
    Tls {
        /// What was dialled.
        address: BrokerAddress,
        /// What happened.
        why: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// The node's address is to be learned and the brokers did not tell it.
    CannotLearn {
        /// The node.
        node: NodeId,
        /// What happened.
        why: String,
    },
    /// The cluster has no broker with this id now.
    UnknownNode {
        /// The node.
        node: NodeId,
    },
    /// There is no bootstrap server to ask.
    NoBootstrapServer,
}

impl ConnectError {
    /// Every value of [`ConnectError::reason`].
    pub const REASONS: [&'static str; 7] = [
        "unresolved",
        "refused",
        "timed_out",
        "local",
        "tls",
        "cannot_learn",
        "unknown_node",
    ];

    /// The value of the metric label `reason`.
    pub fn reason(&self) -> &'static str {
        match self {
            ConnectError::Unresolved { .. } | ConnectError::NoBootstrapServer => "unresolved",
            ConnectError::Refused { .. } => "refused",
            ConnectError::TimedOut { .. } => "timed_out",
            ConnectError::Local { .. } => "local",
            ConnectError::Tls { .. } => "tls",
            ConnectError::CannotLearn { .. } => "cannot_learn",
            ConnectError::UnknownNode { .. } => "unknown_node",
        }
    }

    /// From what became of each address of a name.
    pub(super) fn dialled(
        address: &BrokerAddress,
        mut tried: Vec<(SocketAddr, io::Error)>,
    ) -> Self {
        let address = address.clone();
        // Not where it is one of several: connecting to ::1 without IPv6 fails in the same way.
        if tried.iter().all(|(_, error)| is_local(error))
            && let Some((_, error)) = tried.pop()
        {
            return ConnectError::Local { address, error };
        }
        let silent = |(_, error): &(SocketAddr, io::Error)| error.kind() == io::ErrorKind::TimedOut;
        match tried.iter().all(silent) {
            true => ConnectError::TimedOut { address, tried },
            false => ConnectError::Refused { address, tried },
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectError::Unresolved { address, why } => write!(
                f,
                "{address} does not resolve: {why}; check the name, or set dns.servers or dns.hosts_file"
            ),
            ConnectError::Refused { address, tried } => {
                write!(f, "{address} does not accept connections (")?;
                list(f, address, tried)?;
                f.write_str("); check that the broker runs and listens on that port")
            }
            ConnectError::TimedOut { address, tried } => {
                write!(f, "{address} does not answer (")?;
                list(f, address, tried)?;
                f.write_str("); check network policies and firewalls between here and the broker")
            }
            ConnectError::Local { address, error } => write!(
                f,
                "cannot dial {address} from here: {error}; this machine is short of file descriptors, memory or local ports (raise the limit of open files, or share the load with another proxy)"
            ),
            ConnectError::Tls {
                address,
                why,
                remedy,
            } => write!(f, "TLS with {address} failed: {why}; {remedy}"),
            ConnectError::CannotLearn { node, why } => write!(
                f,
                "cannot learn the address of node {node}: {why}; if the brokers want SASL they cannot be asked: set `address` in the [[nodes]] entry"
            ),
            ConnectError::UnknownNode { node } => write!(
                f,
                "node {node} is in the port map, but the brokers know no node with that id now: it is down or starting, or else take it out of `ids`"
            ),
            ConnectError::NoBootstrapServer => f.write_str("no bootstrap server"),
        }
    }
}

impl std::error::Error for ConnectError {}

/// Whether an error says that this machine is short of something, and nothing about the broker.
fn is_local(error: &io::Error) -> bool {
    const SHORT_OF: [Errno; 5] = [
        Errno::MFILE,
        Errno::NFILE,
        Errno::ADDRNOTAVAIL,
        Errno::NOBUFS,
        Errno::NOMEM,
    ];
    is_one_of(error, &SHORT_OF)
}

/// What became of each address; one that is the broker's address as configured needs not be said twice.
fn list(
    f: &mut fmt::Formatter<'_>,
    address: &BrokerAddress,
    tried: &[(SocketAddr, io::Error)],
) -> fmt::Result {
    let configured = address.to_string();
    for (n, (peer, error)) in tried.iter().enumerate() {
        let separator = if n > 0 { ", " } else { "" };
        let error = match error.kind() {
            io::ErrorKind::TimedOut => "timed out".to_owned(),
            io::ErrorKind::ConnectionRefused => "refused".to_owned(),
            _ => error.to_string(),
        };
        let peer = peer.to_string();
        match peer == configured {
            true => write!(f, "{separator}{error}")?,
            false => write!(f, "{separator}{peer} {error}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_no_name_is_said_once() {
        let peer = SocketAddr::from(([10, 0, 0, 1], 9092));
        let refused = |host: &str| {
            let address = BrokerAddress {
                host: host.into(),
                port: 9092,
            };
            ConnectError::dialled(&address, vec![(peer, Errno::CONNREFUSED.into())]).to_string()
        };
        assert_eq!(
            refused("10.0.0.1"),
            "10.0.0.1:9092 does not accept connections (refused); check that the broker runs and listens on that port"
        );
        assert_eq!(
            refused("kafka-0"),
            "kafka-0:9092 does not accept connections (10.0.0.1:9092 refused); check that the broker runs and listens on \
             that port"
        );
    }

    #[test]
    fn only_a_dial_that_failed_for_want_of_something_here_is_local() {
        let address = BrokerAddress {
            host: "kafka-0".into(),
            port: 9092,
        };
        let tried = |errors: &[Errno]| {
            let peer = SocketAddr::from(([10, 0, 0, 1], 9092));
            let tried = errors.iter().map(|&errno| (peer, errno.into())).collect();
            ConnectError::dialled(&address, tried).reason()
        };
        assert_eq!(tried(&[Errno::MFILE]), "local");
        assert_eq!(tried(&[Errno::ADDRNOTAVAIL, Errno::ADDRNOTAVAIL]), "local");
        assert_eq!(tried(&[Errno::CONNREFUSED, Errno::ADDRNOTAVAIL]), "refused");
        assert_eq!(tried(&[Errno::TIMEDOUT]), "timed_out");
        for reason in ["local", "refused", "timed_out"] {
            assert!(ConnectError::REASONS.contains(&reason));
        }
    }
}
