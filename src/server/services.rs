//! Follows the Services whose load balancers' addresses clients are told, one for each cluster that wants it, and says what
//! becomes of them.
//!
//! Nothing waits for an address: the process is ready without it, for some load balancers give one only once somebody is behind
//! them. Until it is known clients are closed when they speak ([`EndReason::AddressUnknown`]). But a process that could not even read
//! the Service is not ready: it would take the place of one that knows the address.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::SystemTime;

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::StartError;
use super::in_force::InForce;
use crate::config::{Config, ServiceName};
use crate::kubernetes::{Failure, News};
use crate::metrics::Metrics;
use crate::port_map::Route;
use crate::session::Cluster;
use crate::session::end::EndReason;
use crate::status::{Audience, ServiceStatus};

/// The Services that are followed.
#[derive(Debug)]
pub(super) struct Services {
    followed: BTreeMap<String, Followed>,
    #[cfg_attr(
        not(feature = "kubernetes"),
        expect(dead_code, reason = "in such a build nothing is found out")
    )]
    sender: Sender<Told>,
    told: Receiver<Told>,
}

/// What was found out and not taken note of yet. Who finds out more than that waits, and tells the latest then.
const UNTOLD: usize = 16;

/// The Service of one cluster. It is followed until this is dropped.
#[derive(Debug)]
struct Followed {
    service: ServiceName,
    /// What it was said to have last; `None` before that.
    address: Option<Option<String>>,
    status: ServiceStatus,
    _task: JoinSet<Infallible>,
}

/// What was found out for a cluster.
#[derive(Debug)]
pub(super) struct Told {
    cluster: String,
    /// Another may be followed by now.
    service: ServiceName,
    news: News,
}

impl Services {
    pub(super) fn new() -> Self {
        let (sender, told) = channel(UNTOLD);
        Services {
            followed: BTreeMap::new(),
            sender,
            told,
        }
    }

    /// Follows those of this configuration, and no others.
    pub(super) fn follow(&mut self, in_force: &InForce, metrics: &Metrics) {
        let config = in_force.config();
        self.followed.retain(|cluster, followed| {
            let stays = service(config, cluster) == Some(&followed.service);
            if !stays {
                metrics.service_followed(cluster, None);
                in_force.board().show_service(cluster, None);
            }
            stays
        });
        for cluster in config.clusters.keys() {
            let Some(service) = service(config, cluster) else {
                continue;
            };
            if self.followed.contains_key(cluster) {
                continue;
            }
            let mut status = ServiceStatus::of(service.to_string());
            // What clients were told before a reload that names another Service.
            let live = in_force.clusters().get(cluster);
            let host = live.and_then(|live| live.load().host().map(str::to_owned));
            metrics.service_followed(cluster, Some(host.is_some()));
            status.address = host.map(|host| (SystemTime::now(), host));
            in_force.board().show_service(cluster, Some(status.clone()));
            let followed = Followed {
                service: service.clone(),
                address: None,
                status,
                _task: self.start(cluster, service),
            };
            self.followed.insert(cluster.clone(), followed);
        }
    }

    #[cfg(feature = "kubernetes")]
    fn start(&self, cluster: &str, service: &ServiceName) -> JoinSet<Infallible> {
        let mut task = JoinSet::new();
        let (sender, cluster) = (self.sender.clone(), cluster.to_owned());
        let followed = service.clone();
        let tell = move |news| {
            let (sender, told) = (
                sender.clone(),
                Told {
                    cluster: cluster.clone(),
                    service: followed.clone(),
                    news,
                },
            );
            async move {
                // Nobody listens any more once the process goes away.
                let _ = sender.send(told).await;
            }
        };
        task.spawn(crate::kubernetes::follow(service.clone(), tell));
        task
    }

    /// A configuration that wants it is refused by such a build.
    #[cfg(not(feature = "kubernetes"))]
    fn start(&self, _: &str, _: &ServiceName) -> JoinSet<Infallible> {
        JoinSet::new()
    }

    /// Waits for something to be found out.
    pub(super) async fn next(&mut self) -> Told {
        match self.told.recv().await {
            Some(told) => told,
            // One sender is here.
            None => std::future::pending().await,
        }
    }

    /// Takes note of it. True if clients are told something else from now on.
    pub(super) fn take(
        &mut self,
        told: Told,
        in_force: &mut InForce,
        metrics: &Metrics,
    ) -> Result<bool, StartError> {
        let name = told.cluster;
        let followed = self.followed.get_mut(&name);
        let followed = followed.filter(|followed| followed.service == told.service);
        let (Some(followed), Some(cluster)) = (followed, in_force.clusters().get(&name)) else {
            return Ok(false);
        };
        let cluster = cluster.load_full();
        let changed = match told.news {
            News::Failed(failure) => {
                metrics.service_failed(&name, failure.reason);
                followed.failed(failure, &cluster);
                false
            }
            News::Watched => {
                followed.read(&cluster);
                false
            }
            News::Address {
                address,
                skipped,
                flaps,
            } => {
                if flaps {
                    followed.flaps(skipped, &cluster);
                }
                match address {
                    None => {
                        let of_config = in_force.config().clusters.get(&name);
                        followed.without(of_config.map(Audience::of), &cluster);
                        false
                    }
                    Some(host) => {
                        let changes = in_force.told_by_service(&name) != Some(&host);
                        if changes {
                            in_force.advertise(&name, &told.service, &host)?;
                            metrics.service_followed(&name, Some(true));
                        }
                        followed.has(host, changes, &cluster);
                        changes
                    }
                }
            }
        };
        let status = followed.status.clone();
        in_force.board().show_service(&name, Some(status));
        Ok(changed)
    }
}

impl Followed {
    fn failed(&mut self, failure: Failure, cluster: &Cluster) {
        let Failure {
            reason,
            message,
            remedy,
        } = failure;
        let key = (cluster.name.clone(), reason, Route::Bootstrap.into());
        if let Some(repeats) = cluster.faults.admit(key) {
            let (cluster, service) = (cluster.name.as_str(), &self.service);
            warn!(cluster, %service, reason, repeats, remedy, "cannot read the Service whose address clients are told: {message}");
        }
        self.status.fault = Some((SystemTime::now(), reason, message));
    }

    /// It can be read and watched.
    fn read(&mut self, cluster: &Cluster) {
        self.status.fault = None;
        if is_over(cluster, &Failure::REASONS) {
            let (cluster, service) = (cluster.name.as_str(), &self.service);
            info!(cluster, %service, "the Service can be read again");
        }
    }

    /// Its address changes so often that not all of it was told.
    fn flaps(&self, skipped: u64, cluster: &Cluster) {
        let key = (cluster.name.clone(), FLAPS, Route::Bootstrap.into());
        if let Some(repeats) = cluster.faults.admit(key) {
            let (cluster, service) = (cluster.name.as_str(), &self.service);
            warn!(cluster, %service, skipped, repeats, "the address of the Service changes all the time, and clients are not told each change: see who else writes its status");
        }
    }

    /// It has no address. What clients are told stays.
    fn without(&mut self, closed: Option<Audience>, cluster: &Cluster) {
        if self.address.replace(None) == Some(None) {
            return;
        }
        let (cluster, service) = (cluster.name.as_str(), &self.service);
        self.status.has_none = true;
        match &self.status.address {
            None => {
                let closed = closed.unwrap_or(Audience::All).clients();
                warn!(cluster, %service, "the Service has no address yet: {closed} are closed until its load balancer gives it one");
            }
            Some((_, host)) => {
                warn!(cluster, %service, host, "the Service has lost its address: clients are still told the last one");
            }
        }
    }

    fn has(&mut self, host: String, changes: bool, cluster: &Cluster) {
        let before = self.address.replace(Some(host.clone()));
        self.status.has_none = false;
        let was = self.status.address.take();
        let since = was.as_ref().filter(|_| !changes).map(|(since, _)| *since);
        is_over(cluster, &[EndReason::AddressUnknown.label()]);
        let (cluster, service) = (cluster.name.as_str(), &self.service);
        match was {
            Some((_, before)) if before != host => {
                info!(cluster, %service, host, before, "the Service has another address, which clients are told from now on");
            }
            None => {
                info!(cluster, %service, host, "the Service has an address, which clients are told from now on");
            }
            Some(_) if before == Some(None) => {
                info!(cluster, %service, host, "the Service has its address again");
            }
            Some(_) => {}
        }
        self.status.address = Some((since.unwrap_or_else(SystemTime::now), host));
    }
}

/// The Service of a cluster.
fn service<'c>(config: &'c Config, cluster: &str) -> Option<&'c ServiceName> {
    let cluster = config.clusters.get(cluster)?;
    cluster.advertised_from_service.as_ref()
}

/// For [`Cluster::faults`].
const FLAPS: &str = "address_flaps";

fn is_over(cluster: &Cluster, ways: &[&'static str]) -> bool {
    let door = Route::Bootstrap.into();
    cluster.faults.are_over(&cluster.name, ways, door)
}
