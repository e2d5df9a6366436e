//! Clusters that tell their clients the same address: a port of a load balancer leads to one of them only, and clients of the
//! others reach brokers of a cluster that they do not know.
//!
//! Where the hosts are in the configuration it is refused. The address of a Service is known only when that has one, and may be
//! that of another Service, or a host that another cluster has in its configuration.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tracing::warn;

use crate::port_map::{PortMap, Route};
use crate::session::Cluster;

/// What was told of these.
#[derive(Debug, Default)]
pub(super) struct Clashes {
    told: BTreeSet<Pair>,
}

/// A cluster, and another that is told the same.
type Pair = (String, String);

/// The first address, and how many there are.
type Same = (String, usize);

impl Clashes {
    /// Warns of those that there are now and that were not told yet. Addresses that come and go are told once.
    pub(super) fn look<'c>(&mut self, clusters: impl Iterator<Item = &'c Cluster>) {
        for (pair, (address, addresses)) in find(clusters) {
            let (cluster, other) = &pair;
            if !self.told.contains(&pair) {
                warn!(
                    cluster,
                    other,
                    address,
                    addresses,
                    "two clusters tell their clients the same addresses, each of which a load balancer can lead to one of them only: let one have other ports (advertised_port), or a Service of its own"
                );
            }
            self.told.insert(pair);
        }
    }

    /// The same with another configuration: what is not so any more is forgotten.
    pub(super) fn look_anew<'c>(&mut self, clusters: impl Iterator<Item = &'c Cluster> + Clone) {
        let found = find(clusters.clone());
        self.told.retain(|pair| found.contains_key(pair));
        self.look(clusters);
    }
}

/// Those of which one has its address from a Service: with others the configuration would not have been taken.
fn find<'c>(clusters: impl Iterator<Item = &'c Cluster>) -> BTreeMap<Pair, Same> {
    let mut owners: HashMap<(String, u16), &Cluster> = HashMap::new();
    let mut found = BTreeMap::new();
    for cluster in clusters {
        let maps = [&cluster.ports, &cluster.sni].into_iter().flatten();
        for (host, port) in maps.flat_map(addresses) {
            let owner = *owners.entry((host.clone(), port)).or_insert(cluster);
            if owner.name == cluster.name || (owner.service.is_none() && cluster.service.is_none())
            {
                continue;
            }
            let pair = (owner.name.clone(), cluster.name.clone());
            let same = found.entry(pair);
            let same: &mut Same = same.or_insert_with(|| (format!("{host}:{port}"), 0));
            same.1 += 1;
        }
    }
    found
}

/// All that clients are told, as far as it is known.
fn addresses(map: &PortMap) -> impl Iterator<Item = (String, u16)> {
    let nodes = map.nodes().map(|(id, port)| (Route::Node(id), port));
    let routes = [(Route::Bootstrap, map.bootstrap())]
        .into_iter()
        .chain(nodes);
    routes.filter_map(|(route, port)| {
        let host = map.host_of(route)?;
        Some((host.to_ascii_lowercase(), port.advertised))
    })
}
