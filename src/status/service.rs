//! A Service of Kubernetes whose address clients are told, in `/status`.

use std::time::SystemTime;

use serde::Serialize;

use crate::calendar::utc;
use crate::config::{Advertise, VirtualCluster};

/// What is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceStatus {
    /// Its name, and its namespace if that is configured.
    pub service: String,
    /// The address that clients are told, and since when.
    pub address: Option<(SystemTime, String)>,
    /// It was said to have no address, be it not yet or not any more.
    pub has_none: bool,
    /// Why it cannot be read now: when it was tried last, a word, and what happened.
    pub fault: Option<(SystemTime, &'static str, String)>,
}

impl ServiceStatus {
    /// Of a Service that nothing is known of yet.
    pub fn of(service: String) -> Self {
        ServiceStatus {
            service,
            address: None,
            has_none: false,
            fault: None,
        }
    }
}

/// Which clients of a cluster are told the address of its Service, and so are closed while it is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Every client.
    All,
    /// Those that come to other ports than that of SNI mode.
    Ports,
    /// Those of which nothing says what they dialled.
    Undialled,
}

impl Audience {
    /// Of this cluster.
    pub fn of(cluster: &VirtualCluster) -> Self {
        match (cluster.advertise, &cluster.sni) {
            (Advertise::Dialled, _) => Audience::Undialled,
            (Advertise::Configured, Some(_)) => Audience::Ports,
            (Advertise::Configured, None) => Audience::All,
        }
    }

    /// Its name for machines.
    fn word(self) -> &'static str {
        match self {
            Audience::All => "all",
            Audience::Ports => "all_but_sni",
            Audience::Undialled => "undialled",
        }
    }

    /// The same for people.
    pub fn clients(self) -> &'static str {
        match self {
            Audience::All => "clients",
            Audience::Ports => "clients of all ports but sni.port",
            Audience::Undialled => "clients of which nothing says what they dialled",
        }
    }
}

/// What is written of it.
#[derive(Debug, Serialize)]
pub(super) struct Service {
    name: String,
    told_to: &'static str,
    state: &'static str,
    address: Option<String>,
    since: Option<String>,
    last_error: Option<LastError>,
}

#[derive(Debug, Serialize)]
struct LastError {
    at: String,
    reason: &'static str,
    message: String,
}

impl Service {
    pub(super) fn of(status: &ServiceStatus, told_to: Audience) -> Self {
        let ServiceStatus {
            service,
            address,
            has_none,
            fault,
        } = status;
        Service {
            name: service.clone(),
            told_to: told_to.word(),
            state: match (address, has_none) {
                (None, false) => "unread",
                (None, true) => "no_address",
                (Some(_), false) => "known",
                (Some(_), true) => "lost",
            },
            address: address.as_ref().map(|(_, host)| host.clone()),
            since: address.as_ref().map(|(since, _)| utc(*since)),
            last_error: fault.as_ref().map(|(at, reason, message)| LastError {
                at: utc(*at),
                reason,
                message: message.clone(),
            }),
        }
    }
}
