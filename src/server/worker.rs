//! One worker thread: accepts on sockets of its own, serves what it accepts and what others hand over, until it is told to
//! end.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinSet, spawn_local, yield_now};
use tracing::{error, warn};

use super::accept::{Listener, accept_loop};
use super::balance::elsewhere;
use super::listen::INHERITS;
use crate::limits::{ConnectionLimit, Permit};
use crate::metrics::Metrics;
use crate::port_map::Door;
use crate::session::{Accepted, LiveCluster, Phase, Worker, serve};
use crate::transport::stream::tune;

/// How many tasks the runtime lets run between two looks at the sockets, at least.
const TASKS_A_TURN: usize = 30;

/// What a worker is told.
pub(super) enum Order {
    /// Serve a connection that another worker accepted.
    Serve(std::net::TcpStream, Arrival, Counted),
    /// Accept on these, too.
    Listen(Vec<Listener>),
    /// Look at what is in force now.
    Changed,
    /// Accept what is in the queues and close them; the sender is dropped when that is done.
    StopAccepting(oneshot::Sender<()>),
    /// This process goes on to its next phase.
    Phase(Phase),
    /// End.
    End,
}

/// What is known of an accepted connection, beside its socket.
pub(super) struct Arrival {
    pub(super) peer: SocketAddr,
    pub(super) door: Door,
    pub(super) cluster: LiveCluster,
    pub(super) permit: Permit,
}

/// A worker as the others see it.
#[derive(Clone)]
pub(super) struct Member {
    pub(super) orders: UnboundedSender<Order>,
    pub(super) sessions: Arc<AtomicUsize>,
}

impl Member {
    /// How many sessions it has; `None` if it is gone (it panicked).
    fn sessions(&self) -> Option<usize> {
        match self.orders.is_closed() {
            true => None,
            false => Some(self.sessions.load(Ordering::Relaxed)),
        }
    }
}

/// What the accept loops and the sessions of a worker thread share.
pub(super) struct Thread {
    /// Which of `members` it is.
    pub(super) index: usize,
    pub(super) members: Arc<[Member]>,
    pub(super) limit: ConnectionLimit,
    pub(super) metrics: Arc<Metrics>,
    pub(super) worker: Rc<Worker>,
    /// True once nothing more is to be accepted.
    pub(super) stopping: watch::Sender<bool>,
}

impl Thread {
    /// Serves a connection here, or hands it over to a worker that has noticeably less to do.
    pub(super) fn place(&self, stream: TcpStream, arrival: Arrival) {
        let sessions = self.members.iter().map(Member::sessions);
        let Some(other) = elsewhere(self.index, sessions) else {
            self.serve(stream, arrival, self.count_one());
            return;
        };
        let member = &self.members[other];
        let stream = match stream.into_std() {
            Ok(stream) => stream,
            Err(error) => {
                warn!(%error, "a connection was lost on its way to its thread");
                return;
            }
        };
        let order = Order::Serve(stream, arrival, Counted::new(&member.sessions));
        // A worker that has gone just now gives it back.
        if let Err(back) = member.orders.send(order)
            && let Order::Serve(stream, arrival, _) = back.0
        {
            self.serve_std(stream, arrival, self.count_one());
        }
    }

    /// One more session of this thread.
    pub(super) fn count_one(&self) -> Counted {
        Counted::new(&self.members[self.index].sessions)
    }

    /// Serves a connection here whose socket this thread's runtime does not know yet.
    pub(super) fn serve_std(
        &self,
        stream: std::net::TcpStream,
        arrival: Arrival,
        counted: Counted,
    ) {
        match TcpStream::from_std(stream) {
            Ok(stream) => self.serve(stream, arrival, counted),
            Err(error) => warn!(%error, "a connection was lost on its way to its thread"),
        }
    }

    fn serve(&self, socket: TcpStream, arrival: Arrival, counted: Counted) {
        let Arrival {
            peer,
            door,
            cluster,
            permit,
        } = arrival;
        if !INHERITS {
            // The connection may be gone already; reading will tell.
            let _ = tune(&socket, cluster.load().timeouts.keepalive);
        }
        let accepted = Accepted {
            socket,
            peer,
            door,
            cluster,
        };
        let worker = self.worker.clone();
        spawn_local(async move {
            let _held = (counted, permit);
            serve(accepted, worker).await;
        });
    }
}

/// Accepts and serves until the order to end.
pub(super) async fn work(
    thread: Rc<Thread>,
    listeners: Vec<Listener<TcpListener>>,
    mut inbox: UnboundedReceiver<Order>,
) {
    let mut accepting = JoinSet::new();
    for listener in listeners {
        accepting.spawn_local(accept_loop(listener, thread.clone()));
    }
    while let Some(order) = inbox.recv().await {
        match order {
            Order::Serve(stream, arrival, counted) => thread.serve_std(stream, arrival, counted),
            Order::Listen(listeners) => {
                for listener in listeners {
                    match listener.register() {
                        Ok(listener) => {
                            accepting.spawn_local(accept_loop(listener, thread.clone()));
                        }
                        Err(error) => error!(%error, "cannot accept on a port that was added"),
                    }
                }
            }
            Order::Changed => {
                thread.worker.changed.notify_waiters();
                // Loops of ports that were closed.
                while accepting.try_join_next().is_some() {}
            }
            Order::StopAccepting(done) => {
                thread.stopping.send_replace(true);
                while accepting.join_next().await.is_some() {}
                drop(done);
            }
            Order::Phase(phase) => {
                let sessions = thread.members[thread.index]
                    .sessions
                    .load(Ordering::Relaxed);
                // Those that were accepted last must get to see what their clients have sent before that: it is in flight.
                for _ in 0..2 + sessions / TASKS_A_TURN {
                    yield_now().await;
                }
                thread.worker.phase.set(phase);
                thread.worker.changed.notify_waiters();
            }
            Order::End => return,
        }
    }
}

/// A session in the count of its worker, from the moment it is assigned until it is over, however that comes about.
pub(super) struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(sessions: &Arc<AtomicUsize>) -> Self {
        sessions.fetch_add(1, Ordering::Relaxed);
        Counted(sessions.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
