//! The worker threads from outside: started together, drained together.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::LocalOptions;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use super::accept::Listener;
use super::worker::{Member, Order, Thread, work};
use super::{StartError, other};
use crate::config::Dns;
use crate::limits::ConnectionLimit;
use crate::metrics::{Metrics, count_as_worker};
use crate::session::{Phase, Spread, Worker, clock};
use crate::upstream::resolver::Resolver;

/// How long a worker may take to close its listeners, and to end its sessions when they are cut.
const MOMENT: Duration = Duration::from_secs(1);

/// All workers.
pub(super) struct Pool {
    members: Arc<[Member]>,
    threads: Vec<JoinHandle<()>>,
}

/// What all workers get.
#[derive(Clone)]
pub(super) struct ForWorkers {
    pub(super) dns: Dns,
    pub(super) limit: ConnectionLimit,
    pub(super) metrics: Arc<Metrics>,
}

impl Pool {
    /// Starts a worker for each list of listeners; fails if one cannot start.
    pub(super) fn start(
        listeners: Vec<Vec<Listener>>,
        shared: &ForWorkers,
    ) -> Result<Self, StartError> {
        let (members, inboxes): (Vec<Member>, Vec<_>) = listeners
            .iter()
            .map(|_| {
                let (orders, inbox) = unbounded_channel();
                let sessions = Arc::new(AtomicUsize::new(0));
                (Member { orders, sessions }, inbox)
            })
            .unzip();
        let mut pool = Pool {
            members: members.into(),
            threads: Vec::new(),
        };
        for (index, (listeners, inbox)) in listeners.into_iter().zip(inboxes).enumerate() {
            let (started, start) = std::sync::mpsc::channel();
            let starting = Starting {
                index,
                members: pool.members.clone(),
                shared: shared.clone(),
                listeners,
                inbox,
            };
            let thread = std::thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn(move || starting.run(&started))
                .map_err(StartError::Worker)?;
            match start.recv() {
                Ok(outcome) => outcome?,
                Err(gone) => return Err(other(gone)),
            }
            pool.threads.push(thread);
        }
        Ok(pool)
    }

    /// How many workers there are.
    pub(super) fn threads(&self) -> usize {
        self.members.len()
    }

    /// How many connections there are.
    pub(super) fn sessions(&self) -> usize {
        self.members
            .iter()
            .map(|member| member.sessions.load(Ordering::Relaxed))
            .sum()
    }

    /// Accepts on these, too: a list for each thread. Where one is gone, another does it.
    pub(super) fn listen(&self, listeners: Vec<Vec<Listener>>) {
        let count = self.members.len();
        for (index, listeners) in listeners.into_iter().enumerate() {
            let mut order = Order::Listen(listeners);
            for next in index..index + count {
                match self.members[next % count].orders.send(order) {
                    Ok(()) => break,
                    Err(back) => order = back.0,
                }
            }
        }
    }

    /// Lets all sessions look at what is in force now.
    pub(super) fn changed(&self) {
        self.tell(|| Order::Changed);
    }

    /// Accepts what the kernel has queued, and then nothing more.
    pub(super) async fn stop_accepting(&self) {
        let stopping: Vec<_> = self
            .members
            .iter()
            .map(|member| {
                let (done, stopped) = oneshot::channel();
                // A thread that has ended accepts nothing; so it is below.
                let _ = member.orders.send(Order::StopAccepting(done));
                stopped
            })
            .collect();
        let all = async {
            for stopped in stopping {
                let _ = stopped.await;
            }
        };
        // One that does not must not keep the others from draining.
        let _ = timeout(MOMENT, all).await;
    }

    /// Ends every session in its turn: those with nothing in flight then, the others when they are answered or the grace is
    /// over.
    pub(super) async fn drain(mut self, grace: Duration) {
        let connections = self.sessions();
        let spread = Spread::of(connections, grace);
        self.tell(|| Order::Phase(Phase::Draining(spread)));
        let grace_seconds = grace.as_secs_f64();
        let close_within_seconds = spread.within().as_secs_f64();
        info!(connections, grace_seconds, close_within_seconds, "draining");
        self.wait_for_sessions(grace).await;
        let left = self.sessions();
        if left > 0 {
            warn!(
                connections = left,
                "drain.grace is over: cutting the remaining connections"
            );
            self.tell(|| Order::Phase(Phase::Cut));
            self.wait_for_sessions(MOMENT).await;
        }
        self.tell(|| Order::End);
        for thread in std::mem::take(&mut self.threads) {
            // A worker that panicked has said so already.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }

    fn tell(&self, order: impl Fn() -> Order) {
        for member in self.members.iter() {
            let _ = member.orders.send(order());
        }
    }

    async fn wait_for_sessions(&self, most: Duration) {
        let deadline = Instant::now() + most;
        while self.sessions() > 0 && Instant::now() < deadline {
            sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Pool {
    /// Where one cannot start, those that have must not go on alone.
    fn drop(&mut self) {
        self.tell(|| Order::End);
    }
}

/// A worker thread that is about to start.
struct Starting {
    index: usize,
    members: Arc<[Member]>,
    shared: ForWorkers,
    listeners: Vec<Listener>,
    inbox: UnboundedReceiver<Order>,
}

impl Starting {
    /// The whole life of the thread. Says by `started` how the beginning went.
    fn run(self, started: &std::sync::mpsc::Sender<Result<(), StartError>>) {
        count_as_worker(self.index);
        // Its tasks stay on this thread, so that sessions may share what is not for several; a `LocalSet` in a runtime would
        // be a second queue of tasks with rounds of its own.
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime =
            clock::forget_in_sleep(builder.enable_all()).build_local(LocalOptions::default());
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => {
                let _ = started.send(Err(StartError::Worker(error)));
                return;
            }
        };
        runtime.block_on(async {
            let resolver = match Resolver::new(&self.shared.dns) {
                Ok(resolver) => resolver,
                Err(error) => {
                    let _ = started.send(Err(other(error)));
                    return;
                }
            };
            let listeners = self.listeners.into_iter().map(Listener::register);
            let listeners = match listeners.collect::<Result<Vec<_>, _>>() {
                Ok(listeners) => listeners,
                Err(error) => {
                    let _ = started.send(Err(StartError::Worker(error)));
                    return;
                }
            };
            let thread = Thread {
                index: self.index,
                members: self.members,
                limit: self.shared.limit,
                metrics: self.shared.metrics,
                worker: Rc::new(Worker {
                    resolver,
                    phase: Cell::new(Phase::Serving),
                    changed: Notify::new(),
                }),
                stopping: watch::Sender::new(false),
            };
            let _ = started.send(Ok(()));
            work(Rc::new(thread), listeners, self.inbox).await;
        });
    }
}
