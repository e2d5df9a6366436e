//! Where the nodes of a cluster run, and by which addresses they are found there.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::kubernetes::Pods;
use crate::listener::DIRECT_PORT;
use crate::network::Network;

/// Where the nodes of a cluster run.
pub enum Place {
    /// On this machine, each at a loopback address of its own.
    Loopback {
        network: Network,
        /// Which address of the network each node has now.
        hosts: Mutex<BTreeMap<i32, usize>>,
    },
    /// In pods, each of which is a machine of its own.
    Pods(Pods),
}

impl Place {
    /// Loopback addresses for these nodes.
    pub fn loopback(ids: &[i32]) -> Self {
        Place::Loopback {
            network: Network::take(),
            hosts: Mutex::new(ids.iter().copied().zip(1..).collect()),
        }
    }

    /// Where the tests themselves find a node.
    pub fn address(&self, id: i32) -> Ipv4Addr {
        match self {
            Place::Loopback { network, hosts } => {
                let host = *lock(hosts).get(&id).expect("a node of this cluster");
                network.host(host)
            }
            Place::Pods(pods) => pods.address(id),
        }
    }

    /// At which port.
    pub fn direct_port(&self) -> u16 {
        match self {
            Place::Loopback { .. } => DIRECT_PORT,
            Place::Pods(_) => Pods::PORT,
        }
    }

    /// What stands before a command that is to run where the node is.
    pub fn words(&self, id: i32) -> Vec<String> {
        match self {
            Place::Loopback { .. } => Vec::new(),
            Place::Pods(pods) => pods.words(id),
        }
    }

    /// The loopback address with this number.
    pub fn loopback_address(&self, host: usize) -> Ipv4Addr {
        match self {
            Place::Loopback { network, .. } => network.host(host),
            Place::Pods(_) => panic!("pods have no loopback addresses"),
        }
    }

    /// Which loopback addresses the nodes have.
    pub fn hosts(&self) -> MutexGuard<'_, BTreeMap<i32, usize>> {
        match self {
            Place::Loopback { hosts, .. } => lock(hosts),
            Place::Pods(_) => panic!("pods have no loopback addresses"),
        }
    }

    /// The pods.
    pub fn pods(&self) -> &Pods {
        match self {
            Place::Loopback { .. } => panic!("there are no pods"),
            Place::Pods(pods) => pods,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
