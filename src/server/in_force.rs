//! What is in force of the configuration at run time: made first, as a whole, and only then put in the place of what was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use tracing::{info, warn};

use super::StartError;
use super::clashes::Clashes;
use super::cluster::{Bound, ForClusters};
use super::doors::{Doors, Moved, Plan};
use super::listen::SPREADS;
use crate::config::{Config, Faults, ServiceName, VirtualCluster};
use crate::limits;
use crate::metrics::{Metrics, Side};
use crate::session::{Cluster, LiveCluster};
use crate::status::{self, Board};
use crate::transport::tls::files::Files;
use crate::transport::tls::server::Server;

/// The clusters and doors that are in force.
#[derive(Debug)]
pub(super) struct InForce {
    config: Config,
    threads: usize,
    shared: ForClusters,
    clusters: BTreeMap<String, LiveCluster>,
    doors: Doors,
    board: Arc<Board>,
    /// What was said of the files of each cluster.
    told: BTreeSet<Told>,
    /// What Services said last, by the clusters' names.
    hosts: BTreeMap<String, (ServiceName, String)>,
    clashes: Clashes,
}

/// What is to be said of the files of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Told {
    cluster: String,
    text: String,
    is_warning: bool,
}

/// What can be put into force: nothing that may go wrong is left to do.
#[derive(Debug)]
pub(super) struct Next {
    config: Config,
    clusters: BTreeMap<String, Cluster>,
    /// In the place of clusters that are not in it.
    empty: BTreeMap<String, Cluster>,
    plan: Plan,
    told: BTreeSet<Told>,
}

/// The files of all clusters, by the clusters' names.
pub(super) type AllFiles = BTreeMap<String, Files>;

/// The clusters that are in force, by their names.
pub(super) type Previous = BTreeMap<String, Arc<Cluster>>;

/// Loads the files of all clusters, and says everything that is wrong with them. Reading blocks.
pub(super) fn load(config: &Config, previous: &Previous) -> Result<AllFiles, Faults> {
    let mut faults = Vec::new();
    let mut all = AllFiles::new();
    for (name, cluster) in &config.clusters {
        let previous = previous
            .get(name)
            .and_then(|previous| previous.tls.as_deref());
        match Files::load(cluster, previous) {
            Ok(files) => drop(all.insert(name.clone(), files)),
            Err(found) => faults.extend(found),
        }
    }
    match faults.is_empty() {
        true => Ok(all),
        false => Err(Faults(faults)),
    }
}

/// Loads the files of these clusters as far as nothing is wrong with them, and for all others keeps what is in force: one
/// cluster's mistake must not let another one's certificate expire. Reading blocks.
pub(super) fn load_good(config: &Config, previous: &Previous, of: &BTreeSet<String>) -> Good {
    let mut good = Good::default();
    for (name, cluster) in &config.clusters {
        let previous = previous.get(name);
        let tls = previous.and_then(|previous| previous.tls.clone());
        let loaded = of
            .contains(name)
            .then(|| Files::load(cluster, tls.as_deref()));
        let files = match loaded {
            Some(Ok(files)) => {
                good.renewed += 1;
                files
            }
            None | Some(Err(_)) => Files {
                tls,
                upstream_tls: previous.and_then(|previous| previous.upstream.tls().cloned()),
            },
        };
        good.files.insert(name.clone(), files);
    }
    good
}

/// What [`load_good`] found.
#[derive(Debug, Default)]
pub(super) struct Good {
    pub(super) files: AllFiles,
    /// Of how many clusters they are loaded anew.
    pub(super) renewed: usize,
}

impl InForce {
    /// Nothing yet, for so many threads. `config` is to be the first.
    pub(super) fn nothing(metrics: Arc<Metrics>, config: Config, threads: usize) -> Self {
        InForce {
            board: Arc::new(Board::new(config.clone(), threads)),
            threads,
            shared: ForClusters::new(metrics, &config.limits),
            config,
            clusters: BTreeMap::new(),
            doors: Doors::default(),
            told: BTreeSet::new(),
            hosts: BTreeMap::new(),
            clashes: Clashes::default(),
        }
    }

    /// The configuration.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// Where it is shown.
    pub(super) fn board(&self) -> &Arc<Board> {
        &self.board
    }

    /// What is in force of each cluster.
    pub(super) fn clusters(&self) -> &BTreeMap<String, LiveCluster> {
        &self.clusters
    }

    /// The clusters as they are now, for [`load`] too.
    pub(super) fn previous(&self) -> Previous {
        let clusters = self.clusters.iter();
        clusters
            .map(|(name, live)| (name.clone(), live.load_full()))
            .collect()
    }

    /// Makes everything that this configuration needs; what is in force stays.
    pub(super) fn prepare(&self, config: Config, mut files: AllFiles) -> Result<Next, StartError> {
        let per_port = sockets_per_port(count_ports(&config), self.threads);
        let clusters = config.clusters.values();
        let mut plan = self
            .doors
            .plan(clusters.clone(), per_port, config.timeouts.keepalive);
        let bound = clusters.clone().map(|c| {
            let host = self.host_or_last(c);
            Bound::bind(c, host.as_deref(), &mut plan)
        });
        let bound: Vec<Bound> = bound.collect::<Result<_, _>>()?;
        let mut made = BTreeMap::new();
        let mut told = BTreeSet::new();
        for (cluster, bound) in clusters.zip(bound) {
            let name = &cluster.name;
            let files = files.remove(name).unwrap_or_default();
            let host = self.host_or_last(cluster);
            told.extend(told_of(cluster, &files, host.as_ref()));
            made.insert(name.clone(), self.make(&config, cluster, bound, files)?);
        }
        let mut empty = BTreeMap::new();
        for (name, cluster) in &self.config.clusters {
            if self.clusters.contains_key(name) && !config.clusters.contains_key(name) {
                let made = self.make(&config, cluster, Bound::default(), Files::default())?;
                empty.insert(name.clone(), made);
            }
        }
        Ok(Next {
            config,
            clusters: made,
            empty,
            plan,
            told,
        })
    }

    /// Puts it into force: for sessions that begin or look from here on.
    pub(super) fn put(&mut self, next: Next) -> Moved {
        self.shared.limit(&next.config.limits);
        self.config = next.config;
        let in_force = &self.config.clusters;
        self.hosts.retain(|name, (service, _)| {
            let cluster = in_force.get(name);
            cluster.is_some_and(|c| c.advertised_from_service.as_ref() == Some(service))
        });
        for (name, cluster) in next.clusters {
            self.expiry(&name, Some(&cluster));
            cluster.metrics.only_reachable(cluster.routes().collect());
            match self.clusters.get(&name) {
                Some(live) => live.store(Arc::new(cluster)),
                None => {
                    let live = Arc::new(ArcSwap::from_pointee(cluster));
                    self.clusters.insert(name, live);
                }
            }
        }
        for (name, cluster) in next.empty {
            self.expiry(&name, None);
            cluster.metrics.only_reachable(BTreeSet::new());
            if let Some(live) = self.clusters.remove(&name) {
                live.store(Arc::new(cluster));
            }
        }
        self.tell(next.told);
        let in_force = self.previous();
        self.clashes.look_anew(in_force.values().map(Arc::as_ref));
        self.board.show(status::InForce {
            config: self.config.clone(),
            clusters: self.clusters.clone(),
        });
        let clusters = &self.clusters;
        let cluster = |name: &str| clusters.get(name).cloned();
        self.doors.put(next.plan, self.threads, cluster)
    }

    /// The host that clients of a cluster are told by its Service; `None` while it is not known.
    pub(super) fn told_by_service(&self, name: &str) -> Option<&String> {
        self.host(self.config.clusters.get(name)?)
    }

    fn host(&self, cluster: &VirtualCluster) -> Option<&String> {
        let (service, host) = self.hosts.get(&cluster.name)?;
        (cluster.advertised_from_service.as_ref() == Some(service)).then_some(host)
    }

    /// The same, or what clients are told now while another Service than theirs is yet to be read.
    fn host_or_last(&self, cluster: &VirtualCluster) -> Option<String> {
        let of_service = self.host(cluster).cloned();
        of_service.or_else(|| {
            cluster.advertised_from_service.as_ref()?;
            let last = self.clusters.get(&cluster.name)?.load();
            last.host().map(str::to_owned)
        })
    }

    /// Lets clients of a cluster be told this host, as its Service says. Nothing else changes: sessions go on.
    pub(super) fn advertise(
        &mut self,
        name: &str,
        service: &ServiceName,
        host: &str,
    ) -> Result<(), StartError> {
        let of_config = self.config.clusters.get(name);
        let (Some(of_config), Some(live)) = (of_config, self.clusters.get(name)) else {
            return Ok(());
        };
        let cluster = live.load_full();
        let files = Files {
            tls: cluster.tls.clone(),
            upstream_tls: cluster.upstream.tls().cloned(),
        };
        let mut told = self.told.clone();
        told.retain(|told| told.cluster != name);
        told.extend(told_of(of_config, &files, Some(&host.to_owned())));
        let bound = Bound::again(&cluster, host);
        let made = self.make(&self.config, of_config, bound, files)?;
        live.store(Arc::new(made));
        let said = (service.clone(), host.to_owned());
        self.hosts.insert(name.to_owned(), said);
        self.tell(told);
        let in_force = self.previous();
        self.clashes.look(in_force.values().map(Arc::as_ref));
        Ok(())
    }

    /// Says what is new of what is to be said of files.
    fn tell(&mut self, all: BTreeSet<Told>) {
        for told in all.difference(&self.told) {
            let Told { cluster, text, .. } = told;
            match told.is_warning {
                true => warn!(cluster, "{text}"),
                false => info!(cluster, "{text}"),
            }
        }
        self.told = all;
    }

    fn make(
        &self,
        config: &Config,
        cluster: &VirtualCluster,
        bound: Bound,
        files: Files,
    ) -> Result<Cluster, StartError> {
        let live = self.clusters.get(&cluster.name);
        let previous = live.map(|live| live.load_full());
        self.shared
            .make(config, cluster, bound, files, previous.as_deref())
    }

    /// Tells until when the certificates of a cluster are good; `None` once it is gone.
    fn expiry(&self, name: &str, cluster: Option<&Cluster>) {
        let server = cluster.and_then(|cluster| cluster.tls.as_deref());
        let client = cluster.and_then(|cluster| cluster.upstream.tls());
        let metrics = &self.shared.metrics;
        metrics.certificate_expires(name, Side::Client, server.map(Server::not_after));
        metrics.certificate_expires(name, Side::Broker, client.and_then(|own| own.not_after()));
    }
}

/// What is to be said of the files of a cluster whose Service has this address.
fn told_of(cluster: &VirtualCluster, files: &Files, host: Option<&String>) -> Vec<Told> {
    let warnings = files.warnings(cluster, host.map(String::as_str));
    let all = [(warnings, true), (files.notes(), false)].into_iter();
    let all = all.flat_map(|(texts, is_warning)| texts.into_iter().map(move |t| (t, is_warning)));
    all.map(|(text, is_warning)| Told {
        cluster: cluster.name.clone(),
        text,
        is_warning,
    })
    .collect()
}

/// How many ports a configuration has.
pub(super) fn count_ports(config: &Config) -> usize {
    let clusters = config.clusters.values();
    clusters.map(VirtualCluster::count_ports).sum()
}

/// On how many threads each port listens.
pub(super) fn sockets_per_port(ports: usize, threads: usize) -> usize {
    match SPREADS {
        true => limits::sockets_per_port(ports, threads),
        false => 1,
    }
}
