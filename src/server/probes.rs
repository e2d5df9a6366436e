//! Probes the broker of every route, so that one that is down is known before a client meets it.
//!
//! On a thread of its own, which serves no clients. A client's dial does not stand for a probe: a broker that hangs still accepts
//! connections. A route where nobody has been seen yet is probed less often, for the port map may have room for brokers to come.

use std::collections::HashMap;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, sleep_until};

use super::{StartError, other};
use crate::config::Dns;
use crate::port_map::Route;
use crate::session::{LiveCluster, random};
use crate::status::{Board, InForce};
use crate::upstream::health::State;
use crate::upstream::resolver::Resolver;

/// Probes at one time; more wait.
const AT_ONCE: usize = 32;

/// How many intervals pass between probes of a route where nobody has been seen yet.
const UNKNOWN_FACTOR: u32 = 6;

/// How soon a reload is found.
const LOOK: Duration = Duration::from_secs(1);

/// A cluster's name, and a route of it.
type Key = (String, Route);

/// The thread that probes. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Probes {
    _stop: oneshot::Sender<Infallible>,
}

impl Probes {
    /// Starts it.
    pub(super) fn start(board: Arc<Board>, dns: &Dns) -> Result<Self, StartError> {
        let resolver = Resolver::new(dns).map_err(other)?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(other)?;
        let (stop, stopped) = oneshot::channel::<Infallible>();
        let probe = move || {
            let prober = LocalSet::new();
            let probing = prober.run_until(Prober::new(&board, resolver).run());
            runtime.block_on(async {
                tokio::select! {
                    never = probing => match never {},
                    // The sender going away.
                    _ = stopped => {}
                }
            });
        };
        let thread = thread::Builder::new().name("probes".to_owned());
        thread.spawn(probe).map_err(other)?;
        Ok(Probes { _stop: stop })
    }
}

struct Prober<'a> {
    board: &'a Board,
    resolver: Rc<Resolver>,
    places: Arc<Semaphore>,
    /// When each route's turn is; `None` while it is being probed.
    turns: HashMap<Key, Option<Instant>>,
    probes: JoinSet<(Key, State)>,
    /// What was in force when routes that are gone were forgotten last.
    seen: Option<Arc<InForce>>,
}

impl<'a> Prober<'a> {
    fn new(board: &'a Board, resolver: Resolver) -> Self {
        Prober {
            board,
            resolver: Rc::new(resolver),
            places: Arc::new(Semaphore::new(AT_ONCE)),
            turns: HashMap::new(),
            probes: JoinSet::new(),
            seen: None,
        }
    }

    async fn run(mut self) -> Infallible {
        let mut wake = self.start_due();
        loop {
            tokio::select! {
                Some(ended) = self.probes.join_next() => {
                    // It does not panic.
                    if let Ok((key, state)) = ended {
                        wake = wake.min(self.ended(key, state));
                    }
                }
                () = sleep_until(wake) => wake = self.start_due(),
            }
        }
    }

    /// Starts what is due, and says when to look again.
    fn start_due(&mut self) -> Instant {
        let now = Instant::now();
        let mut wake = now + LOOK;
        let in_force = self.board.in_force();
        let is_seen = |seen: &Arc<InForce>| Arc::ptr_eq(seen, &in_force);
        if !self.seen.as_ref().is_some_and(is_seen) {
            self.forget(&in_force);
            self.seen = Some(in_force.clone());
        }
        if in_force.config.health.interval.is_none() {
            return wake;
        }
        for (name, cluster) in &in_force.clusters {
            for route in cluster.load().routes() {
                let key = (name.clone(), route);
                match self.turns.get(&key) {
                    Some(None) => {}
                    Some(Some(at)) if *at > now => wake = wake.min(*at),
                    Some(Some(_)) | None => {
                        self.start(key.clone(), cluster.clone());
                        self.turns.insert(key, None);
                    }
                }
            }
        }
        wake
    }

    /// Forgets routes that are not there any more.
    fn forget(&mut self, in_force: &InForce) {
        // What is in force may have other brokers: all are probed anew. One that is being probed is so when that ends.
        self.turns.retain(|_, turn| turn.is_none());
        let probed = in_force.config.health.interval.is_some();
        for cluster in in_force.clusters.values() {
            let cluster = cluster.load();
            let health = cluster.upstream.health();
            health.set_probed(probed);
            health.keep(|route| cluster.has(route));
        }
    }

    fn start(&mut self, key: Key, cluster: LiveCluster) {
        let (resolver, places) = (self.resolver.clone(), self.places.clone());
        self.probes.spawn_local(async move {
            // Nobody closes it.
            let _place = places.acquire_owned().await;
            let route = key.1;
            let cluster = cluster.load_full();
            if let Some(outcome) = cluster.upstream.probe(route, &resolver).await {
                cluster.note_probe(route, outcome);
            }
            (key, cluster.upstream.health().of(route).state)
        });
    }

    /// Says when it is probed next.
    fn ended(&mut self, key: Key, state: State) -> Instant {
        let interval = self.board.in_force().config.health.interval;
        let pause = pause(interval.unwrap_or(LOOK));
        let pause = match state {
            State::Unknown => pause * UNKNOWN_FACTOR,
            State::Up | State::Down => pause,
        };
        let next = Instant::now() + pause;
        self.turns.insert(key, Some(next));
        next
    }
}

/// Up to a fifth longer, so that proxies that were started together do not go on probing together.
fn pause(interval: Duration) -> Duration {
    interval.mul_f64(1.0 + 0.2 * random())
}
