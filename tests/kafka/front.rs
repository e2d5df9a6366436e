//! What stands between clients and a cluster in a test: the proxy, and the tap in front of it.

mod config;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::access::{Access, Sasl};
use crate::cluster::{Cluster, Listener};
use crate::common::mount::Mount;
use crate::common::proxy::Proxy;
use crate::door::{BOOTSTRAP_HOST, Door, node_host};
use crate::tap::{Reserved, Tap};

/// The name of the virtual cluster in the proxy's configuration and metrics.
pub const NAME: &str = "main";

/// A proxy for one cluster. Clients are told the tap's ports.
pub struct Front {
    /// For its metrics and its log.
    pub proxy: Proxy,
    /// Where clients speak TLS: the certificates on their side.
    pub door: Option<Door>,
    /// Where brokers want to know who comes: what the proxy shows them.
    pub own: Option<Mount>,
    config: String,
    tap: Tap,
    ids: Vec<i32>,
    /// The tap's port for each listener of the proxy: `bootstrap`, `node-<id>`, `sni`.
    ports: BTreeMap<String, u16>,
}

/// What a front may do otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The configuration has no `address`: the proxy learns where nodes are.
    pub learned: bool,
    /// Another line in the section of the cluster.
    pub line: &'static str,
    /// More sections.
    pub sections: &'static str,
    /// Nothing says how clients are to call the proxy: they are told what they dialled.
    pub dialled: bool,
    /// What clients speak.
    pub clients: Clients,
    /// How clients are told apart.
    pub mode: Mode,
}

/// What clients speak to the proxy. What the proxy speaks to brokers is the listener's to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clients {
    /// No TLS.
    #[default]
    Plaintext,
    /// TLS.
    Tls,
    /// TLS, for which they must have a certificate.
    MutualTls,
}

/// How the proxy knows which node a connection is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// By its port.
    #[default]
    Ports,
    /// By the name that the client asks for in its TLS handshake.
    Names,
    /// By either.
    Both,
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

    /// With these nodes, in another manner.
    pub fn with(cluster: &Cluster, listener: Listener, ids: &[i32], options: Options) -> Self {
        Front::by(Proxy::start, cluster, listener, ids, options)
    }

    /// The same with a proxy that is started by another.
    pub fn by(
        start: impl FnOnce(&str) -> Proxy,
        cluster: &Cluster,
        listener: Listener,
        ids: &[i32],
        options: Options,
    ) -> Self {
        let mut routes: Vec<String> = Vec::new();
        if options.mode != Mode::Names {
            routes.push("bootstrap".to_owned());
            routes.extend(ids.iter().map(|id| format!("node-{id}")));
        }
        if options.mode != Mode::Ports {
            routes.push("sni".to_owned());
        }
        let reserved = routes.into_iter().map(|route| (route, Reserved::new()));
        let reserved: Vec<(String, Reserved)> = reserved.collect();
        let ports = reserved
            .iter()
            .map(|(route, reserved)| (route.clone(), reserved.port()));
        let ports: BTreeMap<String, u16> = ports.collect();
        let door = match options.clients {
            Clients::Plaintext => None,
            Clients::Tls => Some(Door::new(false)),
            Clients::MutualTls => Some(Door::new(true)),
        };
        let own = listener == Listener::Mtls;
        let own = own.then(|| Mount::new(&cluster.identities().another_client()));
        let (tls, client) = (door.as_ref(), own.as_ref());
        let config = config::of(cluster, listener, ids, options, &ports, tls, client);
        let proxy = start(&config);
        let relays = reserved.into_iter().map(|(route, reserved)| {
            let listener = proxy.listener(NAME, &route);
            (reserved, listener)
        });
        let tap = Tap::start(relays.collect());
        Front {
            proxy,
            door,
            own,
            config,
            tap,
            ids: ids.to_vec(),
            ports,
        }
    }

    /// Starts another proxy in the place of this one, which is returned and still has its connections: a rolling update.
    pub fn replace_proxy(&mut self) -> Proxy {
        let proxy = Proxy::start(&self.config);
        for (route, &port) in &self.ports {
            self.tap.redirect(port, proxy.listener(NAME, route));
        }
        std::mem::replace(&mut self.proxy, proxy)
    }

    /// Puts something between clients and each of the proxy's ports: `detours` is given where these are, and says where clients go
    /// instead.
    pub fn put_behind(&self, detours: impl FnOnce(&[SocketAddr]) -> Vec<SocketAddr>) {
        let routes = self.ports.keys();
        let listeners = routes.map(|route| self.proxy.listener(NAME, route));
        let listeners: Vec<SocketAddr> = listeners.collect();
        for (&port, detour) in self.ports.values().zip(detours(&listeners)) {
            self.tap.redirect(port, detour);
        }
    }

    /// How clients get in: by ports, or by names where there are no ports.
    pub fn access(&self, sasl: Option<Sasl>) -> Access {
        if !self.ports.contains_key("bootstrap") {
            return self.access_by_name(sasl);
        }
        Access {
            bootstrap: self.bootstrap(),
            brokers: self.brokers(),
            sasl,
            tls: self.door.as_ref().map(Door::tls),
            hosts: None,
        }
    }

    /// How clients get in by names.
    pub fn access_by_name(&self, sasl: Option<Sasl>) -> Access {
        let door = self.door.as_ref().expect("names are told by TLS");
        let port = self.port("sni");
        let brokers = self
            .ids
            .iter()
            .map(|&id| format!("{}:{port}", node_host(id)));
        Access {
            bootstrap: format!("{BOOTSTRAP_HOST}:{port}"),
            brokers: brokers.collect::<Vec<String>>().join(","),
            sasl,
            tls: Some(door.tls()),
            hosts: Some(door.hosts(&self.ids)),
        }
    }

    fn port(&self, route: &str) -> u16 {
        *self.ports.get(route).expect("a route of this front")
    }

    /// The one address that clients are given.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port("bootstrap"))
    }

    /// What clients are told for a node.
    pub fn node(&self, id: i32) -> String {
        format!("127.0.0.1:{}", self.port(&format!("node-{id}")))
    }

    /// What clients are told when they ask for all brokers, separated by commas.
    pub fn brokers(&self) -> String {
        let nodes = self.ids.iter().map(|&id| self.node(id));
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

    /// How often the proxy reloaded with this result: `success` or `failure`.
    pub fn reloads(&self, result: &str) -> f64 {
        self.proxy.metric(&format!(
            "portolan_config_reloads_total{{result=\"{result}\"}}"
        ))
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

    /// Fails if any client received an internal name, or none received anything. Where clients speak TLS nothing can be seen from here; there
    /// it is what clients say about the brokers that tells.
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
        assert_understood(&self.proxy);
    }
}

/// The same of a proxy that stands elsewhere.
pub fn assert_understood(proxy: &Proxy) {
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
        let ends = proxy.ends(NAME, reason);
        assert_eq!(ends, 0.0, "{reason}:\n{}", proxy.log_text());
    }
}
