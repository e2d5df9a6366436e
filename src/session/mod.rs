//! One client connection: two pumps over two sockets in one task, joined by the in-flight queue.
//!
//! The task holds all state of the connection; nothing is shared with other connections but configuration and counters.
//! A session ends when both directions are over (each side's half-close is passed on to the other), or at once when
//! something is wrong; [`end::EndReason`] lists every way.

mod cluster;
pub mod end;
pub mod faults;
mod held;
pub mod in_flight;
mod request;
mod response;

use std::cell::{Cell, OnceCell, RefCell};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant as WallInstant};

use tokio::net::TcpStream;
use tokio::time::Instant;
use tracing::{debug, info, warn};

pub use cluster::Cluster;
use end::{EndReason, Side};
use in_flight::{Expected, InFlight};
use request::RequestPump;
use response::ResponsePump;

use crate::port_map::Route;
use crate::protocol::api;
use crate::protocol::sasl::RawTokens;
use crate::transport::deadline::Deadline;
use crate::transport::stream::{Stream, tune};
use crate::upstream::own::OwnConnection;
use crate::upstream::resolver::Resolver;
use crate::upstream::{ConnectError, Connected};

/// How long a drained client may take to close its side after it was told that no more answers come.
const DRAIN_LINGER: Duration = Duration::from_secs(2);

/// How long a half-closed client's answers may take while nothing moves: longer than any request of a Kafka client waits.
const ANSWER_LINGER: Duration = Duration::from_secs(600);

/// How far this process is on its way out. Sessions look at it through [`Worker`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not at all.
    Serving,
    /// No new requests are read; those in flight are answered.
    Draining,
    /// The grace time is over.
    Cut,
}

/// What the sessions of one thread share.
#[derive(Debug)]
pub struct Worker {
    /// Resolves names for this thread.
    pub resolver: Resolver,
    /// How far this process is on its way out.
    pub phase: Cell<Phase>,
    /// Tells sessions that `phase` changed.
    pub changed: tokio::sync::Notify,
}

/// A client connection as it was accepted.
#[derive(Debug)]
pub struct Accepted {
    /// The socket.
    pub socket: TcpStream,
    /// The client's address.
    pub client: SocketAddr,
    /// Where the port that it came to leads.
    pub route: Route,
    /// The cluster that the port belongs to.
    pub cluster: Arc<Cluster>,
}

/// Serves one client connection until it ends; logs and counts the end.
pub async fn serve(accepted: Accepted, worker: Rc<Worker>) {
    let Accepted {
        socket,
        client,
        route,
        cluster,
    } = accepted;
    let begin = WallInstant::now();
    let mut counted = Counted::new(cluster.clone(), route);
    if let Err(error) = tune(&socket, cluster.timeouts.keepalive) {
        // The connection may be gone already; reading will tell.
        debug!(%client, %error, "socket options");
    }
    let mut session = Session::new(socket, client, route, cluster.clone(), worker.clone());
    let mut changed = Box::pin(worker.changed.notified());
    let reason = std::future::poll_fn(|cx| {
        while worker.phase.get() != Phase::Serving {
            if worker.phase.get() == Phase::Cut {
                return Poll::Ready(EndReason::DrainTimeout);
            }
            session.shared.draining.set(true);
            if changed.as_mut().poll(cx).is_pending() {
                break;
            }
            changed.set(worker.changed.notified());
        }
        if worker.phase.get() == Phase::Serving && changed.as_mut().poll(cx).is_ready() {
            changed.set(worker.changed.notified());
            cx.waker().wake_by_ref();
        }
        session.poll(cx)
    })
    .await;
    counted.reason = reason.label();
    session.log_end(&reason, begin);
}

/// An open connection in the metrics; its end is counted when this is dropped, however that comes about.
struct Counted {
    cluster: Arc<Cluster>,
    route: Route,
    reason: &'static str,
}

impl Counted {
    fn new(cluster: Arc<Cluster>, route: Route) -> Self {
        cluster.metrics.connection_opened(route);
        Counted {
            cluster,
            route,
            reason: EndReason::Panicked.label(),
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let metrics = &self.cluster.metrics;
        metrics.connection_closed(self.route, self.reason);
    }
}

type Dial = Pin<Box<dyn Future<Output = Result<Connected, ConnectError>>>>;

/// What both pumps of a session look at.
struct Shared {
    cluster: Arc<Cluster>,
    worker: Rc<Worker>,
    route: Route,
    client: Stream,
    client_address: SocketAddr,
    /// Says that the broker's socket is ours. Dropped before that is closed: once it is, its ends may be another's.
    own: OnceCell<OwnConnection>,
    /// The broker's socket, once dialled: the first request does it.
    broker: OnceCell<Stream>,
    /// The address that was dialled with success, for the log.
    broker_address: Cell<Option<SocketAddr>>,
    /// Dialling has begun.
    dialled: Cell<bool>,
    in_flight: RefCell<InFlight>,
    /// The phase of SASL in which frames are raw tokens, after SaslHandshake v0.
    raw_tokens: RefCell<Option<RawTokens>>,
    handshake_pending: Cell<bool>,
    draining: Cell<bool>,
    seen_bytes: Cell<bool>,
    seen_request: Cell<bool>,
    seen_response: Cell<bool>,
    requests_blocked: Cell<bool>,
    /// The request direction is over.
    requests_over: Cell<bool>,
    /// The response direction is over.
    responses_over: Cell<bool>,
    /// No more requests are read, because this process is going away.
    requests_stopped: Cell<bool>,
    /// One pump did what the other may wait for.
    progressed: Cell<bool>,
    moved: Cell<bool>,
    /// For the log line at the end.
    last_api: Cell<Option<i16>>,
    request_bytes: Cell<u64>,
    response_bytes: Cell<u64>,
    first_end: RefCell<Option<EndReason>>,
}

impl Shared {
    fn dial(&self) -> Dial {
        let (cluster, worker, route) = (self.cluster.clone(), self.worker.clone(), self.route);
        Box::pin(async move {
            let outcome = cluster.upstream.connect(route, &worker.resolver).await;
            cluster.note_dial(route, outcome.as_ref().err());
            outcome
        })
    }

    /// Whether this client is this process.
    fn is_loop(&self) -> bool {
        let local = self.client.local_addr();
        local.is_ok_and(|local| self.cluster.upstream.is_own(self.client_address, local))
    }

    /// Notes what the client now waits for. The response pump looks at once, for the answer may be ours.
    fn expect(&self, expected: Expected) {
        match expected {
            Expected::Ours(_) => self.progressed.set(true),
            Expected::Handshake { .. } => self.handshake_pending.set(true),
            Expected::Answer { .. } | Expected::Token { .. } => {}
        }
        self.in_flight.borrow_mut().push(expected);
    }

    /// The oldest request in flight is being answered: there is room for another.
    fn popped(&self) {
        if self.requests_blocked.replace(false) {
            self.progressed.set(true);
        }
    }

    fn awaits_handshake(&self) -> bool {
        self.handshake_pending.get()
    }

    /// SaslHandshake v0 was answered; `tokens` where raw tokens follow.
    fn handshake_over(&self, tokens: Option<RawTokens>) {
        self.handshake_pending.set(false);
        *self.raw_tokens.borrow_mut() = tokens;
        self.progressed.set(true);
    }

    fn progress(&self) {
        self.progressed.set(true);
    }

    /// A request was let through or is answered here.
    fn request_seen(&self, api_key: i16) {
        self.seen_request.set(true);
        self.last_api.set(Some(api_key));
        self.cluster.metrics.request(api_key);
    }

    /// Bytes arrived, from whichever side.
    fn active(&self) {
        self.moved.set(true);
    }

    /// Bytes went to the broker.
    fn requests_moved(&self, n: usize) {
        self.active();
        self.request_bytes.set(self.request_bytes.get() + n as u64);
        self.cluster.metrics.request_bytes(n);
    }

    /// Bytes went to the client.
    fn responses_moved(&self, n: usize) {
        self.active();
        self.response_bytes
            .set(self.response_bytes.get() + n as u64);
        self.cluster.metrics.response_bytes(n);
    }

    /// What ends first is the reason of the whole session, if nothing worse happens.
    fn first_end(&self, reason: EndReason) {
        self.first_end.borrow_mut().get_or_insert(reason);
    }
}

struct Session {
    shared: Shared,
    request: RequestPump,
    response: ResponsePump,
    /// The pumps take turns in being first: tokio lets a task move only so much at a time, and where one direction never
    /// runs dry the first takes all of it.
    responses_first: bool,
    first_bytes: Deadline,
    idle: Deadline,
    /// Once one direction is over, the other must follow in bounded time.
    linger: Deadline,
}

impl Session {
    fn new(
        socket: TcpStream,
        client_address: SocketAddr,
        route: Route,
        cluster: Arc<Cluster>,
        worker: Rc<Worker>,
    ) -> Self {
        let now = Instant::now();
        let mut first_bytes = Deadline::default();
        first_bytes.set(now + cluster.timeouts.first_bytes);
        Session {
            shared: Shared {
                client: Stream::new(socket),
                client_address,
                own: OnceCell::new(),
                broker: OnceCell::new(),
                broker_address: Cell::new(None),
                dialled: Cell::new(false),
                in_flight: RefCell::new(InFlight::new(cluster.limits.in_flight)),
                raw_tokens: RefCell::new(None),
                handshake_pending: Cell::new(false),
                draining: Cell::new(false),
                seen_bytes: Cell::new(false),
                seen_request: Cell::new(false),
                seen_response: Cell::new(false),
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
                cluster,
                worker,
                route,
            },
            request: RequestPump::default(),
            response: ResponsePump::default(),
            responses_first: true,
            first_bytes,
            idle: Deadline::default(),
            linger: Deadline::default(),
        }
    }

    /// Ready with the reason when the session is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<EndReason> {
        match self.poll_pumps(cx) {
            Ok(false) => {}
            Ok(true) => {
                let reason = self.shared.first_end.take();
                return Poll::Ready(reason.unwrap_or(EndReason::ClientClosed));
            }
            Err(reason) => {
                self.reset_other_leg(&reason);
                return Poll::Ready(reason);
            }
        }
        self.poll_deadlines(cx)
    }

    /// Lets both pumps run until neither has anything to do. True when both are over.
    fn poll_pumps(&mut self, cx: &mut Context<'_>) -> Result<bool, EndReason> {
        self.responses_first = !self.responses_first;
        loop {
            self.shared.progressed.set(false);
            if self.responses_first {
                self.poll_responses(cx)?;
                self.poll_requests(cx)?;
            } else {
                self.poll_requests(cx)?;
                self.poll_responses(cx)?;
            }
            let shared = &self.shared;
            if shared.requests_over.get() && shared.responses_over.get() {
                return Ok(true);
            }
            if !shared.progressed.get() {
                return Ok(false);
            }
        }
    }

    fn poll_requests(&mut self, cx: &mut Context<'_>) -> Result<(), EndReason> {
        let shared = &self.shared;
        if !shared.requests_over.get()
            && let Poll::Ready(outcome) = self.request.poll(cx, shared)
        {
            outcome?;
            shared.requests_over.set(true);
            shared.progress();
        }
        Ok(())
    }

    fn poll_responses(&mut self, cx: &mut Context<'_>) -> Result<(), EndReason> {
        let shared = &self.shared;
        if !shared.responses_over.get()
            && let Poll::Ready(outcome) = self.response.poll(cx, shared)
        {
            outcome?;
            shared.responses_over.set(true);
            shared.progress();
        }
        Ok(())
    }

    fn poll_deadlines(&mut self, cx: &mut Context<'_>) -> Poll<EndReason> {
        let timeouts = &self.shared.cluster.timeouts;
        if self.shared.dialled.get() {
            self.first_bytes = Deadline::default();
        } else if self.first_bytes.poll(cx).is_ready() {
            return Poll::Ready(match self.shared.seen_bytes.get() {
                true => EndReason::FirstBytesTimeout,
                // Silent from the first to the last second: nobody's fault.
                false => EndReason::BareConnect,
            });
        }
        let moved = self.shared.moved.replace(false);
        if let Some(patience) = timeouts.idle {
            // Who waits for an answer is not idle: some take minutes.
            if moved || !self.shared.in_flight.borrow().is_empty() {
                self.idle.set(Instant::now() + patience);
            }
            if self.idle.poll(cx).is_ready() {
                return Poll::Ready(EndReason::Idle);
            }
        }
        if let Some(patience) = self.linger_patience() {
            if moved {
                self.linger.clear();
            }
            self.linger.set_if_clear(|| Instant::now() + patience);
            if self.linger.poll(cx).is_ready() {
                let reason = self.shared.first_end.take();
                return Poll::Ready(reason.unwrap_or(EndReason::Idle));
            }
        }
        Poll::Pending
    }

    /// How long nothing may move now that one direction is over or about to be; `None` while both are open.
    fn linger_patience(&self) -> Option<Duration> {
        let shared = &self.shared;
        match (shared.requests_over.get(), shared.responses_over.get()) {
            // It has half-closed too, but what it sent before that has no place in the queue yet.
            (false, false) if self.request.saw_end() => Some(ANSWER_LINGER),
            (false, false) => None,
            (false, true) if shared.requests_stopped.get() => Some(DRAIN_LINGER),
            // A client that has half-closed waits for its answers, and some take minutes.
            (true, false) if !shared.in_flight.borrow().is_empty() => Some(ANSWER_LINGER),
            _ => Some(shared.cluster.timeouts.stalled_write),
        }
    }

    /// A reset of one leg becomes a reset of the other. So does a broker that cannot be reached: clients take an orderly
    /// close before the first answer for a listener that wants another security protocol, and some give up then.
    fn reset_other_leg(&self, reason: &EndReason) {
        match reason {
            EndReason::ClientReset => {
                if let Some(broker) = self.shared.broker.get() {
                    broker.reset_on_close();
                }
            }
            EndReason::BrokerReset | EndReason::ConnectFailed(_) | EndReason::Loop => {
                self.shared.client.reset_on_close();
            }
            _ => {}
        }
    }

    /// What it may mean that a session ended, in whatever way, while the client waited for answers.
    fn unanswered(&self, reason: &EndReason) -> Option<&'static str> {
        let shared = &self.shared;
        if shared.in_flight.borrow().is_empty() {
            return None;
        }
        match reason {
            EndReason::BrokerClosed | EndReason::BrokerReset => Some(
                "a broker that restarts does so; if it does so each time, that listener wants SASL or TLS, which the client does not use (see the broker's log)",
            ),
            EndReason::ClientClosed | EndReason::ClientReset
                if shared.response_bytes.get() == 0 =>
            {
                Some("the broker accepts connections and does not answer: see whether it hangs")
            }
            _ => None,
        }
    }

    fn log_end(&self, reason: &EndReason, begin: WallInstant) {
        let shared = &self.shared;
        let client = shared.client_address;
        let cluster = shared.cluster.name.as_str();
        let route = shared.route;
        // In whole milliseconds: 1.7306e-5 is no time for people.
        let seconds = begin.elapsed().as_millis() as f64 / 1000.0;
        let label = reason.label();
        let in_flight = shared.in_flight.borrow().len();
        let api = shared.last_api.get().map_or("none", api::name);
        let (request_bytes, response_bytes) =
            (shared.request_bytes.get(), shared.response_bytes.get());
        let broker = shared.broker_address.get();
        let broker = broker.map_or("none".to_owned(), |peer| peer.to_string());
        let faults = &shared.cluster.faults;
        // A broker that cannot be reached is told by `Cluster::note_dial`, as the fault of a node and not of each client.
        if reason.side() == Side::Nobody || matches!(reason, EndReason::ConnectFailed(_)) {
            debug!(cluster, %route, %client, broker, reason = label, api, in_flight, request_bytes, response_bytes, seconds, "session ended");
            // An end that needs nobody, and yet what somebody sees whose clients get no answers.
            if let Some(hint) = self.unanswered(reason)
                && let Some(repeats) = faults.admit((cluster.to_owned(), "unanswered", route))
            {
                info!(cluster, %route, %client, broker, reason = label, api, in_flight, seconds, repeats, "requests stayed unanswered: {reason}; {hint}");
            }
            return;
        }
        if let Some(repeats) = faults.admit((cluster.to_owned(), label, route)) {
            let remedy = reason.remedy();
            warn!(cluster, %route, %client, broker, reason = label, api, in_flight, request_bytes, response_bytes, seconds, repeats, remedy, "session ended: {reason}");
        }
    }
}
