//! The whole of one client connection: its arrival, its session, and the one reason for which it ends.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant as WallInstant;

use tokio::net::TcpStream;

use super::arrive::{Arrival, Arrived};
use super::clock;
use super::cluster::LiveCluster;
use super::end::EndReason;
use super::shared::{Client, Shared};
use super::told::log_refused;
use super::{Cluster, Phase, Session, Turn, Worker};
use crate::port_map::Door;

/// A client connection as it was accepted.
#[derive(Debug)]
pub struct Accepted {
    /// The socket, tuned.
    pub socket: TcpStream,
    /// The other end of it.
    pub peer: SocketAddr,
    /// The port that it came to.
    pub door: Door,
    /// The cluster that the port belongs to.
    pub cluster: LiveCluster,
}

/// Serves one client connection until it ends; logs and counts the end.
pub async fn serve(accepted: Accepted, worker: Rc<Worker>) {
    let Accepted {
        socket,
        peer,
        door,
        cluster: live,
    } = accepted;
    let begin = WallInstant::now();
    let mut arrival = Arrival::new(live.clone(), door, peer);
    let mut counted = Counted::new(arrival.cluster().clone(), door);
    let mut turn = Turn::default();
    let arrived = match arrival.is_due() {
        // In a box: a handshake needs more room than all that comes after it.
        true => Box::pin(unless_drained(&worker, &mut turn, arrival.arrive(socket))).await,
        false => arrival.pass(socket),
    };
    let arrived = arrived.and_then(|arrived| {
        let ports = arrival.cluster().told(&arrived.came, arrived.route);
        Ok((arrived, ports.ok_or(EndReason::RouteRemoved)?))
    });
    let (arrived, ports) = match arrived {
        Ok(arrived) => arrived,
        Err(reason) => {
            counted.ended(&reason);
            log_refused(arrival.cluster(), door, arrival.client(), &reason, begin);
            return;
        }
    };
    let Arrived {
        client,
        route,
        came,
        permit: _permit,
    } = arrived;
    counted.moves_on(route.into());
    let client = Client {
        stream: client,
        address: arrival.client(),
        peer,
        route,
        ports,
    };
    let shared = Shared::new(client, arrival.cluster().clone(), worker.clone());
    let mut session = Session::new(shared, came, arrival.begin());
    drop(arrival);
    let reason = run(&mut session, &mut turn, &live, &worker).await;
    let reason = reason.unless(|| session.shared.is_loop());
    counted.ended(&reason);
    session.shared.log_end(&reason, begin);
}

/// Lets the session run to its end, and tells it what changes meanwhile.
async fn run(
    session: &mut Session,
    turn: &mut Turn,
    live: &LiveCluster,
    worker: &Worker,
) -> EndReason {
    let mut changed = Box::pin(worker.changed.notified());
    // Something may have changed while the client arrived.
    let mut news = true;
    poll_fn(|cx| {
        while changed.as_mut().poll(cx).is_ready() {
            changed.set(worker.changed.notified());
            news = true;
        }
        match worker.phase.get() {
            Phase::Serving if std::mem::take(&mut news) => session.adopt(live),
            Phase::Serving => {}
            Phase::Draining(spread) => {
                if turn.poll(cx, spread).is_ready() && !session.shared.draining.replace(true) {
                    session.shared.log_turn();
                }
            }
            Phase::Cut => return Poll::Ready(EndReason::DrainTimeout),
        }
        session.poll(cx)
    })
    .await
}

/// A client that has not arrived when its turn comes has nothing in flight.
async fn unless_drained<T>(
    worker: &Worker,
    turn: &mut Turn,
    arriving: impl Future<Output = Result<T, EndReason>>,
) -> Result<T, EndReason> {
    let mut arriving = pin!(arriving);
    let mut changed = pin!(worker.changed.notified());
    poll_fn(|cx| {
        while worker.phase.get() == Phase::Serving && changed.as_mut().poll(cx).is_ready() {
            changed.set(worker.changed.notified());
        }
        match worker.phase.get() {
            Phase::Serving => {}
            Phase::Draining(spread) if turn.poll(cx, spread).is_pending() => {}
            Phase::Draining(_) | Phase::Cut => return Poll::Ready(Err(EndReason::Drained)),
        }
        let polled = arriving.as_mut().poll(cx);
        // A step of a handshake takes a millisecond, which is no session's.
        clock::forget();
        polled
    })
    .await
}

/// An open connection in the metrics; its end is counted when this is dropped, however that comes about.
struct Counted {
    cluster: Arc<Cluster>,
    door: Door,
    reason: &'static str,
}

impl Counted {
    fn new(cluster: Arc<Cluster>, door: Door) -> Self {
        cluster.metrics.connection_opened(door);
        Counted {
            cluster,
            door,
            reason: EndReason::Panicked.label(),
        }
    }

    fn ended(&mut self, reason: &EndReason) {
        self.reason = reason.label();
        if let Some(limit) = reason.limit() {
            self.cluster.metrics.limit_met(limit);
        }
    }

    /// It is known now which route it is for.
    fn moves_on(&mut self, door: Door) {
        if door != self.door {
            self.cluster.metrics.connection_moved(self.door, door);
            self.door = door;
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let metrics = &self.cluster.metrics;
        metrics.connection_closed(self.door, self.reason);
    }
}
