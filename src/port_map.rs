//! Node id <-> external port: a pure function of the configuration, the same on every replica and after each restart.
//!
//! What is *bound* here, what is *advertised* to clients and where the broker is inside the cluster are three different
//! things. This module holds the first two; where a broker is now is `upstream`'s to know.

use std::collections::BTreeMap;
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

/// One virtual cluster's map from node ids to ports. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortMap {
    advertised_host: Arc<str>,
    bootstrap: NodePort,
    nodes: Arc<BTreeMap<NodeId, NodePort>>,
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

impl PortMap {
    /// Builds the map; two routes on one bound or one advertised port are refused (bound port 0, which lets the
    /// operating system choose, may repeat).
    pub fn new(
        advertised_host: &str,
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
            advertised_host: advertised_host.into(),
            bootstrap,
            nodes: Arc::new(nodes),
        })
    }

    /// What clients are told for this node; `None` for a node outside the map, whose address must not be told at all.
    pub fn advertised(&self, id: NodeId) -> Option<AdvertisedAddress<'_>> {
        let port = self.nodes.get(&id)?.advertised;
        Some(AdvertisedAddress {
            host: &self.advertised_host,
            port,
        })
    }

    /// Whether the map has this node.
    pub fn contains(&self, id: NodeId) -> bool {
        self.nodes.contains_key(&id)
    }

    /// The host in every advertised address.
    pub fn advertised_host(&self) -> &str {
        &self.advertised_host
    }

    /// The bootstrap route's ports.
    pub fn bootstrap(&self) -> NodePort {
        self.bootstrap
    }

    /// All nodes in the order of their ids.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, NodePort)> + '_ {
        self.nodes.iter().map(|(&id, &port)| (id, port))
    }

    /// The route that a bound port leads to.
    pub fn route(&self, bound: u16) -> Option<Route> {
        if self.bootstrap.bound == bound {
            return Some(Route::Bootstrap);
        }
        self.nodes
            .iter()
            .find(|(_, port)| port.bound == bound)
            .map(|(&id, _)| Route::Node(id))
    }
}
