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
mod lane;
mod request;
mod response;
mod shared;
mod told;

use std::cell::Cell;
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant as WallInstant};

use tokio::net::TcpStream;
use tokio::time::Instant;

pub use cluster::Cluster;
use end::EndReason;
use request::RequestPump;
use response::ResponsePump;
use shared::Shared;

use crate::port_map::Route;
use crate::transport::deadline::Deadline;
use crate::upstream::resolver::Resolver;

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
    /// The socket, tuned.
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
    session.shared.log_end(&reason, begin);
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
            shared: Shared::new(socket, client_address, route, cluster, worker),
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
        self.shared.refill_budget();
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
}
