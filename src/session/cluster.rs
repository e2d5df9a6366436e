//! What the sessions of one virtual cluster share: its configuration, counters, and what was found in answers.
//!
//! A reload makes another `Cluster` and puts it in the place of this one ([`LiveCluster`]); sessions that go on take it over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use tracing::{info, warn};

use super::end::EndReason;
use super::faults::Faults;
use super::unmapped::Unmapped;
use crate::config::{Access, Advertise, Limits, NodeAddress, ProxyProtocol, ServiceName, Timeouts};
use crate::limits::{Clients, Handshakes};
use crate::metrics::ClusterMetrics;
use crate::port_map::{NodeId, PortMap, Route};
use crate::protocol::api::Policy;
use crate::protocol::rewrite::{Findings, SeenBroker};
use crate::transport::tls::server::Server;
use crate::upstream::health::{Failure, State};
use crate::upstream::{ConnectError, ProbeError, Upstream};

/// What is in force for one virtual cluster now.
pub type LiveCluster = Arc<ArcSwap<Cluster>>;

/// One virtual cluster at run time.
#[derive(Debug)]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// Port mode: node ids and ports, as bound.
    pub ports: Option<PortMap>,
    /// SNI mode: node ids and names.
    pub sni: Option<PortMap>,
    /// Which host clients of port mode are told.
    pub advertise: Advertise,
    /// The Service whose address they are told. Until it is known `ports` has no host.
    pub service: Option<ServiceName>,
    /// TLS towards clients.
    pub tls: Option<Arc<Server>>,
    /// Whether connections begin with a PROXY protocol header.
    pub proxy_protocol: ProxyProtocol,
    /// Which clients may connect.
    pub access: Access,
    /// What each client has, of all clusters.
    pub clients: Clients,
    /// Places of TLS handshakes under way, of all clusters.
    pub handshakes: Arc<Handshakes>,
    /// Where the nodes are configured to be, for advice about further ones.
    pub nodes: BTreeMap<NodeId, NodeAddress>,
    /// Which requests pass.
    pub policy: Policy,
    /// Bounds on what a peer may make us hold.
    pub limits: Limits,
    /// Bounds on how long a peer may make no progress.
    pub timeouts: Timeouts,
    /// Dials the brokers.
    pub upstream: Upstream,
    /// Counters.
    pub metrics: Arc<ClusterMetrics>,
    /// What was told when.
    pub faults: Arc<Faults>,
    /// Brokers that are in no map. Shared with what was in force before.
    pub seen_unmapped: Arc<Unmapped>,
}

/// How a client came, and so which addresses it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// To a port of port mode.
    Port,
    /// The same, having dialled this host, which it is told again.
    Host(Arc<str>),
    /// To the port of SNI mode.
    Name,
}

impl Cluster {
    /// The host that clients which come by ports are told; `None` where it is what they dialled, or not known yet.
    pub fn host(&self) -> Option<&str> {
        self.ports.as_ref()?.host_of(Route::Bootstrap)
    }

    /// The map whose addresses a client is told; `None` if its route is not there any more.
    pub(super) fn told(&self, came: &Came, route: Route) -> Option<PortMap> {
        let map = match came {
            Came::Port => self.ports.clone()?,
            Came::Host(host) => self.ports.as_ref()?.with_host(host),
            Came::Name => self.sni.clone()?,
        };
        map.has(route).then_some(map)
    }

    /// Whether there is a host for clients of port mode of which it is not known what they dialled.
    pub(super) fn has_host(&self) -> bool {
        let ports = self.ports.as_ref();
        ports.is_some_and(|ports| ports.host_of(Route::Bootstrap).is_some())
    }

    /// Why a client that came so cannot be told of any node: nobody knows the host yet.
    pub(super) fn lacks_host(&self, came: &Came) -> Option<EndReason> {
        if *came != Came::Port || self.has_host() {
            return None;
        }
        Some(match self.service {
            Some(_) => EndReason::AddressUnknown,
            None => EndReason::NoAdvertisedHost,
        })
    }

    /// Counts, learns from and tells what a rewrite found.
    pub(super) fn note(&self, api_key: i16, findings: &Findings) {
        let Findings {
            rewritten,
            unmapped,
            seen,
        } = findings;
        self.metrics.rewritten(api_key, u64::from(*rewritten));
        if !seen.is_empty() {
            let seen = seen.iter().map(|b| (b.node_id, b.host.as_str(), b.port));
            self.upstream.learn(seen);
        }
        for broker in unmapped {
            self.metrics.unmapped_node();
            self.seen_unmapped.note(broker);
            let key = (
                self.name.clone(),
                "unmapped_node",
                Route::Node(broker.node_id).into(),
            );
            if let Some(repeats) = self.faults.admit(key) {
                warn!(
                    cluster = self.name,
                    node = broker.node_id.0,
                    repeats,
                    "node {} is not in the port map, so clients are not told about it; {}",
                    broker.node_id,
                    self.advice(broker)
                );
            }
        }
    }

    /// Takes note of what became of a client's dial.
    pub(super) fn note_dial(&self, route: Route, error: Option<&ConnectError>) {
        // A dial does not see whether the broker answers. Where a probe saw that it does not, only a probe sees otherwise.
        if error.is_none() && self.upstream.health().is_silent(route) {
            return;
        }
        self.note_reach(route, error.map(Failure::from), true);
    }

    /// Takes note of what became of a probe. Where nobody has been seen yet, that nobody is there is nothing to tell.
    pub fn note_probe(&self, route: Route, outcome: Result<(), ProbeError>) {
        self.note_reach(route, outcome.err().as_ref().map(Failure::from), false);
    }

    /// Tells when a route's broker cannot be reached any more, each cause by itself, and when it can again.
    fn note_reach(&self, route: Route, failure: Option<Failure>, is_wanted: bool) {
        let outcome = failure.clone().map_or(Ok(()), Err);
        let state = self.upstream.health().note(route, outcome);
        if state == State::Unknown && !is_wanted {
            return;
        }
        self.metrics.reachable(route, state == State::Up);
        match failure {
            Some(Failure {
                reason, message, ..
            }) => {
                let key = (self.name.clone(), reason, route.into());
                if let Some(repeats) = self.faults.admit(key) {
                    warn!(cluster = self.name, %route, reason, repeats, "cannot connect: {message}");
                }
            }
            None => {
                let causes = &ProbeError::REASONS;
                if self.faults.are_over(&self.name, causes, route.into()) {
                    info!(cluster = self.name, %route, "connected again");
                }
            }
        }
    }

    /// Whether any of its brokers can be reached; `None` while none has been tried.
    pub fn reachable(&self) -> Option<bool> {
        self.upstream.health().any(|route| self.has(route))
    }

    /// The routes that it has, by ports or by names.
    pub fn routes(&self) -> impl Iterator<Item = Route> {
        let nodes = self.nodes.keys().map(|&id| Route::Node(id));
        [Route::Bootstrap].into_iter().chain(nodes)
    }

    /// Whether it has this route.
    pub fn has(&self, route: Route) -> bool {
        match route {
            Route::Bootstrap => true,
            Route::Node(id) => self.nodes.contains_key(&id),
        }
    }

    /// The brokers that were seen lately and are in no map, and when they were seen last.
    pub fn unmapped(&self) -> Vec<(SeenBroker, SystemTime)> {
        let mut seen = self.seen_unmapped.all();
        seen.retain(|(broker, _)| !self.nodes.contains_key(&broker.node_id));
        seen
    }

    /// What would put this broker into the map, in one line as all of the log is: on the port behind the last node's if
    /// that is free, else on the highest that this cluster does not use.
    pub fn advice(&self, broker: &SeenBroker) -> String {
        let (name, id) = (&self.name, broker.node_id);
        let mut advice = format!("add a [[clusters.{name}.nodes]] with ids = \"{id}\"");
        if let Some(ports) = &self.ports {
            advice.push_str(&format!(", port = {}", free_port(ports)));
        }
        let learned = self.nodes.values().any(|a| *a == NodeAddress::Learned);
        if !learned && !broker.host.is_empty() {
            // Quoted by Rust's rules, which for what a host name may have are those of TOML: a broker cannot forge a line.
            let address = format!("{}:{}", broker.host, broker.port);
            advice.push_str(&format!(", address = {address:?}"));
        }
        advice + ", or extend the ids of one that is there"
    }
}

fn free_port(ports: &PortMap) -> u16 {
    let bootstrap = ports.bootstrap().bound;
    let mut used: BTreeSet<u16> = ports.nodes().map(|(_, port)| port.bound).collect();
    let next = used.last().unwrap_or(&bootstrap).checked_add(1);
    used.insert(bootstrap);
    let is_free = |port: &u16| !used.contains(port);
    let highest = || (1..=u16::MAX).rev().find(is_free);
    next.filter(is_free).or_else(highest).unwrap_or(u16::MAX)
}
