//! What the files of a virtual cluster hold: loaded together, judged together.

use std::path::PathBuf;
use std::sync::Arc;

use super::client::Client;
use super::server::Server;
use crate::config::{Fault, VirtualCluster};
use crate::port_map::{PortMap, Route};

/// TLS of one cluster, on either leg.
#[derive(Debug, Default)]
pub struct Files {
    /// Towards clients; `None` is plaintext.
    pub tls: Option<Arc<Server>>,
    /// Towards brokers; `None` is plaintext.
    pub upstream_tls: Option<Client>,
}

impl Files {
    /// Loads them, and says everything that is wrong. Reading blocks. `previous` is what is in force towards clients.
    pub fn load(cluster: &VirtualCluster, previous: Option<&Server>) -> Result<Self, Vec<Fault>> {
        let name = &cluster.name;
        let mut faults = Vec::new();
        let mut files = Files::default();
        if let Some(tls) = &cluster.tls {
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
            false => Err(faults),
        }
    }

    /// The files that a cluster is configured with.
    pub fn paths(cluster: &VirtualCluster) -> Vec<PathBuf> {
        let of_clients = cluster.tls.iter().flat_map(Server::files);
        let of_brokers = cluster.upstream_tls.iter().flat_map(Client::files);
        of_clients.chain(of_brokers).map(Into::into).collect()
    }

    /// What an operator should look at, a line each; bounded in number and length. `service` is the address that the cluster's
    /// Service has, where that is known.
    pub fn warnings(&self, cluster: &VirtualCluster, service: Option<&str>) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(server) = &self.tls {
            warnings.extend_from_slice(server.warnings());
            // Without any name it was said already.
            if !server.names().is_empty() {
                warnings.extend(not_covered(cluster, service, server));
            }
        }
        if let Some(client) = &self.upstream_tls {
            warnings.extend_from_slice(client.warnings());
        }
        warnings
    }

    /// What is fine where it is meant, a line each.
    pub fn notes(&self) -> Vec<String> {
        let of_clients = self.tls.as_ref().and_then(|server| server.note());
        let of_brokers = self.upstream_tls.as_ref().and_then(Client::note);
        let all = of_clients.into_iter().chain(of_brokers);
        all.map(str::to_owned).collect()
    }
}

/// Says which hosts that clients are told are not in the certificate: a client that verifies it gives up there.
fn not_covered(cluster: &VirtualCluster, service: Option<&str>, server: &Server) -> Option<String> {
    let ports = cluster.ports.as_ref();
    let of_ports = ports.and_then(|ports| ports.host_of(Route::Bootstrap).or(service));
    let of_sni = cluster.sni.iter().flat_map(|sni| hosts(&sni.ports));
    let told = of_ports.into_iter().chain(of_sni);
    let missing: Vec<&str> = told.filter(|host| !server.covers(host)).collect();
    if missing.is_empty() {
        return None;
    }
    let file = cluster.tls.as_ref()?.certificate.display();
    // What most people trip over: *.example.com looks as if it were for broker-0.kafka.example.com.
    let is_below = |host: &&str| server.names().iter().any(|name| is_deep_below(name, host));
    let hint = match missing.iter().find(|host| is_below(host)) {
        Some(host) => format!(
            " (a wildcard stands for one label: {host} needs *.{})",
            host.split_once('.').map_or("", |(_, parent)| parent)
        ),
        None => String::new(),
    };
    Some(format!(
        "{file}: the certificate is not for {}, which clients are told: those that verify it will refuse it; it is for {}{hint}",
        some(&missing),
        some(server.names())
    ))
}

/// Whether a host is below the wildcard, but not next to it.
fn is_deep_below(name: &str, host: &str) -> bool {
    let Some(parent) = name.strip_prefix('*') else {
        return false;
    };
    let (host, parent) = (host.to_ascii_lowercase(), parent.to_ascii_lowercase());
    host.strip_suffix(&parent)
        .is_some_and(|labels| labels.contains('.'))
}

fn hosts(map: &PortMap) -> impl Iterator<Item = &str> {
    let nodes = map.nodes().map(|(id, _)| Route::Node(id));
    let routes = std::iter::once(Route::Bootstrap).chain(nodes);
    routes.filter_map(|route| map.host_of(route))
}

/// A few of these, and how many more there are.
fn some(names: &[impl AsRef<str>]) -> String {
    let few: Vec<&str> = names.iter().take(FEW).map(AsRef::as_ref).collect();
    let few = few.join(", ");
    match names.len().saturating_sub(FEW) {
        0 => few,
        more => format!("{few} and {more} more"),
    }
}

/// Certificates commonly have a handful of names; what a warning is for is seen in these.
const FEW: usize = 8;
