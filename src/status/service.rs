//! A Service of Kubernetes whose address clients are told, in `/status`.

use std::time::SystemTime;

use serde::Serialize;

use crate::calendar::utc;

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

/// The same as it is written.
#[derive(Debug, Serialize)]
pub(super) struct Service {
    name: String,
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
    pub(super) fn of(status: &ServiceStatus) -> Self {
        let ServiceStatus {
            service,
            address,
            has_none,
            fault,
        } = status;
        Service {
            name: service.clone(),
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
