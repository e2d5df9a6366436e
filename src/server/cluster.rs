//! What a virtual cluster of the configuration becomes when it is put into force.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use super::doors::Plan;
use super::{StartError, other};
use crate::config::{self, Config, FetchEndpoints, Limits, UnknownApis, VirtualCluster};
use crate::limits::{Clients, Handshakes};
use crate::metrics::{ClusterMetrics, Metrics};
use crate::port_map::{Door, NodeId, NodePort, PortMap, Route};
use crate::protocol::api::Policy;
use crate::session::Cluster;
use crate::session::faults::Faults;
use crate::transport::tls::files::Files;
use crate::upstream::Upstream;
use crate::upstream::own::OwnConnections;

/// The maps of a cluster, with the ports that were bound. Without any, no client has a place here.
#[derive(Debug, Default)]
pub(super) struct Bound {
    ports: Option<PortMap>,
    sni: Option<PortMap>,
}

impl Bound {
    /// Binds a cluster's ports, as far as they are not there. `host` is what its Service says, where that is known.
    pub(super) fn bind(
        cluster: &VirtualCluster,
        host: Option<&str>,
        plan: &mut Plan,
    ) -> Result<Self, StartError> {
        let mut bind = |port, door| plan.port(cluster, door, port);
        let mut ports = None;
        if let Some(map) = &cluster.ports {
            let bootstrap = bind(map.bootstrap(), Route::Bootstrap.into())?;
            let nodes = map.nodes();
            let nodes: BTreeMap<NodeId, NodePort> = nodes
                .map(|(id, port)| Ok((id, bind(port, Route::Node(id).into())?)))
                .collect::<Result<_, StartError>>()?;
            let map = PortMap::new(map.host_of(Route::Bootstrap).or(host), bootstrap, nodes);
            ports = Some(map.map_err(|taken| StartError::Other(format!("{taken:?}")))?);
        }
        let mut sni = None;
        if let Some(config::Sni { ports: map, .. }) = &cluster.sni {
            sni = Some(map.with_port(bind(map.bootstrap(), Door::Sni)?));
        }
        Ok(Bound { ports, sni })
    }

    /// The ports of a cluster that is there already, whose clients are told this host from now on.
    pub(super) fn again(cluster: &Cluster, host: &str) -> Self {
        let ports = cluster.ports.as_ref();
        Bound {
            ports: ports.map(|ports| ports.with_host(host)),
            sni: cluster.sni.clone(),
        }
    }

    fn doors(&self) -> Vec<Door> {
        let all = [&self.ports, &self.sni].into_iter().flatten();
        // Routes have their series also where the port of SNI mode is the only one.
        let routes = all.flat_map(|map| {
            let nodes = map.nodes().map(|(id, _)| Route::Node(id));
            nodes.chain([Route::Bootstrap]).map(Door::from)
        });
        routes
            .chain(self.sni.is_some().then_some(Door::Sni))
            .collect()
    }
}

/// What all clusters share.
#[derive(Debug)]
pub(super) struct ForClusters {
    pub(super) metrics: Arc<Metrics>,
    faults: Arc<Faults>,
    own: Arc<OwnConnections>,
    clients: Clients,
    handshakes: Arc<Handshakes>,
    /// By name, also of clusters that are gone: one of that name may come again, and goes on counting.
    counters: Mutex<HashMap<String, Arc<ClusterMetrics>>>,
}

impl ForClusters {
    pub(super) fn new(metrics: Arc<Metrics>, limits: &Limits) -> Self {
        ForClusters {
            metrics,
            faults: Arc::default(),
            own: Arc::default(),
            clients: Clients::new(),
            handshakes: Arc::new(Handshakes::new(limits.tls_handshakes)),
            counters: Mutex::default(),
        }
    }

    /// Lets these limits hold from now on.
    pub(super) fn limit(&self, limits: &Limits) {
        self.handshakes.resize(limits.tls_handshakes);
    }

    /// Makes a cluster. `previous` is in force until this one is.
    pub(super) fn make(
        &self,
        config: &Config,
        cluster: &VirtualCluster,
        bound: Bound,
        files: Files,
        previous: Option<&Cluster>,
    ) -> Result<Cluster, StartError> {
        let name = &cluster.name;
        let metrics = self.counters(name, &bound.doors())?;
        let upstream = Upstream::new(
            cluster,
            &config.timeouts,
            files.upstream_tls,
            previous.map(|previous| &previous.upstream),
            self.own.clone(),
            metrics.clone(),
        );
        let Bound { ports, sni } = bound;
        Ok(Cluster {
            name: name.clone(),
            ports,
            sni,
            advertise: cluster.advertise,
            service: cluster.advertised_from_service.clone(),
            tls: files.tls,
            proxy_protocol: cluster.proxy_protocol.clone(),
            access: cluster.access.clone(),
            clients: self.clients.clone(),
            handshakes: self.handshakes.clone(),
            nodes: cluster.nodes.clone(),
            policy: Policy {
                forward_unknown: cluster.unknown_apis == UnknownApis::Forward,
                cap_fetch: cluster.fetch_endpoints == FetchEndpoints::Cap,
            },
            limits: config.limits,
            timeouts: config.timeouts,
            upstream,
            metrics,
            faults: self.faults.clone(),
            seen_unmapped: previous
                .map_or_else(Arc::default, |previous| previous.seen_unmapped.clone()),
        })
    }

    fn counters(&self, name: &str, doors: &[Door]) -> Result<Arc<ClusterMetrics>, StartError> {
        let mut known = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(metrics) = known.get(name) {
            self.metrics.add_doors(metrics, name, doors);
            return Ok(metrics.clone());
        }
        let metrics = self.metrics.cluster(name, doors).map_err(other)?;
        known.insert(name.to_owned(), metrics.clone());
        Ok(metrics)
    }
}
