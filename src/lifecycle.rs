//! How far the process is in its life, as the admin endpoints and metrics tell it.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

/// A stage of the process's life; they follow each other in this order, and none comes twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Not all listeners are bound.
    Starting,
    /// New connections are welcome.
    Serving,
    /// Told to stop: load balancers are asked to send nobody here, but who comes is served.
    LameDuck,
    /// The listeners are closed, and connections are being closed.
    Draining,
}

impl State {
    const ALL: [State; 4] = [
        State::Starting,
        State::Serving,
        State::LameDuck,
        State::Draining,
    ];

    /// Its name for machines.
    pub fn word(self) -> &'static str {
        match self {
            State::Starting => "starting",
            State::Serving => "serving",
            State::LameDuck => "lame_duck",
            State::Draining => "draining",
        }
    }

    /// The value of `portolan_drain_state`.
    pub fn drain_state(self) -> i64 {
        match self {
            State::Starting | State::Serving => 0,
            State::LameDuck => 1,
            State::Draining => 2,
        }
    }
}

/// The stage that this process is in. Clones tell of the same process.
#[derive(Clone, Debug)]
pub struct Lifecycle(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: AtomicU8,
    /// When each began; nothing for those that have not begun, or were left out.
    since: [OnceLock<SystemTime>; State::ALL.len()],
}

impl Default for Lifecycle {
    /// A process that is starting.
    fn default() -> Self {
        let since = [const { OnceLock::new() }; State::ALL.len()];
        let _ = since[State::Starting as usize].set(SystemTime::now());
        Lifecycle(Arc::new(Inner {
            state: AtomicU8::new(State::Starting as u8),
            since,
        }))
    }
}

impl Lifecycle {
    /// The stage that it is in now.
    pub fn state(&self) -> State {
        State::ALL[usize::from(self.0.state.load(Ordering::Acquire))]
    }

    /// When this stage began; `None` if it has not.
    pub fn since(&self, state: State) -> Option<SystemTime> {
        self.0.since[state as usize].get().copied()
    }

    /// Goes on to a stage; never back.
    pub fn enter(&self, state: State) {
        // First the time: who sees the stage wants to know since when.
        let _ = self.0.since[state as usize].set(SystemTime::now());
        self.0.state.fetch_max(state as u8, Ordering::AcqRel);
    }

    /// Whether all listeners are bound. They stay in use while draining, as far as a probe is concerned: Kubernetes sends
    /// traffic to pods that are going away only where there is no other, and only while they are ready.
    pub fn is_ready(&self) -> bool {
        self.state() >= State::Serving
    }

    /// Whether new connections had better go elsewhere because this process is going away.
    pub fn is_going_away(&self) -> bool {
        self.state() >= State::LameDuck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_and_never_back_and_knows_since_when() {
        let life = Lifecycle::default();
        assert_eq!(life.state(), State::Starting);
        assert!(life.since(State::Starting).is_some());
        assert!(!life.is_ready() && !life.is_going_away());
        let told = life.clone();
        life.enter(State::Serving);
        assert!(told.is_ready() && !told.is_going_away());
        assert_eq!(told.since(State::Draining), None);
        life.enter(State::Draining);
        let since = told.since(State::Draining);
        assert!(since.is_some());
        for state in [State::Serving, State::LameDuck, State::Draining] {
            life.enter(state);
            assert_eq!(told.state(), State::Draining, "after {state:?}");
        }
        assert_eq!(told.since(State::Draining), since);
        assert!(told.is_ready() && told.is_going_away());
    }

    #[test]
    fn every_stage_is_where_its_number_says() {
        for (number, state) in State::ALL.into_iter().enumerate() {
            assert_eq!(state as usize, number);
        }
    }
}
