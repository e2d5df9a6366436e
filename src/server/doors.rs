//! Which ports are open and where each leads: kept on the main thread, looked at by the accept loops of all threads.
//!
//! A reload keeps the sockets of every port that some door has before and after it, be it the same door or another one: no
//! connection in a queue of the kernel is lost, and nobody else can take the port in between.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::watch;
use tracing::info;

use super::StartError;
use super::accept::Listener;
use super::listen::{Port, listen};
use super::worker::Arrival;
use crate::config::VirtualCluster;
use crate::limits::Permit;
use crate::port_map::{Door, NodePort, Route};
use crate::session::LiveCluster;

/// Where a port leads.
#[derive(Clone, Debug)]
pub(super) struct Lead {
    pub(super) door: Door,
    pub(super) cluster: LiveCluster,
    /// False once the port is to be closed.
    pub(super) open: bool,
}

/// A door of a cluster, by its name.
type Key = (String, Door);

/// The ports that are open.
#[derive(Debug, Default)]
pub(super) struct Doors {
    all: BTreeMap<Key, Open>,
    /// How many were ever opened: each begins with another thread.
    opened: usize,
}

#[derive(Debug)]
struct Open {
    /// What the configuration says; its port may be 0.
    asked: SocketAddr,
    address: SocketAddr,
    lead: watch::Sender<Lead>,
}

/// The doors of a configuration that is not in force yet, with the ports that were bound for it. They close if this is
/// dropped.
#[derive(Debug)]
pub(super) struct Plan {
    kept: BTreeSet<Key>,
    /// Ports that are open for doors which do not keep them.
    free: BTreeMap<SocketAddr, Key>,
    /// All that are open.
    open: BTreeMap<Key, SocketAddr>,
    next: BTreeMap<Key, Planned>,
    per_port: usize,
    keepalive: Option<Duration>,
}

#[derive(Debug)]
struct Planned {
    asked: SocketAddr,
    port: PlannedPort,
}

#[derive(Debug)]
enum PlannedPort {
    /// The one that this door has now.
    Of(Key),
    New(Port),
}

/// What comes of doors that were put into force.
#[derive(Debug)]
pub(super) struct Moved {
    /// For each thread, the sockets that it is to accept on.
    pub(super) listeners: Vec<Vec<Listener>>,
    /// Ports that close now.
    pub(super) closing: Closing,
}

/// Ports that are about to close.
#[derive(Debug)]
pub(super) struct Closing(Vec<watch::Sender<Lead>>);

impl Lead {
    /// A connection that came here.
    pub(super) fn arrival(&self, peer: SocketAddr, permit: Permit) -> Arrival {
        Arrival {
            peer,
            door: self.door,
            cluster: self.cluster.clone(),
            permit,
        }
    }
}

impl Doors {
    /// Begins a plan for these clusters. A new port gets `per_port` sockets, whose connections have these probes.
    pub(super) fn plan<'a>(
        &self,
        clusters: impl Iterator<Item = &'a VirtualCluster>,
        per_port: usize,
        keepalive: Option<Duration>,
    ) -> Plan {
        let wanted = clusters.flat_map(|cluster| {
            doors(cluster)
                .map(|(door, port)| ((cluster.name.clone(), door), address(cluster, port)))
        });
        let same = |(key, asked): &(Key, SocketAddr)| {
            self.all.get(key).is_some_and(|open| open.asked == *asked)
        };
        let kept: BTreeSet<Key> = wanted.filter(same).map(|(key, _)| key).collect();
        let open = self.all.iter();
        let open: BTreeMap<Key, SocketAddr> = open
            .map(|(key, open)| (key.clone(), open.address))
            .collect();
        let free = open.iter().filter(|(key, _)| !kept.contains(key));
        Plan {
            free: free.map(|(key, &address)| (address, key.clone())).collect(),
            kept,
            open,
            next: BTreeMap::new(),
            per_port,
            keepalive,
        }
    }

    /// Puts a plan of these doors into force, for so many threads. From here on new ports serve, and others close.
    pub(super) fn put(
        &mut self,
        plan: Plan,
        threads: usize,
        cluster: impl Fn(&str) -> Option<LiveCluster>,
    ) -> Moved {
        let mut before = std::mem::take(&mut self.all);
        let mut listeners: Vec<Vec<Listener>> = (0..threads).map(|_| Vec::new()).collect();
        for (key, Planned { asked, port }) in plan.next {
            let Some(live) = cluster(&key.0) else {
                continue;
            };
            let (name, door) = (key.0.as_str(), key.1);
            let lead = Lead {
                door,
                cluster: live,
                open: true,
            };
            let open = match port {
                PlannedPort::Of(from) => {
                    let Some(mut open) = before.remove(&from) else {
                        continue;
                    };
                    open.asked = asked;
                    if from != key {
                        let address = open.address;
                        info!(cluster = name, route = %door, %address, "the port leads here now");
                        open.lead.send_replace(lead);
                    }
                    open
                }
                PlannedPort::New(Port { address, sockets }) => {
                    info!(cluster = name, route = %door, %address, "listening");
                    let (sender, receiver) = watch::channel(lead);
                    for (n, socket) in sockets.into_iter().enumerate() {
                        // Where there are fewer than threads each thread gets its share of them.
                        listeners[(self.opened + n) % threads].push(Listener {
                            socket,
                            lead: receiver.clone(),
                            keepalive: plan.keepalive,
                        });
                    }
                    self.opened += 1;
                    Open {
                        asked,
                        address,
                        lead: sender,
                    }
                }
            };
            self.all.insert(key, open);
        }
        for ((name, door), open) in &before {
            let (cluster, address) = (name.as_str(), open.address);
            info!(cluster, route = %door, %address, "listens no more");
            open.lead.send_modify(|lead| lead.open = false);
        }
        let closing = before.into_values().map(|open| open.lead);
        Moved {
            listeners,
            closing: Closing(closing.collect()),
        }
    }
}

impl Plan {
    /// The port of a door: the one that it has or that another gives up, else a new one.
    pub(super) fn port(
        &mut self,
        cluster: &VirtualCluster,
        door: Door,
        port: NodePort,
    ) -> Result<NodePort, StartError> {
        let asked = address(cluster, port);
        let key = (cluster.name.clone(), door);
        let before = match self.kept.contains(&key) {
            true => Some(key.clone()),
            false => self.free.remove(&asked),
        };
        let (bound, port_of) = match before {
            Some(before) => {
                let bound = self
                    .open
                    .get(&before)
                    .map_or(asked.port(), SocketAddr::port);
                (bound, PlannedPort::Of(before))
            }
            None => {
                let purpose = || format!("cluster {}, {door}", cluster.name);
                let new = listen(asked, self.per_port, self.keepalive, purpose);
                let new = new.map_err(|error| self.blame_own(asked, error))?;
                (new.address.port(), PlannedPort::New(new))
            }
        };
        let planned = Planned {
            asked,
            port: port_of,
        };
        self.next.insert(key, planned);
        // Port 0, which tests use, becomes the port that the system chose, also where it is advertised.
        let advertised = match port.advertised {
            0 => bound,
            advertised => advertised,
        };
        Ok(NodePort { bound, advertised })
    }

    /// A port that this process has at another address is nobody else's fault.
    fn blame_own(&self, asked: SocketAddr, error: StartError) -> StartError {
        let own = self.open.values().find(|own| own.port() == asked.port());
        match (own, error) {
            (Some(own), StartError::Bind { purpose, error, .. })
                if error.kind() == io::ErrorKind::AddrInUse && asked.port() != 0 =>
            {
                StartError::Other(format!(
                    "cannot listen on {asked} ({purpose}): this process has the port, at {own}, and can only move it to another \
                     address when it is started again"
                ))
            }
            (_, error) => error,
        }
    }
}

impl Closing {
    /// Waits until all sockets are closed.
    pub(super) async fn closed(&self) {
        for lead in &self.0 {
            lead.closed().await;
        }
    }
}

/// The doors of a cluster, with their ports as configured.
pub(super) fn doors(cluster: &VirtualCluster) -> impl Iterator<Item = (Door, NodePort)> + '_ {
    let of_routes = cluster.ports.iter().flat_map(|map| {
        let nodes = map.nodes().map(|(id, port)| (Route::Node(id), port));
        std::iter::once((Route::Bootstrap, map.bootstrap())).chain(nodes)
    });
    let of_routes = of_routes.map(|(route, port)| (Door::from(route), port));
    let sni = cluster.sni.iter();
    of_routes.chain(sni.map(|sni| (Door::Sni, sni.ports.bootstrap())))
}

fn address(cluster: &VirtualCluster, port: NodePort) -> SocketAddr {
    SocketAddr::new(cluster.listen_address, port.bound)
}
