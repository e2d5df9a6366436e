//! Whether the broker of each route can be reached: what dials and probes last found, and since when.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::probe::NO_ANSWER;
use crate::port_map::Route;

/// What is known of the broker of a route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Nobody has been seen there yet: not tried, or an id of the port map whose broker does not exist yet.
    #[default]
    Unknown,
    /// It answered when it was tried last.
    Up,
    /// It did not answer when it was tried last.
    Down,
}

impl State {
    /// The word in `/status`.
    pub fn word(self) -> &'static str {
        match self {
            State::Unknown => "unknown",
            State::Up => "up",
            State::Down => "down",
        }
    }
}

/// Why a broker could not be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// A label, of a fixed set.
    pub reason: &'static str,
    /// What happened and what to do about it, in one line.
    pub message: String,
    /// That nobody is there is as likely as that somebody is down: the name has no address, or no broker has that id.
    pub absent: bool,
}

/// What is known of a route.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Whether its broker can be reached.
    pub state: State,
    /// Since when it is in this state.
    pub since: Option<SystemTime>,
    /// The last failure, also where it is over.
    pub last_failure: Option<(SystemTime, Failure)>,
}

/// The routes of one virtual cluster.
#[derive(Debug, Default)]
pub struct Health {
    routes: Mutex<BTreeMap<Route, Known>>,
    probed: AtomicBool,
}

impl Health {
    /// Takes note of what became of a dial or a probe, and returns what is known now.
    pub fn note(&self, route: Route, outcome: Result<(), Failure>) -> State {
        let mut routes = self.lock();
        let known = routes.entry(route).or_default();
        let now = SystemTime::now();
        let next = match outcome {
            Ok(()) => State::Up,
            Err(failure) => {
                let never = known.state == State::Unknown && failure.absent;
                known.last_failure = Some((now, failure));
                match never && route != Route::Bootstrap {
                    true => State::Unknown,
                    false => State::Down,
                }
            }
        };
        if next != known.state || known.since.is_none() {
            known.since = Some(now);
            known.state = next;
        }
        next
    }

    /// What is known of a route.
    pub fn of(&self, route: Route) -> Known {
        self.lock().get(&route).cloned().unwrap_or_default()
    }

    /// Whether probes are made, now.
    pub fn set_probed(&self, probed: bool) {
        self.probed.store(probed, Ordering::Relaxed);
    }

    /// Whether the broker of a route accepted a connection when it was probed last, and did not answer.
    pub fn is_silent(&self, route: Route) -> bool {
        // Without probes nobody would ever see that it answers again.
        self.probed.load(Ordering::Relaxed)
            && self.lock().get(&route).is_some_and(|known| {
                let last = known.last_failure.as_ref();
                known.state == State::Down && last.is_some_and(|(_, f)| f.reason == NO_ANSWER)
            })
    }

    /// Whether the broker of any of these routes can be reached; `None` while none has been tried.
    pub fn any(&self, is_there: impl Fn(Route) -> bool) -> Option<bool> {
        let routes = self.lock();
        // A dial that was under way at a reload may have left a route that is gone.
        let mut states = routes
            .iter()
            .filter(|(route, _)| is_there(**route))
            .map(|(_, known)| known.state)
            .peekable();
        states.peek()?;
        Some(states.any(|state| state == State::Up))
    }

    /// Forgets routes that are not there any more.
    pub fn keep(&self, is_there: impl Fn(Route) -> bool) {
        self.lock().retain(|&route, _| is_there(route));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Route, Known>> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port_map::NodeId;

    const NODE: Route = Route::Node(NodeId(3));

    fn failure(absent: bool) -> Failure {
        Failure {
            reason: "refused",
            message: "it refused".into(),
            absent,
        }
    }

    #[test]
    fn who_was_never_there_is_unknown_and_who_went_is_down() {
        let health = Health::default();
        assert_eq!(health.any(|_| true), None);
        assert_eq!(health.note(NODE, Err(failure(true))), State::Unknown);
        assert_eq!(health.any(|_| true), Some(false));
        assert_eq!(health.note(NODE, Ok(())), State::Up);
        assert_eq!(health.any(|_| true), Some(true));
        assert_eq!(health.note(NODE, Err(failure(true))), State::Down);
        assert_eq!(health.of(NODE).last_failure.unwrap().1, failure(true));
        health.note(NODE, Ok(()));
        assert_eq!(health.any(|route| route != NODE), None, "it is gone");
    }

    #[test]
    fn who_refuses_is_down_and_bootstrap_servers_are_never_just_absent() {
        let health = Health::default();
        assert_eq!(health.note(NODE, Err(failure(false))), State::Down);
        let bootstrap = health.note(Route::Bootstrap, Err(failure(true)));
        assert_eq!(bootstrap, State::Down);
    }

    #[test]
    fn a_state_begins_once() {
        let health = Health::default();
        health.note(NODE, Ok(()));
        let since = health.of(NODE).since;
        health.note(NODE, Ok(()));
        assert_eq!(health.of(NODE).since, since);
        health.keep(|route| route == Route::Bootstrap);
        assert_eq!(health.of(NODE).state, State::Unknown);
    }
}
