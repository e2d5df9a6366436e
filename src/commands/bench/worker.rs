//! One connection under load, from its first session to the end of the time.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::split;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep, timeout_at};

use super::load::Load;
use super::measure::Measured;
use super::pace::Timer;
use super::session::Session;
use super::targets::{self, PAUSE, Targets};
use super::traffic::{Reading, Stop, Writing, lost};
use crate::commands::client::Error;
use crate::commands::client::connection::{no_answer, refused};
use crate::config::BrokerAddress;

/// One connection.
pub(super) struct Worker {
    load: Arc<Load>,
    index: usize,
    /// What the connections of a thread have measured together.
    measured: Rc<RefCell<Measured>>,
    timer: Timer,
    /// Requests of the schedule so far.
    sent: u64,
    /// When something last went well.
    fine: Instant,
}

/// How a session ended.
enum Ended {
    Done,
    /// A partition has moved, with this error code.
    Moved(i16),
}

impl Worker {
    pub(super) fn new(
        load: Arc<Load>,
        index: usize,
        measured: Rc<RefCell<Measured>>,
    ) -> io::Result<Self> {
        Ok(Worker {
            load,
            index,
            measured,
            timer: Timer::new()?,
            sent: 0,
            fine: Instant::now(),
        })
    }

    /// Connects for the first time.
    pub(super) async fn open(&self, targets: &Targets) -> Result<Session, Error> {
        Session::open(&self.load, self.index, targets).await
    }

    /// Sends until the time is over and everything was answered, through a new session where a partition has moved.
    pub(super) async fn work(mut self, first: Session, start: Instant) -> Result<(), Error> {
        let mut session = first;
        let patience = self.load.leg.settings.timeout;
        self.fine = start;
        let mut moved = None;
        loop {
            let address = session.address.clone();
            // What is in flight then may take its time.
            let deadline = start + self.load.duration + self.load.overrun() + patience;
            let running = self.run(session, start);
            match timeout_at(deadline.into(), running).await {
                Err(_) => return Err(no_answer(&address, &self.load.leg.settings)),
                Ok(Err(error)) => return Err(error),
                Ok(Ok(Ended::Done)) => match moved {
                    Some(code) if self.fine == start => return Err(self.never(&address, code)),
                    _ => return Ok(()),
                },
                Ok(Ok(Ended::Moved(code))) => {
                    if self.fine.elapsed() > patience {
                        return Err(self.never(&address, code));
                    }
                    moved = Some(code);
                    self.measured.borrow_mut().moved += 1;
                    sleep(PAUSE).await;
                    let targets = targets::find(&self.load.leg, &self.load.topic).await?;
                    session = Session::open(&self.load, self.index, &targets).await?;
                }
            }
        }
    }

    /// Partitions that move again and again, so that nothing went well.
    fn never(&self, address: &BrokerAddress, code: i16) -> Error {
        refused(address, &self.load.workload.to_string(), code, "")
    }

    async fn run(&mut self, session: Session, start: Instant) -> Result<Ended, Error> {
        let Session {
            address,
            stream,
            version,
            parts,
        } = session;
        let (reader, writer) = split(stream);
        let (in_flight, sent) = mpsc::unbounded_channel();
        let window = Semaphore::new(self.load.window);
        let parts = RefCell::new(parts);
        let fine = Cell::new(self.fine);
        let waiting = Cell::new(None);
        let mut first_unsent = self.sent;
        let outcome = {
            let reading = Reading {
                load: &self.load,
                measured: &self.measured,
                address: &address,
                version,
                parts: &parts,
                window: &window,
                fine: &fine,
                waiting: &waiting,
                start,
            };
            let writing = Writing {
                load: &self.load,
                measured: &self.measured,
                timer: &self.timer,
                index: self.index,
                parts: &parts,
                window: &window,
                start,
                next: &mut first_unsent,
            };
            let writing = async {
                let written = writing.all(writer, in_flight).await;
                written.map_err(|error| Stop::Failed(lost(&address, &error)))
            };
            let settings = &self.load.leg.settings;
            let both = async { tokio::try_join!(writing, reading.all(reader, sent)) };
            tokio::select! {
                outcome = both => outcome,
                () = stall(&waiting, settings.timeout) => Err(Stop::Failed(no_answer(&address, settings))),
            }
        };
        self.sent = first_unsent;
        self.fine = fine.get();
        match outcome {
            Ok(_) => Ok(Ended::Done),
            Err(Stop::Moved(code)) => Ok(Ended::Moved(code)),
            Err(Stop::Failed(error)) => Err(error),
        }
    }
}

/// Ends when an answer was waited for as long as this.
async fn stall(waiting: &Cell<Option<Instant>>, patience: Duration) {
    loop {
        let since = waiting.get().unwrap_or_else(Instant::now);
        let left = patience.saturating_sub(since.elapsed());
        if left.is_zero() {
            return;
        }
        sleep(left).await;
    }
}
