//! The load: one thread that keeps some requests in flight on some connections, or sends them at a rate, and times each.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use rustls::{ClientConfig, StreamOwned};

use crate::broker::watch;
use crate::stream::Stream;
use crate::tls;
use crate::wire::{IN_ANSWER, Inbox, Outbox, Template};

/// Without one answer for this long a route is broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// How much load.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub connections: usize,
    /// Requests of each connection that wait for an answer, in a saturated run.
    pub in_flight: usize,
    /// The time from one request to the next, over all connections, in a paced run.
    pub interval: Option<Duration>,
}

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    Elapsed(Duration),
    Frames(u64),
}

/// What was seen in one window.
#[derive(Debug)]
pub struct Tally {
    /// Answers that arrived whole.
    pub frames: u64,
    pub elapsed: Duration,
    /// Microseconds from the moment at which a request was to be sent to its whole answer.
    pub latency: Histogram<u64>,
}

/// Open connections under one kind of load.
pub struct Client {
    poll: OwnedFd,
    timer: Option<Timer>,
    connections: Vec<Connection>,
    shape: Shape,
    scratch: Vec<u8>,
    events: Vec<epoll::Event>,
}

struct Connection {
    stream: Stream,
    outbox: Outbox,
    inbox: Inbox,
    /// When each unanswered request was to be sent; ids are in the same order.
    due: VecDeque<Instant>,
    next_id: i32,
    watched: bool,
}

struct Timer {
    fd: OwnedFd,
    begin: Instant,
    interval: Duration,
    fired: u32,
}

const TIMER: u64 = u64::MAX;

impl Client {
    /// Opens the connections, through TLS if it is told how; no request is sent yet.
    pub fn connect(
        address: SocketAddr,
        encrypted: Option<&Arc<ClientConfig>>,
        request: &Arc<Template>,
        shape: Shape,
    ) -> std::io::Result<Self> {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut connections = Vec::with_capacity(shape.connections);
        for index in 0..shape.connections {
            let (socket, session) = match encrypted {
                None => (tls::plain(address)?, None),
                Some(config) => {
                    let StreamOwned { conn, sock } = tls::connect(address, config)?;
                    (sock, Some(conn.into()))
                }
            };
            socket.set_nonblocking(true)?;
            let data = EventData::new_u64(index as u64);
            epoll::add(&poll, &socket, data, EventFlags::IN)?;
            connections.push(Connection {
                stream: Stream::new(socket, session),
                outbox: Outbox::new(request.clone()),
                inbox: Inbox::new(IN_ANSWER),
                due: VecDeque::with_capacity(64),
                next_id: 1,
                watched: false,
            });
        }
        Ok(Client {
            poll,
            timer: None,
            connections,
            shape,
            scratch: vec![0; 256 * 1024],
            events: Vec::with_capacity(64),
        })
    }

    /// Sends and receives for a while. What is in flight at the end stays so, for the next window.
    pub fn run(&mut self, until: Until) -> Result<Tally, String> {
        self.start().map_err(|error| error.to_string())?;
        let begin = Instant::now();
        let mut last_answer = begin;
        let mut tally = Tally {
            frames: 0,
            elapsed: Duration::ZERO,
            latency: Histogram::new_with_bounds(1, 60_000_000, 3).expect("good bounds"),
        };
        loop {
            self.events.clear();
            let second = Timespec {
                tv_sec: 1,
                tv_nsec: 0,
            };
            let space = rustix::buffer::spare_capacity(&mut self.events);
            match epoll::wait(&self.poll, space, Some(&second)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(format!("epoll: {error}")),
            }
            let before = tally.frames;
            self.work(&mut tally)?;
            let now = Instant::now();
            if tally.frames > before {
                last_answer = now;
            } else if now - last_answer > PATIENCE {
                return Err("no answer came back".to_owned());
            }
            tally.elapsed = now - begin;
            let over = match until {
                Until::Elapsed(duration) => tally.elapsed >= duration,
                Until::Frames(frames) => tally.frames >= frames,
            };
            if over {
                return Ok(tally);
            }
        }
    }

    fn start(&mut self) -> std::io::Result<()> {
        let Some(interval) = self.shape.interval else {
            let now = Instant::now();
            for connection in &mut self.connections {
                while connection.due.len() < self.shape.in_flight {
                    connection.push(now);
                }
            }
            return (0..self.connections.len()).try_for_each(|index| self.flush(index));
        };
        if self.timer.is_none() {
            let timer = Timer::start(interval)?;
            let data = EventData::new_u64(TIMER);
            epoll::add(&self.poll, &timer.fd, data, EventFlags::IN)?;
            self.timer = Some(timer);
        }
        Ok(())
    }

    fn work(&mut self, tally: &mut Tally) -> Result<(), String> {
        for n in 0..self.events.len() {
            let data = self.events[n].data;
            let outcome = match data.u64() {
                TIMER => self.send_what_is_due(),
                index => self.receive(index as usize, tally),
            };
            outcome.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn send_what_is_due(&mut self) -> std::io::Result<()> {
        while let Some(due) = self.timer.as_mut().and_then(Timer::next_due) {
            let fired = self.timer.as_ref().map_or(0, |timer| timer.fired) as usize;
            let index = fired % self.connections.len();
            self.connections[index].push(due);
            self.flush(index)?;
        }
        Ok(())
    }

    fn receive(&mut self, index: usize, tally: &mut Tally) -> std::io::Result<()> {
        let Connection {
            stream,
            inbox,
            due,
            next_id,
            outbox,
            ..
        } = &mut self.connections[index];
        let saturated = self.shape.interval.is_none();
        let open = stream.receive(&mut self.scratch, |bytes| {
            let now = Instant::now();
            inbox.feed(bytes, |id| {
                let expected = *next_id - due.len() as i32;
                assert_eq!(id, expected, "an answer to another request");
                let was_due = due.pop_front().expect("a request is in flight");
                let micros = (now - was_due).as_micros() as u64;
                tally.latency.saturating_record(micros.max(1));
                tally.frames += 1;
                if saturated {
                    due.push_back(now);
                    outbox.push(*next_id);
                    *next_id += 1;
                }
            });
        });
        if !open? {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.flush(index)
    }

    fn flush(&mut self, index: usize) -> std::io::Result<()> {
        let connection = &mut self.connections[index];
        let blocked = !connection.outbox.flush(&mut connection.stream)?;
        if blocked != connection.watched {
            watch(
                &self.poll,
                connection.stream.socket(),
                index as u64,
                blocked,
            );
            connection.watched = blocked;
        }
        Ok(())
    }
}

impl Connection {
    fn push(&mut self, due: Instant) {
        self.due.push_back(due);
        self.outbox.push(self.next_id);
        self.next_id += 1;
    }
}

impl Timer {
    fn start(interval: Duration) -> std::io::Result<Self> {
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK)?;
        let period = Timespec::try_from(interval).expect("a short time");
        let periods = Itimerspec {
            it_interval: period,
            it_value: period,
        };
        let begin = Instant::now();
        timerfd_settime(&fd, TimerfdTimerFlags::empty(), &periods)?;
        Ok(Timer {
            fd,
            begin,
            interval,
            fired: 0,
        })
    }

    /// When the next request was to be sent, if that is in the past.
    fn next_due(&mut self) -> Option<Instant> {
        let due = self.begin + self.interval * (self.fired + 1);
        if due > Instant::now() {
            // Until it fires again; how often it did the clock has told already.
            let _ = rustix::io::read(&self.fd, &mut [0; 8]);
            return None;
        }
        self.fired += 1;
        Some(due)
    }
}
