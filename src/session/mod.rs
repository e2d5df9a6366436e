//! One client connection: two pumps over two sockets in one task, joined by the in-flight queue.
//!
//! The task holds all state of the connection; nothing is shared with other connections but configuration and counters.
//! A session ends when both directions are over (each side's half-close is passed on to the other), or at once when
//! something is wrong; [`end::EndReason`] lists every way.

mod arrive;
pub mod clock;
mod cluster;
pub mod end;
pub mod faults;
mod held;
pub mod in_flight;
mod lane;
mod passage;
mod request;
mod response;
mod serve;
mod shared;
mod told;
mod turn;
mod unmapped;

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use cluster::Came;
pub use cluster::{Cluster, LiveCluster};
use end::EndReason;
use lane::Leg;
use request::RequestPump;
use response::ResponsePump;
pub use serve::{Accepted, serve};
use shared::Shared;
pub use turn::Spread;
use turn::Turn;
pub use unmapped::Unmapped;

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
    /// Each connection ends in its turn: no new requests are read then, and those in flight are answered.
    Draining(Spread),
    /// The grace time is over.
    Cut,
}

/// Up to a tenth less: connections that were made together, as after a restart, shall not all be made again together.
fn jittered(most: Duration) -> Duration {
    most - most.mul_f64(0.1 * random())
}

/// From 0 to 1: for times that shall not be the same everywhere.
pub fn random() -> f64 {
    RandomState::new().hash_one(0u8) as f64 / u64::MAX as f64
}

/// What the sessions of one thread share.
#[derive(Debug)]
pub struct Worker {
    /// Resolves names for this thread.
    pub resolver: Resolver,
    /// How far this process is on its way out.
    pub phase: Cell<Phase>,
    /// Tells sessions that `phase` changed, or what is in force for their cluster.
    pub changed: tokio::sync::Notify,
}

struct Session {
    shared: Shared,
    came: Came,
    request: RequestPump,
    response: ResponsePump,
    /// The pumps take turns in being first: tokio lets a task move only so much at a time, and where one direction never
    /// runs dry the first takes all of it.
    responses_first: bool,
    first_bytes: Deadline,
    /// When it is as old as it may become.
    age: Deadline,
    idle: Deadline,
    /// Once one direction is over, the other must follow in bounded time.
    linger: Deadline,
}

impl Session {
    /// Of a client that was accepted at `begin`.
    fn new(shared: Shared, came: Came, begin: Instant) -> Self {
        let mut first_bytes = Deadline::default();
        first_bytes.set(begin + shared.cluster.timeouts.first_bytes);
        let mut age = Deadline::default();
        if let Some(most) = shared.cluster.timeouts.max_connection_age {
            age.set(begin + jittered(most));
        }
        let client = Leg::new(!shared.client.is_plain());
        let broker = Leg::new(shared.cluster.upstream.has_tls());
        Session {
            shared,
            came,
            request: RequestPump::new(client, broker),
            response: ResponsePump::new(broker, client),
            responses_first: true,
            first_bytes,
            age,
            idle: Deadline::default(),
            linger: Deadline::default(),
        }
    }

    /// Goes on with what a reload has put into force, or ends once nothing is in flight if that has no place for it.
    fn adopt(&mut self, live: &LiveCluster) {
        let cluster = live.load_full();
        let shared = &mut self.shared;
        if Arc::ptr_eq(&cluster, &shared.cluster) {
            return;
        }
        if !cluster.access.admits(shared.client_address.ip()) {
            shared.end_between_frames(EndReason::NotAllowed);
        }
        let Some(ports) = cluster.told(&self.came, shared.route) else {
            return shared.end_between_frames(EndReason::RouteRemoved);
        };
        // While nobody knows the new host, who is here already is told the one before.
        let before = shared.ports.host_of(Route::Bootstrap);
        let ports = match before.filter(|_| cluster.lacks_host(&self.came).is_some()) {
            Some(host) => ports.with_host(host),
            None => ports,
        };
        // Whether bytes go through pipes was decided already, and depends on how the broker is spoken to.
        let will_dial = !shared.dialled.get();
        if will_dial && cluster.upstream.has_tls() != shared.cluster.upstream.has_tls() {
            return;
        }
        // What the old ones say of their nodes is not so of the new ones.
        let same = cluster.upstream.has_brokers_of(&shared.cluster.upstream);
        shared.has_old_broker |= !will_dial && !same;
        shared.ports = ports;
        shared.cluster = cluster;
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
                shared.count_in_flight();
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
        if self.age.poll(cx).is_ready() {
            self.shared.end_between_frames(EndReason::MaxConnectionAge);
            // Both pumps must hear of it, and this time they have been asked already.
            cx.waker().wake_by_ref();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_that_are_made_together_do_not_end_together() {
        let most = Duration::from_secs(3600);
        let ages: Vec<Duration> = (0..100).map(|_| jittered(most)).collect();
        assert!(ages.iter().all(|age| (most * 9 / 10..=most).contains(age)));
        let (least, greatest) = (ages.iter().min(), ages.iter().max());
        // Of a hundred random times in six minutes all lie within one once in 10^76 runs.
        assert!(*greatest.unwrap() - *least.unwrap() > Duration::from_secs(60));
    }
}
