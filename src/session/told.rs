//! What the log says of a session that is over.

use std::net::SocketAddr;
use std::time::Instant;

use tracing::{debug, info, warn};

use super::Cluster;
use super::end::{EndReason, Side};
use super::shared::Shared;
use crate::port_map::{Door, Route};
use crate::protocol::api;

/// Tells why a client was not let in.
pub(super) fn log_refused(
    cluster: &Cluster,
    door: Door,
    client: SocketAddr,
    reason: &EndReason,
    begin: Instant,
) {
    let seconds = seconds_since(begin);
    let (label, name) = (reason.label(), cluster.name.as_str());
    // The address is that of all ports: it is one fault, and not one of each.
    let place = match reason {
        EndReason::AddressUnknown => Route::Bootstrap.into(),
        _ => door,
    };
    if reason.side() == Side::Nobody {
        debug!(cluster = name, route = %door, %client, reason = label, seconds, "session ended");
    } else if let Some(repeats) = cluster.faults.admit((name.to_owned(), label, place)) {
        let remedy = reason.remedy();
        warn!(cluster = name, route = %door, %client, reason = label, seconds, repeats, remedy, "session ended: {reason}");
    }
}

/// In whole milliseconds: 1.7306e-5 is no time for people.
fn seconds_since(begin: Instant) -> f64 {
    begin.elapsed().as_millis() as f64 / 1000.0
}

impl Shared {
    /// Tells how and why a session ended: a fault once a minute, what needs nobody at debug.
    pub(super) fn log_end(&self, reason: &EndReason, begin: Instant) {
        let client = self.client_address;
        let cluster = self.cluster.name.as_str();
        let route = self.route;
        let seconds = seconds_since(begin);
        let label = reason.label();
        let in_flight = self.in_flight.borrow().len();
        let api = self.last_api.get().map_or("none", api::name);
        let (request_bytes, response_bytes) = (self.request_bytes.get(), self.response_bytes.get());
        let broker = self.broker_address.get();
        let broker = broker.map_or("none".to_owned(), |peer| peer.to_string());
        let faults = &self.cluster.faults;
        // A broker that cannot be reached is told by `Cluster::note_dial`, as the fault of a node and not of each client.
        if reason.side() == Side::Nobody || matches!(reason, EndReason::ConnectFailed(_)) {
            debug!(cluster, %route, %client, broker, reason = label, api, in_flight, request_bytes, response_bytes, seconds, "session ended");
            // An end that needs nobody, and yet what somebody sees whose clients get no answers.
            if let Some(hint) = self.unanswered(reason)
                && let Some(repeats) =
                    faults.admit((cluster.to_owned(), "unanswered", route.into()))
            {
                info!(cluster, %route, %client, broker, reason = label, api, in_flight, seconds, repeats, "requests stayed unanswered: {reason}; {hint}");
            }
            return;
        }
        if let Some(repeats) = faults.admit((cluster.to_owned(), label, route.into())) {
            let remedy = reason.remedy();
            warn!(cluster, %route, %client, broker, reason = label, api, in_flight, request_bytes, response_bytes, seconds, repeats, remedy, "session ended: {reason}");
        }
    }

    /// Tells that this session's turn has come to end with the process.
    pub(super) fn log_turn(&self) {
        let client = self.client_address;
        let cluster = self.cluster.name.as_str();
        let route = self.route;
        let in_flight = self.in_flight.borrow().len();
        debug!(cluster, %route, %client, in_flight, "draining: no more requests are taken from this client");
    }

    /// What it may mean that a session ended, in whatever way, while the client waited for answers.
    fn unanswered(&self, reason: &EndReason) -> Option<&'static str> {
        if self.in_flight.borrow().is_empty() {
            return None;
        }
        match reason {
            EndReason::BrokerClosed | EndReason::BrokerReset => Some(
                "a broker that restarts does so; if it does so each time, that listener wants SASL or TLS, which the client does not use (see the broker's log)",
            ),
            EndReason::ClientClosed | EndReason::ClientReset if self.response_bytes.get() == 0 => {
                Some("the broker accepts connections and does not answer: see whether it hangs")
            }
            _ => None,
        }
    }
}
