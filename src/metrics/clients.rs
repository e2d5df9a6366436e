//! Which software the clients are: a gauge whose labels come from the clients, and so bounded.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::{IntGauge, IntGaugeVec, Opts, Registry};

use crate::protocol::software::ClientSoftware;

/// So many names and versions are told apart in each cluster. Clients that bring more are counted as [`OTHER`].
const PAIRS: usize = 100;

/// The name and version of all that is not told apart, and of what no broker would accept.
const OTHER: &str = "other";

/// The family.
#[derive(Debug)]
pub(super) struct Clients(IntGaugeVec);

/// That of one cluster.
#[derive(Debug)]
pub(super) struct ClusterClients {
    family: IntGaugeVec,
    cluster: String,
    seen: Mutex<BTreeMap<Arc<str>, Versions>>,
}

type Versions = BTreeMap<Arc<str>, IntGauge>;

/// A client software, and how many connections introduced themselves so since this process started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenSoftware {
    /// As the clients say it, or `other`.
    pub name: Arc<str>,
    /// As the clients say it, or `other`.
    pub version: Arc<str>,
    /// Connections, those that have ended included.
    pub connections_total: u64,
}

impl Clients {
    /// Registers it.
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let family = IntGaugeVec::new(
            Opts::new(
                "portolan_client_software",
                "Connections since the start, by what their clients say that they are (ApiVersions version 3 and later); the first 100 \
                 names and versions of a cluster, all others as \"other\".",
            ),
            &["cluster", "name", "version"],
        )?;
        registry.register(Box::new(family.clone()))?;
        Ok(Clients(family))
    }

    /// That of one cluster; no client was seen yet.
    pub(super) fn of(&self, cluster: &str) -> ClusterClients {
        ClusterClients {
            family: self.0.clone(),
            cluster: cluster.to_owned(),
            seen: Mutex::default(),
        }
    }
}

impl ClusterClients {
    /// One more connection.
    pub(super) fn count(&self, software: Option<ClientSoftware<'_>>) {
        let (name, version) = software.map_or((OTHER, OTHER), |it| (it.name, it.version));
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gauge) = seen.get(name).and_then(|versions| versions.get(version)) {
            return gauge.inc();
        }
        let (name, version) = match seen.values().map(BTreeMap::len).sum::<usize>() < PAIRS {
            true => (name, version),
            false => (OTHER, OTHER),
        };
        let versions = seen.entry(name.into()).or_default();
        let gauge = versions.entry(version.into()).or_insert_with(|| {
            self.family
                .with_label_values(&[self.cluster.as_str(), name, version])
        });
        gauge.inc();
    }

    pub(super) fn seen(&self) -> Vec<SeenSoftware> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let pairs = seen
            .iter()
            .flat_map(|(name, versions)| versions.iter().map(move |pair| (name, pair)));
        pairs
            .map(|(name, (version, gauge))| SeenSoftware {
                name: name.clone(),
                version: version.clone(),
                connections_total: gauge.get() as u64,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_one_cluster() -> (Registry, ClusterClients) {
        let registry = Registry::new();
        let clients = Clients::new(&registry).unwrap().of("main");
        (registry, clients)
    }

    fn seen(name: &str, version: &str, connections_total: u64) -> SeenSoftware {
        SeenSoftware {
            name: name.into(),
            version: version.into(),
            connections_total,
        }
    }

    #[test]
    fn each_name_and_version_is_counted() {
        let (registry, clients) = of_one_cluster();
        assert!(registry.gather().is_empty(), "nobody was seen");
        for version in ["4.3.1", "4.3.1", "3.9.0"] {
            let name = "apache-kafka-java";
            clients.count(Some(ClientSoftware { name, version }));
        }
        clients.count(None);
        let java = "apache-kafka-java";
        assert_eq!(
            clients.seen(),
            [
                seen(java, "3.9.0", 1),
                seen(java, "4.3.1", 2),
                seen(OTHER, OTHER, 1)
            ]
        );
        let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather());
        let series = r#"portolan_client_software{cluster="main",name="apache-kafka-java",version="4.3.1"} 2"#;
        assert!(text.as_ref().unwrap().contains(series), "{text:?}");
    }

    #[test]
    fn clients_cannot_make_it_grow() {
        let (registry, clients) = of_one_cluster();
        for n in 0..10 * PAIRS {
            let version = n.to_string();
            clients.count(Some(ClientSoftware {
                name: if n % 2 == 0 { "even" } else { "odd" },
                version: &version,
            }));
        }
        let all = clients.seen();
        // And one for the others.
        assert_eq!(all.len(), PAIRS + 1);
        assert!(
            all.contains(&seen(OTHER, OTHER, 9 * PAIRS as u64)),
            "{all:?}"
        );
        assert_eq!(registry.gather()[0].get_metric().len(), PAIRS + 1);
        // Those that are known go on.
        let (name, version) = ("odd", "1");
        clients.count(Some(ClientSoftware { name, version }));
        assert!(clients.seen().contains(&seen(name, version, 2)));
    }
}
