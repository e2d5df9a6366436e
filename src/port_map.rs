//! Node id <-> external port: a pure function of the configuration, the same on every replica and after each restart.
//!
//! What is *bound* here, what is *advertised* to clients and where the broker is inside the cluster are three different
//! things. This module holds the first two; where a broker is now is `upstream`'s to know.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

/// A Kafka broker's node id (`node.id`, formerly `broker.id`). Ids are sparse: 1001, 100/200/300, node pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub i32);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a client connection is bound for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Route {
    /// Any of the cluster's bootstrap servers.
    Bootstrap,
    /// The one broker with this node id.
    Node(NodeId),
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Route::Bootstrap => f.write_str("bootstrap"),
            Route::Node(id) => write!(f, "node-{id}"),
        }
    }
}

/// A port that clients come to: it has one route, or the TLS server name tells which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Door {
    /// A port of one route (port mode).
    Route(Route),
    /// The port of all routes (SNI mode).
    Sni,
}

impl From<Route> for Door {
    fn from(route: Route) -> Self {
        Door::Route(route)
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Door::Route(route) => route.fmt(f),
            Door::Sni => f.write_str("sni"),
        }
    }
}

/// The address that clients are told for one node: never a wildcard, never a cluster-internal name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdvertisedAddress<'a> {
    /// Host name or IP literal without brackets, as it goes into a Kafka response.
    pub host: &'a str,
    /// TCP port.
    pub port: u16,
}

/// The ports of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodePort {
    /// The port that this process listens on.
    pub bound: u16,
    /// The port that clients are told.
    pub advertised: u16,
}

/// One virtual cluster's map from node ids to the addresses that clients are told. Cheap to clone.
///
/// In port mode all nodes have one host, which is configured or what the client dialled, and a port each; in SNI mode they
/// have one port and a host each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortMap {
    host: Host,
    bootstrap: NodePort,
    nodes: Arc<BTreeMap<NodeId, NodePort>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    /// What each client dialled, see [`PortMap::with_host`].
    Dialled,
    Shared(Arc<str>),
    OfEach(Arc<Hosts>),
}

#[derive(Debug, PartialEq, Eq)]
struct Hosts {
    bootstrap: String,
    nodes: BTreeMap<NodeId, String>,
    routes: HashMap<String, Route>,
}

/// Two nodes, or a node and the bootstrap route, would share a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortTaken {
    /// The port in question.
    pub port: u16,
    /// Who has it.
    pub first: Route,
    /// Who wants it too.
    pub second: Route,
}

/// Two routes would have one TLS server name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameTaken {
    /// The name in question.
    pub name: String,
    /// Who has it.
    pub first: Route,
    /// Who wants it too.
    pub second: Route,
}

impl PortMap {
    /// Builds the map of port mode; two routes on one bound or one advertised port are refused (bound port 0, which lets
    /// the operating system choose, may repeat). Without a host clients are told the one that they dialled.
    pub fn new(
        advertised_host: Option<&str>,
        bootstrap: NodePort,
        nodes: BTreeMap<NodeId, NodePort>,
    ) -> Result<Self, PortTaken> {
        let mut bound = BTreeMap::from([(bootstrap.bound, Route::Bootstrap)]);
        let mut advertised = BTreeMap::from([(bootstrap.advertised, Route::Bootstrap)]);
        for (&id, node) in &nodes {
            for (taken, port) in [(&mut bound, node.bound), (&mut advertised, node.advertised)] {
                if let Some(&first) = taken.get(&port)
                    && port != 0
                {
                    return Err(PortTaken {
                        port,
                        first,
                        second: Route::Node(id),
                    });
                }
                taken.insert(port, Route::Node(id));
            }
        }
        Ok(PortMap {
            host: advertised_host.map_or(Host::Dialled, |host| Host::Shared(host.into())),
            bootstrap,
            nodes: Arc::new(nodes),
        })
    }

    /// Builds the map of SNI mode, in which all routes have one port and a name each. Two routes of one name are refused;
    /// names are compared without regard to case (RFC 6066, section 3).
    pub fn with_names(
        port: NodePort,
        bootstrap_host: &str,
        node_hosts: BTreeMap<NodeId, String>,
    ) -> Result<Self, NameTaken> {
        let mut routes = HashMap::from([(bootstrap_host.to_ascii_lowercase(), Route::Bootstrap)]);
        for (&id, host) in &node_hosts {
            let second = Route::Node(id);
            if let Some(first) = routes.insert(host.to_ascii_lowercase(), second) {
                let name = host.clone();
                return Err(NameTaken {
                    name,
                    first,
                    second,
                });
            }
        }
        let nodes = node_hosts.keys().map(|&id| (id, port)).collect();
        Ok(PortMap {
            host: Host::OfEach(Arc::new(Hosts {
                bootstrap: bootstrap_host.to_owned(),
                nodes: node_hosts,
                routes,
            })),
            bootstrap: port,
            nodes: Arc::new(nodes),
        })
    }

    /// The same nodes and ports, in the words of a client that dialled this host.
    pub fn with_host(&self, host: &str) -> Self {
        PortMap {
            host: Host::Shared(host.into()),
            ..self.clone()
        }
    }

    /// The same in SNI mode, where another port was bound than was asked for.
    pub fn with_port(&self, port: NodePort) -> Self {
        PortMap {
            host: self.host.clone(),
            bootstrap: port,
            nodes: Arc::new(self.nodes.keys().map(|&id| (id, port)).collect()),
        }
    }

    /// What clients are told for this node; `None` for a node outside the map, whose address must not be told at all, and
    /// for all while the host is not known.
    pub fn advertised(&self, id: NodeId) -> Option<AdvertisedAddress<'_>> {
        let port = self.nodes.get(&id)?.advertised;
        let host = self.host_of(Route::Node(id))?;
        Some(AdvertisedAddress { host, port })
    }

    /// The host that clients are told for a route; `None` where it is what they dialled.
    pub fn host_of(&self, route: Route) -> Option<&str> {
        match (&self.host, route) {
            (Host::Dialled, _) => None,
            (Host::Shared(host), _) => Some(host),
            (Host::OfEach(hosts), Route::Bootstrap) => Some(&hosts.bootstrap),
            (Host::OfEach(hosts), Route::Node(id)) => hosts.nodes.get(&id).map(String::as_str),
        }
    }

    /// Whether the map has this node.
    pub fn contains(&self, id: NodeId) -> bool {
        self.nodes.contains_key(&id)
    }

    /// Whether the map has this route.
    pub fn has(&self, route: Route) -> bool {
        match route {
            Route::Bootstrap => true,
            Route::Node(id) => self.contains(id),
        }
    }

    /// The bootstrap route's ports.
    pub fn bootstrap(&self) -> NodePort {
        self.bootstrap
    }

    /// A node's ports.
    pub fn node(&self, id: NodeId) -> Option<NodePort> {
        self.nodes.get(&id).copied()
    }

    /// All nodes in the order of their ids.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, NodePort)> + '_ {
        self.nodes.iter().map(|(&id, &port)| (id, port))
    }

    /// The route that a bound port leads to, in port mode.
    pub fn route(&self, bound: u16) -> Option<Route> {
        if self.bootstrap.bound == bound {
            return Some(Route::Bootstrap);
        }
        self.nodes
            .iter()
            .find(|(_, port)| port.bound == bound)
            .map(|(&id, _)| Route::Node(id))
    }

    /// The route that a TLS server name leads to, in SNI mode.
    pub fn route_of_name(&self, name: &str) -> Option<Route> {
        let Host::OfEach(hosts) = &self.host else {
            return None;
        };
        hosts.routes.get(&name.to_ascii_lowercase()).copied()
    }
}
