//! The worker threads: each serves its share of the connections on a runtime of its own, until there are no more orders.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::LocalSet;
use tracing::warn;

use super::{StartError, other};
use crate::config::Config;
use crate::limits::Permit;
use crate::port_map::Route;
use crate::session::{Accepted, Cluster, Phase, Worker, serve};
use crate::upstream::resolver::Resolver;

/// An accepted connection on its way to a worker thread.
pub(super) struct Job {
    pub(super) stream: io::Result<std::net::TcpStream>,
    pub(super) client: SocketAddr,
    pub(super) route: Route,
    pub(super) cluster: Arc<Cluster>,
    pub(super) permit: Permit,
}

enum Order {
    Serve(Job, Counted),
    Phase(Phase),
}

/// All workers.
pub(super) struct Pool {
    members: Vec<Member>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Clone)]
struct Member {
    orders: UnboundedSender<Order>,
    sessions: Arc<AtomicUsize>,
}

/// Gives connections to the workers.
#[derive(Clone)]
pub(super) struct PoolHandle(Arc<[Member]>);

impl PoolHandle {
    /// To the worker with the fewest.
    pub(super) fn assign(&self, job: Job) {
        let Some(member) = self.next() else {
            return;
        };
        // If the worker is gone the order comes back, and is dropped with what it holds.
        let counted = Counted::new(&member.sessions);
        let _ = member.orders.send(Order::Serve(job, counted));
    }

    /// One that is gone (it panicked) has the fewest, and would lose all that it is given.
    fn next(&self) -> Option<&Member> {
        self.0
            .iter()
            .filter(|m| !m.orders.is_closed())
            .min_by_key(|m| m.sessions.load(Ordering::Relaxed))
    }
}

impl Pool {
    /// Starts `threads` workers; fails if one cannot start.
    pub(super) fn start(threads: usize, config: &Config) -> Result<Self, StartError> {
        let mut pool = Pool {
            members: Vec::new(),
            threads: Vec::new(),
        };
        for n in 0..threads {
            let (orders, inbox) = unbounded_channel();
            let sessions = Arc::new(AtomicUsize::new(0));
            let member = Member { orders, sessions };
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(StartError::Worker)?;
            let dns = config.dns.clone();
            let (started, start) = std::sync::mpsc::channel();
            let body = move || {
                let local = LocalSet::new();
                local.block_on(&runtime, async {
                    match Resolver::new(&dns) {
                        Ok(resolver) => {
                            let _ = started.send(Ok(()));
                            work(resolver, inbox).await;
                        }
                        Err(error) => {
                            let _ = started.send(Err(error.to_string()));
                        }
                    }
                });
            };
            let thread = std::thread::Builder::new()
                .name(format!("worker-{n}"))
                .spawn(body)
                .map_err(StartError::Worker)?;
            match start.recv() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(StartError::Other(error)),
                Err(gone) => return Err(other(gone)),
            }
            pool.members.push(member);
            pool.threads.push(thread);
        }
        Ok(pool)
    }

    pub(super) fn handle(&self) -> PoolHandle {
        PoolHandle(self.members.clone().into())
    }

    /// How many connections there are.
    pub(super) fn sessions(&self) -> usize {
        self.members
            .iter()
            .map(|m| m.sessions.load(Ordering::Relaxed))
            .sum()
    }

    /// Ends every session: those with nothing in flight now, the others when they are answered or the grace is over.
    pub(super) async fn drain(self, grace: Duration) {
        let tell = |phase| {
            for member in &self.members {
                // A thread that has ended needs no orders.
                let _ = member.orders.send(Order::Phase(phase));
            }
        };
        tell(Phase::Draining);
        let deadline = tokio::time::Instant::now() + grace;
        while self.sessions() > 0 && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let left = self.sessions();
        if left > 0 {
            warn!(
                connections = left,
                "drain.grace is over: cutting the remaining connections"
            );
            tell(Phase::Cut);
            let deadline = tokio::time::Instant::now() + Duration::from_secs(1);
            while self.sessions() > 0 && tokio::time::Instant::now() < deadline {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        drop(self.members);
        for thread in self.threads {
            // A worker that panicked has said so already.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

/// One worker thread: serves the connections that it is given until the last sender is gone.
async fn work(resolver: Resolver, mut inbox: UnboundedReceiver<Order>) {
    let worker = Rc::new(Worker {
        resolver,
        phase: Cell::new(Phase::Serving),
        changed: tokio::sync::Notify::new(),
    });
    while let Some(order) = inbox.recv().await {
        match order {
            Order::Phase(phase) => {
                worker.phase.set(phase);
                worker.changed.notify_waiters();
            }
            Order::Serve(job, counted) => {
                let socket = match job.stream.and_then(TcpStream::from_std) {
                    Ok(socket) => socket,
                    Err(error) => {
                        warn!(%error, "a connection was lost on its way to its thread");
                        continue;
                    }
                };
                let accepted = Accepted {
                    socket,
                    client: job.client,
                    route: job.route,
                    cluster: job.cluster,
                };
                let worker = worker.clone();
                tokio::task::spawn_local(async move {
                    let _held = (counted, job.permit);
                    serve(accepted, worker).await;
                });
            }
        }
    }
}

/// A session in the count of its worker, from the moment it is assigned until it is over, however that comes about.
struct Counted(Arc<AtomicUsize>);

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
