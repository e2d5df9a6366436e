//! What this process is doing, for those who look from outside: `/status`, the status page and `/lbz`.
//!
//! The server shows here what it has put into force and what became of reloads; the rest (counters, which brokers can be
//! reached) is read where it is when somebody looks.

mod cluster;
mod json;
mod service;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use arc_swap::ArcSwap;

pub use service::{Audience, ServiceStatus};

use crate::config::{Advertise, Config};
use crate::session::LiveCluster;

/// Shared by the server, which shows, and the admin listener, which looks.
#[derive(Debug)]
pub struct Board {
    began: Instant,
    started: SystemTime,
    threads: usize,
    in_force: ArcSwap<InForce>,
    reloads: Mutex<Reloads>,
    /// By the clusters' names.
    services: Mutex<BTreeMap<String, ServiceStatus>>,
}

/// What is in force.
#[derive(Clone, Debug)]
pub struct InForce {
    /// The configuration.
    pub config: Config,
    /// Its clusters, by name.
    pub clusters: BTreeMap<String, LiveCluster>,
}

#[derive(Clone, Debug, Default)]
struct Reloads {
    file: Option<PathBuf>,
    loaded: Option<SystemTime>,
    /// Why the last one was refused; `None` once one succeeds.
    fault: Option<(SystemTime, String)>,
}

impl Board {
    /// With nothing in force yet, for so many worker threads. `config` is to be the first.
    pub fn new(config: Config, threads: usize) -> Self {
        Board {
            began: Instant::now(),
            started: SystemTime::now(),
            threads,
            in_force: ArcSwap::from_pointee(InForce {
                config,
                clusters: BTreeMap::new(),
            }),
            reloads: Mutex::default(),
            services: Mutex::default(),
        }
    }

    /// This is in force from now on.
    pub fn show(&self, in_force: InForce) {
        self.in_force.store(Arc::new(in_force));
        let mut reloads = self.reloads();
        reloads.loaded = Some(SystemTime::now());
        reloads.fault = None;
    }

    /// The configuration comes from this file.
    pub fn show_file(&self, file: PathBuf) {
        self.reloads().file = Some(file);
    }

    /// A reload was refused.
    pub fn show_fault(&self, fault: &str) {
        self.reloads().fault = Some((SystemTime::now(), fault.to_owned()));
    }

    /// This is known of the Service of a cluster; `None` once it has none.
    pub fn show_service(&self, cluster: &str, status: Option<ServiceStatus>) {
        let mut services = self.services();
        match status {
            Some(status) => services.insert(cluster.to_owned(), status),
            None => services.remove(cluster),
        };
    }

    /// What is in force.
    pub fn in_force(&self) -> Arc<InForce> {
        self.in_force.load_full()
    }

    /// A Service whose address clients are to be told, and that could not be read even once.
    pub fn unread(&self) -> Option<String> {
        let in_force = self.in_force();
        let is_needed = |cluster: &str| {
            let cluster = in_force.config.clusters.get(cluster);
            cluster.is_some_and(|cluster| cluster.advertise == Advertise::Configured)
        };
        let services = self.services();
        let mut unread = services.iter().filter(|(cluster, service)| {
            service.address.is_none() && !service.has_none && is_needed(cluster)
        });
        unread.next().map(|(_, service)| service.service.clone())
    }

    /// The clusters none of whose brokers can be reached, by name. Without probes that is not known: a balancer that sends
    /// nobody because one client was refused would never learn that the brokers are back.
    pub fn unreachable(&self) -> Vec<String> {
        let in_force = self.in_force();
        if in_force.config.health.interval.is_none() {
            return Vec::new();
        }
        let clusters = in_force.clusters.iter();
        clusters
            .filter(|(_, cluster)| cluster.load().reachable() == Some(false))
            .map(|(name, _)| name.clone())
            .collect()
    }

    fn services(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, ServiceStatus>> {
        self.services.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reloads(&self) -> std::sync::MutexGuard<'_, Reloads> {
        self.reloads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
