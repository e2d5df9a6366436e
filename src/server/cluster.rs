//! What a virtual cluster of the configuration becomes when it is put into force: its ports bound, its files loaded.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::listen::{Port, listen};
use super::{StartError, other};
use crate::config::{self, Config, FetchEndpoints, Limits, UnknownApis, VirtualCluster};
use crate::limits::{Clients, Handshakes};
use crate::metrics::Metrics;
use crate::port_map::{Door, NodeId, NodePort, PortMap, Route};
use crate::protocol::api::Policy;
use crate::session::Cluster;
use crate::session::faults::Faults;
use crate::transport::tls::client::Client;
use crate::transport::tls::server::Server;
use crate::upstream::Upstream;
use crate::upstream::own::OwnConnections;

/// The maps of a cluster, with the ports that were bound.
pub(super) struct Bound {
    ports: Option<PortMap>,
    sni: Option<PortMap>,
}

impl Bound {
    /// Binds a cluster's ports. Port 0, which tests use, becomes the port that the system chose, also where it is
    /// advertised.
    pub(super) fn bind(
        cluster: &VirtualCluster,
        per_port: usize,
        keepalive: Option<Duration>,
    ) -> Result<(Self, Vec<(Door, Port)>), StartError> {
        let mut all = Vec::new();
        let mut bind = |port: NodePort, door: Door| -> Result<NodePort, StartError> {
            let address = SocketAddr::new(cluster.listen_address, port.bound);
            let purpose = || format!("cluster {}, {door}", cluster.name);
            let open = listen(address, per_port, keepalive, purpose)?;
            let bound = open.address.port();
            all.push((door, open));
            let advertised = match port.advertised {
                0 => bound,
                advertised => advertised,
            };
            Ok(NodePort { bound, advertised })
        };
        let mut ports = None;
        if let Some(map) = &cluster.ports {
            let bootstrap = bind(map.bootstrap(), Route::Bootstrap.into())?;
            let nodes = map.nodes();
            let nodes: BTreeMap<NodeId, NodePort> = nodes
                .map(|(id, port)| Ok((id, bind(port, Route::Node(id).into())?)))
                .collect::<Result<_, StartError>>()?;
            let map = PortMap::new(map.host_of(Route::Bootstrap), bootstrap, nodes);
            ports = Some(map.map_err(|taken| StartError::Other(format!("{taken:?}")))?);
        }
        let mut sni = None;
        if let Some(config::Sni { ports: map, .. }) = &cluster.sni {
            sni = Some(map.with_port(bind(map.bootstrap(), Door::Sni)?));
        }
        Ok((Bound { ports, sni }, all))
    }
}

/// What the files of a cluster hold.
pub(super) struct Files {
    tls: Option<Arc<Server>>,
    upstream_tls: Option<Client>,
}

impl Files {
    /// Loads them. `previous` is what is in force.
    pub(super) fn load(
        cluster: &VirtualCluster,
        previous: Option<&Cluster>,
    ) -> Result<Self, config::Faults> {
        let name = &cluster.name;
        let mut faults = Vec::new();
        let mut files = Files {
            tls: None,
            upstream_tls: None,
        };
        if let Some(tls) = &cluster.tls {
            let previous = previous.and_then(|previous| previous.tls.as_deref());
            match Server::load(tls, &format!("clusters.{name}.tls"), previous) {
                Ok(server) => files.tls = Some(Arc::new(server)),
                Err(found) => faults.extend(found),
            }
        }
        if let Some(tls) = &cluster.upstream_tls {
            match Client::load(tls, &format!("clusters.{name}.upstream_tls")) {
                Ok(client) => files.upstream_tls = Some(client),
                Err(found) => faults.extend(found),
            }
        }
        match faults.is_empty() {
            true => Ok(files),
            false => Err(config::Faults(faults)),
        }
    }
}

/// What all clusters share.
pub(super) struct ForClusters {
    metrics: Arc<Metrics>,
    faults: Arc<Faults>,
    own: Arc<OwnConnections>,
    clients: Clients,
    handshakes: Arc<Handshakes>,
}

impl ForClusters {
    pub(super) fn new(metrics: Arc<Metrics>, limits: &Limits) -> Self {
        ForClusters {
            metrics,
            faults: Arc::default(),
            own: Arc::default(),
            clients: Clients::new(),
            handshakes: Arc::new(Handshakes::new(limits.tls_handshakes)),
        }
    }

    /// Makes a cluster. `previous` is in force until this one is.
    pub(super) fn make(
        &self,
        config: &Config,
        cluster: &VirtualCluster,
        doors: Bound,
        files: Files,
        previous: Option<&Cluster>,
    ) -> Result<Cluster, StartError> {
        let name = &cluster.name;
        let Bound { ports, sni } = doors;
        let all = [&ports, &sni].into_iter().flatten();
        // Routes have their series also where the port of SNI mode is the only one.
        let routes = all.flat_map(|map| {
            let nodes = map.nodes().map(|(id, _)| Route::Node(id));
            nodes.chain([Route::Bootstrap]).map(Door::from)
        });
        let doors: Vec<Door> = routes.chain(sni.is_some().then_some(Door::Sni)).collect();
        let metrics = match previous {
            Some(previous) => {
                self.metrics.add_doors(&previous.metrics, name, &doors);
                previous.metrics.clone()
            }
            None => self.metrics.cluster(name, &doors).map_err(other)?,
        };
        let upstream = Upstream::new(
            cluster,
            &config.timeouts,
            files.upstream_tls,
            previous.map(|previous| &previous.upstream),
            self.own.clone(),
            metrics.clone(),
        );
        Ok(Cluster {
            name: name.clone(),
            ports,
            sni,
            advertise: cluster.advertise,
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
        })
    }
}
