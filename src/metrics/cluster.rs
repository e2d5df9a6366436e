//! The metrics of one virtual cluster: what sessions count.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use prometheus::{Histogram as Timer, IntCounter};

use super::clients::{ClusterClients, SeenSoftware};
use super::durations::Histogram;
use super::met;
use super::per_api::{Exchanges, PerApi};
use super::reachable::Reachable;
use super::threads::{Counters, Place};
use crate::port_map::{Door, Route};
use crate::protocol::software::ClientSoftware;

/// The metrics of one virtual cluster. Every series is looked up once, when this is made: counting for a frame is one
/// addition to a number that no other thread writes.
#[derive(Debug)]
pub struct ClusterMetrics {
    pub(super) counters: Arc<Counters>,
    pub(super) doors: RwLock<HashMap<Door, DoorMetrics>>,
    pub(super) ends: HashMap<&'static str, Place>,
    pub(super) exchanges: PerApi<Exchanges>,
    pub(super) rewritten: PerApi<Place>,
    pub(super) neutralised: PerApi<Place>,
    pub(super) in_flight: (Place, Place),
    pub(super) proxy_seconds: Histogram,
    pub(super) clients: ClusterClients,
    pub(super) unmapped: IntCounter,
    pub(super) connect_seconds: Timer,
    pub(super) reachable: Reachable,
    pub(super) limits: Arc<HashMap<&'static str, IntCounter>>,
}

#[derive(Debug)]
pub(super) struct DoorMetrics {
    pub(super) counters: Arc<Counters>,
    pub(super) opened: Place,
    pub(super) closed: Place,
    /// Where those are counted in all that end here, if they are not counted when they are opened.
    pub(super) ended: Option<Place>,
    /// Of what goes to and comes from its broker; `None` where no broker is dialled for it.
    pub(super) bytes: Option<NodeBytes>,
    pub(super) failures: HashMap<&'static str, IntCounter>,
}

/// Where the bytes of one route are counted, looked up once for each connection.
#[derive(Clone, Debug)]
pub struct NodeBytes {
    pub(super) counters: Arc<Counters>,
    pub(super) request: Place,
    pub(super) response: Place,
}

/// What was counted of one route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouteCounts {
    /// Client connections that are open.
    pub connections: u64,
    /// Client connections that were accepted.
    pub connections_total: u64,
    /// Bytes to its broker.
    pub request_bytes: u64,
    /// Bytes to clients.
    pub response_bytes: u64,
}

/// How long so many took in all.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Took {
    /// All together.
    pub seconds: f64,
    /// How many.
    pub count: u64,
}

impl NodeBytes {
    /// Bytes went to the broker.
    pub fn request(&self, n: usize) {
        self.counters.add(self.request, n as u64);
    }

    /// Bytes came from the broker and went to the client.
    pub fn response(&self, n: usize) {
        self.counters.add(self.response, n as u64);
    }
}

impl ClusterMetrics {
    /// A client connection was accepted.
    pub fn connection_opened(&self, door: impl Into<Door>) {
        self.with_door(door.into(), |door| door.counters.add(door.opened, 1));
    }

    /// It is known now which route a client connection is for that came by another door.
    pub fn connection_moved(&self, from: Door, to: Door) {
        self.with_door(from, |door| door.counters.add(door.closed, 1));
        self.connection_opened(to);
    }

    fn with_door<T>(&self, door: Door, act: impl FnOnce(&DoorMetrics) -> T) -> Option<T> {
        let doors = self.doors.read().unwrap_or_else(PoisonError::into_inner);
        doors.get(&door).map(act)
    }

    /// Where the bytes of a connection for this route are counted.
    pub fn node_bytes(&self, route: Route) -> Option<NodeBytes> {
        self.with_door(route.into(), |door| door.bytes.clone())?
    }

    /// What was counted of a route; nothing where there is none.
    pub fn counts(&self, route: Route) -> RouteCounts {
        let counts = self.with_door(route.into(), |door| {
            let sum = |place| door.counters.sum(place);
            let bytes = door.bytes.as_ref();
            // What ends in between makes it one too many and never one too few.
            let closed = sum(door.closed);
            let opened = sum(door.opened);
            RouteCounts {
                connections: opened.saturating_sub(closed),
                connections_total: opened,
                request_bytes: bytes.map_or(0, |bytes| sum(bytes.request)),
                response_bytes: bytes.map_or(0, |bytes| sum(bytes.response)),
            }
        });
        counts.unwrap_or_default()
    }

    /// How long brokers took to answer, but for requests of these apis.
    pub fn brokers_took(&self, without: &[i16]) -> Took {
        let all = self.exchanges.seconds_without(without);
        all.fold(Took::default(), |took, one| {
            let (seconds, count) = one.totals(&self.counters);
            Took {
                seconds: took.seconds + seconds,
                count: took.count + count,
            }
        })
    }

    /// How long this process took to pass on a request or an answer, of all apis.
    pub fn frames_took(&self) -> Took {
        let (seconds, count) = self.proxy_seconds.totals(&self.counters);
        Took { seconds, count }
    }

    /// A client said which software it is; once for each connection. `None`: in words that no broker would accept.
    pub fn introduced(&self, software: Option<ClientSoftware<'_>>) {
        self.clients.count(software);
    }

    /// The software of the clients of this cluster so far, and how many connections introduced themselves so.
    pub fn client_software(&self) -> Vec<SeenSoftware> {
        self.clients.seen()
    }

    /// So many more requests wait for their answers.
    pub fn in_flight_grew(&self, n: usize) {
        self.counters.add(self.in_flight.0, n as u64);
    }

    /// So many fewer requests wait for their answers.
    pub fn in_flight_shrank(&self, n: usize) {
        self.counters.add(self.in_flight.1, n as u64);
    }

    /// A connection or a request met a limit.
    pub fn limit_met(&self, limit: &str) {
        met(&self.limits, limit);
    }

    /// A client connection ended.
    pub fn connection_closed(&self, door: impl Into<Door>, reason: &'static str) {
        self.with_door(door.into(), |door| {
            door.counters.add(door.closed, 1);
            if let Some(ended) = door.ended {
                door.counters.add(ended, 1);
            }
        });
        if let Some(&end) = self.ends.get(reason) {
            self.counters.add(end, 1);
        }
    }

    /// A request was read.
    pub fn request(&self, api_key: i16) {
        if let Some(exchanges) = self.exchanges.of(api_key) {
            self.counters.add(exchanges.requests, 1);
        }
    }

    /// A broker's answer has begun to come, so long after its request was read.
    pub fn answered(&self, api_key: i16, took: Duration) {
        if let Some(exchanges) = self.exchanges.of(api_key) {
            exchanges.seconds.observe(&self.counters, took, 1);
        }
    }

    /// As many frames went out, on each of which this process spent so long.
    pub fn frames_passed(&self, spent_on_each: Duration, frames: u64) {
        self.proxy_seconds
            .observe(&self.counters, spent_on_each, frames);
    }

    /// Addresses were replaced.
    pub fn rewritten(&self, api_key: i16, n: u64) {
        self.rewritten.add(&self.counters, api_key, n);
    }

    /// Fields of addresses were blanked.
    pub fn endpoints_neutralised(&self, api_key: i16, n: u64) {
        self.neutralised.add(&self.counters, api_key, n);
    }

    /// A broker outside the map was left out.
    pub fn unmapped_node(&self) {
        self.unmapped.inc();
    }

    /// A connection to a broker was made.
    pub fn upstream_connected(&self, took: Duration) {
        self.connect_seconds.observe(took.as_secs_f64());
    }

    /// Whether the broker of a route can be reached.
    pub fn reachable(&self, route: Route, is: bool) {
        self.reachable.set(route, is);
    }

    /// These routes are in force from now on: brokers of others are nobody's any more, and not down.
    pub fn only_reachable(&self, routes: BTreeSet<Route>) {
        self.reachable.keep(routes);
    }

    /// A connection to a broker could not be made.
    pub fn upstream_connect_failed(&self, route: Route, reason: &'static str) {
        self.with_door(route.into(), |door| {
            if let Some(failures) = door.failures.get(reason) {
                failures.inc();
            }
        });
    }
}
