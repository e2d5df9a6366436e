//! Why a broker cannot be reached, in the words of whoever can mend it.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use crate::config::BrokerAddress;
use crate::port_map::NodeId;

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
    pub const REASONS: [&'static str; 5] = [
        "unresolved",
        "refused",
        "timed_out",
        "cannot_learn",
        "unknown_node",
    ];

    /// The value of the metric label `reason`.
    pub fn reason(&self) -> &'static str {
        match self {
            ConnectError::Unresolved { .. } | ConnectError::NoBootstrapServer => "unresolved",
            ConnectError::Refused { .. } => "refused",
            ConnectError::TimedOut { .. } => "timed_out",
            ConnectError::CannotLearn { .. } => "cannot_learn",
            ConnectError::UnknownNode { .. } => "unknown_node",
        }
    }

    /// From what became of each address of a name.
    pub(super) fn dialled(address: &BrokerAddress, tried: Vec<(SocketAddr, io::Error)>) -> Self {
        let address = address.clone();
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
                list(f, tried)?;
                f.write_str("); check that the broker runs and listens on that port")
            }
            ConnectError::TimedOut { address, tried } => {
                write!(f, "{address} does not answer (")?;
                list(f, tried)?;
                f.write_str("); check network policies and firewalls between here and the broker")
            }
            ConnectError::CannotLearn { node, why } => write!(
                f,
                "cannot learn the address of node {node}: {why}; if the brokers want SASL or TLS they cannot be asked: set `address` in the [[nodes]] entry"
            ),
            ConnectError::UnknownNode { node } => write!(
                f,
                "node {node} is in the port map, but the brokers know no node with that id"
            ),
            ConnectError::NoBootstrapServer => f.write_str("no bootstrap server"),
        }
    }
}

impl std::error::Error for ConnectError {}

fn list(f: &mut fmt::Formatter<'_>, tried: &[(SocketAddr, io::Error)]) -> fmt::Result {
    for (n, (peer, error)) in tried.iter().enumerate() {
        let separator = if n > 0 { ", " } else { "" };
        let error = match error.kind() {
            io::ErrorKind::TimedOut => "timed out".to_owned(),
            io::ErrorKind::ConnectionRefused => "refused".to_owned(),
            _ => error.to_string(),
        };
        write!(f, "{separator}{peer} {error}")?;
    }
    Ok(())
}
