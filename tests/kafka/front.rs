//! What stands between clients and a cluster in a test: the proxy, and the tap in front of it.

use std::fmt::Write;

use crate::access::{Access, Sasl};
use crate::cluster::{Cluster, Listener};
use crate::common::proxy::Proxy;
use crate::tap::{Reserved, Tap};

/// The name of the virtual cluster in the proxy's configuration and metrics.
pub const NAME: &str = "main";

/// A proxy for one cluster. Clients are told the tap's ports.
pub struct Front {
    /// For its metrics and its log.
    pub proxy: Proxy,
    config: String,
    tap: Tap,
    bootstrap: u16,
    nodes: Vec<(i32, u16)>,
}

/// What a front may do otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The configuration has no `address`: the proxy learns where nodes are.
    pub learned: bool,
    /// Another line in the section of the cluster.
    pub line: &'static str,
}

impl Front {
    /// With a port for every node of the cluster.
    pub fn start(cluster: &Cluster, listener: Listener) -> Self {
        Front::with_nodes(cluster, listener, cluster.ids())
    }

    /// With ports for these nodes only.
    pub fn with_nodes(cluster: &Cluster, listener: Listener, ids: &[i32]) -> Self {
        Front::with(cluster, listener, ids, Options::default())
    }

    /// With ports for these nodes, in another manner.
    pub fn with(cluster: &Cluster, listener: Listener, ids: &[i32], options: Options) -> Self {
        let bootstrap = Reserved::new();
        let nodes: Vec<(i32, Reserved)> = ids.iter().map(|&id| (id, Reserved::new())).collect();
        let servers = ids.iter().map(|&id| cluster.internal(id, listener));
        let servers: Vec<String> = servers.collect();
        let mut config = format!(
            "[dns]\nhosts_file = {:?}\n[clusters.{NAME}]\nbootstrap_servers = {servers:?}\nadvertised_host = \"127.0.0.1\"\n\
             listen_address = \"127.0.0.1\"\nbootstrap_port = 0\nbootstrap_advertised_port = {}\n{}\n",
            cluster.hosts_file(),
            bootstrap.port(),
            options.line,
        );
        for ((id, port), server) in nodes.iter().zip(&servers) {
            let _ = writeln!(
                config,
                "[[clusters.{NAME}.nodes]]\nids = \"{id}\"\nport = 0\nadvertised_port = {}",
                port.port(),
            );
            if !options.learned {
                let _ = writeln!(config, "address = {server:?}");
            }
        }
        let proxy = Proxy::start(&config);
        let ports = nodes.iter().map(|(id, port)| (*id, port.port())).collect();
        let bootstrap_port = bootstrap.port();
        let mut relays = vec![(bootstrap, proxy.bootstrap(NAME))];
        for (id, reserved) in nodes {
            relays.push((reserved, proxy.node(NAME, id)));
        }
        Front {
            proxy,
            config,
            tap: Tap::start(relays),
            bootstrap: bootstrap_port,
            nodes: ports,
        }
    }

    /// Starts another proxy in the place of this one, which is returned and still has its connections: a rolling update.
    pub fn replace_proxy(&mut self) -> Proxy {
        let proxy = Proxy::start(&self.config);
        self.tap.redirect(self.bootstrap, proxy.bootstrap(NAME));
        for &(id, port) in &self.nodes {
            self.tap.redirect(port, proxy.node(NAME, id));
        }
        std::mem::replace(&mut self.proxy, proxy)
    }

    /// How clients get in.
    pub fn access(&self, sasl: Option<Sasl>) -> Access {
        Access {
            bootstrap: self.bootstrap(),
            brokers: self.brokers(),
            sasl,
            tls: None,
            hosts: None,
        }
    }

    /// The one address that clients are given.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.bootstrap)
    }

    /// What clients are told for a node.
    pub fn node(&self, id: i32) -> String {
        let found = self.nodes.iter().find(|(known, _)| *known == id);
        let (_, port) = found.expect("a node of this front");
        format!("127.0.0.1:{port}")
    }

    /// What clients are told when they ask for all brokers, separated by commas.
    pub fn brokers(&self) -> String {
        let nodes = self.nodes.iter().map(|(id, _)| self.node(*id));
        nodes.collect::<Vec<String>>().join(",")
    }

    /// The proxy's counter of this name for an api: `addresses_rewritten_total`, `endpoints_neutralised_total` or `requests_total`.
    pub fn count(&self, counter: &str, api: &str) -> f64 {
        self.proxy.metric(&format!(
            "portolan_{counter}{{api=\"{api}\",cluster=\"{NAME}\"}}"
        ))
    }

    /// How many connections clients made to a node's port.
    pub fn connections_to(&self, id: i32) -> f64 {
        self.connections(&format!("node-{id}"))
    }

    /// How many connections clients made to the bootstrap port.
    pub fn connections_to_bootstrap(&self) -> f64 {
        self.connections("bootstrap")
    }

    fn connections(&self, route: &str) -> f64 {
        self.proxy.metric(&format!(
            "portolan_connections_total{{cluster=\"{NAME}\",route=\"{route}\"}}"
        ))
    }

    /// Where clients received internal names.
    pub fn leaks(&self) -> Vec<String> {
        self.tap.leaks()
    }

    /// Fails if any client received an internal name, or none received anything.
    pub fn assert_no_leak(&self) {
        assert!(
            self.tap.bytes_to_clients() > 0,
            "no client received anything"
        );
        let leaks = self.tap.leaks();
        assert!(
            leaks.is_empty(),
            "clients received internal names: {leaks:#?}"
        );
    }

    /// Fails if a session ended because the proxy did not understand what real peers say to each other.
    pub fn assert_understood(&self) {
        for reason in [
            "bad_request_size",
            "request_too_large",
            "malformed_request",
            "refused_request",
            "bad_response_size",
            "correlation_mismatch",
            "unexpected_response",
            "malformed_response",
            "response_too_large",
        ] {
            let ends = self.proxy.ends(NAME, reason);
            assert_eq!(ends, 0.0, "{reason}:\n{}", self.proxy.log_text());
        }
    }
}
