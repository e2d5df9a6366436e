//! The state of a session that both of its pumps look at.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use super::clock;
use super::end::EndReason;
use super::in_flight::{Expected, InFlight};
use super::{Cluster, Worker};
use crate::metrics::NodeBytes;
use crate::port_map::{PortMap, Route};
use crate::protocol::rewrite;
use crate::protocol::sasl::RawTokens;
use crate::protocol::software;
use crate::transport::stream::Stream;
use crate::upstream::own::OwnConnection;
use crate::upstream::{ConnectError, Connected};

pub(super) type Dial = Pin<Box<dyn Future<Output = Result<Connected, ConnectError>>>>;

/// How many bytes a session moves before others get their turn: a fraction of a millisecond.
const TURN_BYTES: usize = 1024 * 1024;

/// What sending less than this costs, too: the system calls.
const LEAST_SPENT: usize = TURN_BYTES / 32;

/// A client that may send requests.
pub(super) struct Client {
    pub(super) stream: Stream,
    pub(super) address: SocketAddr,
    pub(super) peer: SocketAddr,
    pub(super) route: Route,
    pub(super) ports: PortMap,
}

/// What both pumps of a session look at.
pub(super) struct Shared {
    pub(super) cluster: Arc<Cluster>,
    pub(super) worker: Rc<Worker>,
    pub(super) route: Route,
    pub(super) client: Stream,
    /// Where the client is, also behind a load balancer that tells.
    pub(super) client_address: SocketAddr,
    /// The other end of its socket.
    pub(super) peer: SocketAddr,
    /// What this client is told of nodes.
    pub(super) ports: PortMap,
    /// Says that the broker's socket is ours. Dropped before that is closed: once it is, its ends may be another's.
    pub(super) own: OnceCell<OwnConnection>,
    /// The broker's socket, once dialled: the first request does it.
    pub(super) broker: OnceCell<Stream>,
    /// The address that was dialled with success, for the log.
    pub(super) broker_address: Cell<Option<SocketAddr>>,
    /// Dialling has begun.
    pub(super) dialled: Cell<bool>,
    /// A reload has put others in the place of the brokers of which one was dialled.
    pub(super) has_old_broker: bool,
    pub(super) in_flight: RefCell<InFlight>,
    /// How many of those the metrics know of.
    counted: Cell<usize>,
    node_bytes: Option<NodeBytes>,
    /// The phase of SASL in which frames are raw tokens, after SaslHandshake v0.
    pub(super) raw_tokens: RefCell<Option<RawTokens>>,
    pub(super) handshake_pending: Cell<bool>,
    pub(super) draining: Cell<bool>,
    pub(super) seen_bytes: Cell<bool>,
    pub(super) seen_request: Cell<bool>,
    pub(super) seen_response: Cell<bool>,
    /// The client has said which software it is.
    pub(super) introduced: Cell<bool>,
    pub(super) requests_blocked: Cell<bool>,
    /// The request direction is over.
    pub(super) requests_over: Cell<bool>,
    /// The response direction is over.
    pub(super) responses_over: Cell<bool>,
    /// No more requests are read, because this process is going away.
    pub(super) requests_stopped: Cell<bool>,
    /// One pump did what the other may wait for.
    pub(super) progressed: Cell<bool>,
    pub(super) moved: Cell<bool>,
    /// For the log line at the end.
    pub(super) last_api: Cell<Option<i16>>,
    pub(super) request_bytes: Cell<u64>,
    pub(super) response_bytes: Cell<u64>,
    pub(super) first_end: RefCell<Option<EndReason>>,
    /// Bytes that may still be moved in this turn.
    budget: Cell<usize>,
}

impl Shared {
    /// Before the first request.
    pub(super) fn new(client: Client, cluster: Arc<Cluster>, worker: Rc<Worker>) -> Self {
        let Client {
            stream,
            address,
            peer,
            route,
            ports,
        } = client;
        Shared {
            client: stream,
            client_address: address,
            peer,
            ports,
            own: OnceCell::new(),
            broker: OnceCell::new(),
            broker_address: Cell::new(None),
            dialled: Cell::new(false),
            has_old_broker: false,
            in_flight: RefCell::new(InFlight::new(cluster.limits.in_flight)),
            counted: Cell::new(0),
            node_bytes: cluster.metrics.node_bytes(route),
            raw_tokens: RefCell::new(None),
            handshake_pending: Cell::new(false),
            draining: Cell::new(false),
            seen_bytes: Cell::new(false),
            seen_request: Cell::new(false),
            seen_response: Cell::new(false),
            introduced: Cell::new(false),
            requests_blocked: Cell::new(false),
            requests_over: Cell::new(false),
            responses_over: Cell::new(false),
            requests_stopped: Cell::new(false),
            progressed: Cell::new(false),
            moved: Cell::new(true),
            last_api: Cell::new(None),
            request_bytes: Cell::new(0),
            response_bytes: Cell::new(0),
            first_end: RefCell::new(None),
            budget: Cell::new(0),
            cluster,
            worker,
            route,
        }
    }

    pub(super) fn dial(&self) -> Dial {
        let (cluster, worker, route) = (self.cluster.clone(), self.worker.clone(), self.route);
        Box::pin(async move {
            let outcome = cluster.upstream.connect(route, &worker.resolver).await;
            cluster.note_dial(route, outcome.as_ref().err());
            outcome
        })
    }

    pub(super) fn rewrite_context(&self) -> rewrite::Context<'_> {
        rewrite::Context {
            ports: &self.ports,
            policy: &self.cluster.policy,
            learn: !self.has_old_broker && self.cluster.upstream.learns(),
        }
    }

    /// Whether this client is this process.
    pub(super) fn is_loop(&self) -> bool {
        let local = self.client.local_addr();
        local.is_ok_and(|local| self.cluster.upstream.is_own(self.peer, local))
    }

    /// Notes what the client now waits for. The response pump looks at once, for the answer may be ours.
    pub(super) fn expect(&self, expected: Expected) {
        match expected {
            Expected::Ours(_) => self.progress(),
            Expected::Handshake { .. } => self.handshake_pending.set(true),
            Expected::Answer { .. } | Expected::Token { .. } => {}
        }
        self.in_flight.borrow_mut().push(expected);
    }

    /// The oldest request in flight is being answered: there is room for another.
    pub(super) fn popped(&self) {
        if self.requests_blocked.replace(false) {
            self.progress();
        }
    }

    /// Tells the metrics how many requests are in flight: once a turn, for most are answered in the turn after theirs.
    pub(super) fn count_in_flight(&self) {
        self.count_as_in_flight(self.in_flight.borrow().len());
    }

    fn count_as_in_flight(&self, n: usize) {
        let counted = self.counted.replace(n);
        // The same before and after a reload.
        let metrics = &self.cluster.metrics;
        match n {
            _ if n > counted => metrics.in_flight_grew(n - counted),
            _ if n < counted => metrics.in_flight_shrank(counted - n),
            _ => {}
        }
    }

    /// The client sent a request that says which software it is.
    pub(super) fn introduced(&self, frame: &[u8]) {
        // A broker that is sent what cannot be read closes the connection, and then it is told why.
        if let Ok(software) = software::client_software(frame) {
            self.introduced.set(true);
            self.cluster.metrics.introduced(software);
        }
    }

    pub(super) fn awaits_handshake(&self) -> bool {
        self.handshake_pending.get()
    }

    /// SaslHandshake v0 was answered; `tokens` where raw tokens follow.
    pub(super) fn handshake_over(&self, tokens: Option<RawTokens>) {
        self.handshake_pending.set(false);
        *self.raw_tokens.borrow_mut() = tokens;
        self.progress();
    }

    pub(super) fn progress(&self) {
        self.progressed.set(true);
    }

    /// A request was let through or is answered here.
    pub(super) fn request_seen(&self, api_key: i16) {
        self.seen_request.set(true);
        self.last_api.set(Some(api_key));
        self.cluster.metrics.request(api_key);
    }

    /// Ready while this session may move more bytes in this turn. Once it may not its task comes last: behind the other
    /// sessions of the thread, and behind those that the kernel has news for by then. A raw system call spends none of
    /// tokio's own budget.
    pub(super) fn poll_budget(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self.budget.get() {
            0 => {
                // Polled once this wakes the task, but not before the runtime has looked for events.
                let again = std::pin::pin!(tokio::task::yield_now());
                again.poll(cx)
            }
            _ => Poll::Ready(()),
        }
    }

    /// A new turn of the session.
    pub(super) fn refill_budget(&self) {
        self.budget.set(TURN_BYTES);
    }

    /// A request that was being read is read to its last byte.
    pub(super) fn request_read(&self) {
        self.in_flight.borrow_mut().is_read(clock::last_look());
    }

    /// The broker's answer to a request has begun to come.
    pub(super) fn answered(&self, api_key: i16, read_at: Instant) {
        let took = clock::last_look().saturating_duration_since(read_at);
        self.cluster.metrics.answered(api_key, took);
    }

    fn spend(&self, n: usize) {
        let left = self.budget.get().saturating_sub(n.max(LEAST_SPENT));
        self.budget.set(left);
    }

    /// Bytes arrived, from whichever side.
    pub(super) fn active(&self) {
        self.moved.set(true);
    }

    /// Bytes went to the broker.
    pub(super) fn requests_moved(&self, n: usize) {
        self.active();
        self.spend(n);
        self.request_bytes.set(self.request_bytes.get() + n as u64);
        if let Some(node) = &self.node_bytes {
            node.request(n);
        }
    }

    /// Bytes went to the client.
    pub(super) fn responses_moved(&self, n: usize) {
        self.active();
        self.spend(n);
        self.response_bytes
            .set(self.response_bytes.get() + n as u64);
        if let Some(node) = &self.node_bytes {
            node.response(n);
        }
    }

    /// Takes no more requests, and ends for this reason when those in flight are answered.
    pub(super) fn end_between_frames(&self, reason: EndReason) {
        self.first_end(reason);
        self.draining.set(true);
    }

    /// What ends first is the reason of the whole session, if nothing worse happens.
    pub(super) fn first_end(&self, reason: EndReason) {
        self.first_end.borrow_mut().get_or_insert(reason);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.count_as_in_flight(0);
    }
}
