//! What a proxy shall do: where it listens, where it forwards to, and what of that is encrypted.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::process;
use crate::tls::Files;

/// A broker, and the port at which the proxy shall stand for it.
#[derive(Clone, Debug)]
pub struct Pair {
    pub node: i32,
    pub port: u16,
    /// HOST:PORT of the broker.
    pub target: String,
}

/// What a proxy shall do.
#[derive(Clone, Debug)]
pub struct Front {
    pub pairs: Vec<Pair>,
    /// For the routes that have a port of their own to bootstrap from.
    pub bootstrap: u16,
    /// For the endpoints of the proxy itself.
    pub admin: u16,
    /// Where the names of brokers are looked up.
    pub hosts_file: Option<PathBuf>,
    /// With which certificate it speaks TLS to clients.
    pub client_tls: Option<Files>,
    /// By which root it knows the brokers, if it shall speak TLS to them.
    pub broker_tls: Option<Files>,
}

impl Front {
    /// Ports of its own in front of these brokers.
    pub fn new(targets: impl IntoIterator<Item = (i32, String)>) -> Self {
        let pair = |(node, target)| Pair {
            node,
            port: process::free_ports::<1>()[0],
            target,
        };
        let [bootstrap, admin] = process::free_ports();
        Front {
            pairs: targets.into_iter().map(pair).collect(),
            bootstrap,
            admin,
            hosts_file: None,
            client_tls: None,
            broker_tls: None,
        }
    }

    /// Where clients of the first broker connect.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.pairs[0].port).into()
    }
}
