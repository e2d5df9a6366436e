//! One connection under load: a writer that keeps requests in flight, and a reader that times their answers.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep, timeout_at};

use super::frames::Frames;
use super::measure::Measured;
use super::pace::{Pace, Timer};
use super::plan::{Acks, Leg, Workload};
use super::requests::{self, Subject, Template};
use super::targets::{self, PAUSE, Targets};
use crate::commands::client::codes::{self, Kind};
use crate::commands::client::connection::{
    header, malformed_answer, no_answer, not_kafka, refused,
};
use crate::commands::client::stream::Stream;
use crate::commands::client::{Connection, Error};
use crate::config::BrokerAddress;
use crate::protocol::Malformed;

/// What all connections of a run have in common.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) leg: Leg,
    pub(super) topic: String,
    pub(super) workload: Workload,
    pub(super) acks: Acks,
    pub(super) records: Bytes,
    pub(super) fetch_size: usize,
    /// The largest answer that is taken.
    pub(super) largest_answer: usize,
    pub(super) window: usize,
    pub(super) connections: usize,
    pub(super) rate: Option<f64>,
    pub(super) duration: Duration,
    /// For whoever watches.
    pub(super) progress: Progress,
}

/// What was answered so far.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) bytes: AtomicU64,
    pub(super) requests: AtomicU64,
}

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

/// A connection to one leader, and what is sent there.
pub(super) struct Session {
    address: BrokerAddress,
    stream: Stream,
    version: i16,
    parts: Vec<Part>,
}

/// One partition.
struct Part {
    template: Template,
    /// Fetch: from the first offset that is there to the last.
    first: i64,
    end: i64,
    /// Fetch: where requests may go on. As many as are in flight, since the next offset is known only from an answer.
    offsets: Vec<i64>,
}

/// A request in flight.
struct Sent {
    correlation_id: i32,
    since: Instant,
    part: usize,
    offset: i64,
    /// Says only that all before it were read.
    is_marker: bool,
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

    /// Connects to the leader that is this connection's turn.
    pub(super) async fn open(&self, targets: &Targets) -> Result<Session, Error> {
        let load = &*self.load;
        let leader = &targets.leaders[self.index % targets.leaders.len()];
        let mut connection = Connection::connect(&leader.address, &load.leg.settings).await?;
        let (key, versions) = requests::api(load.workload, targets.topic_id);
        let version = connection.version(key, versions)?;
        let subject = Subject {
            client_id: &load.leg.settings.client_id,
            topic: &load.topic,
            topic_id: targets.topic_id,
            acks: load.acks,
            records: &load.records,
            fetch_size: load.fetch_size,
        };
        let mut parts = Vec::new();
        for &partition in &leader.partitions {
            let (first, end) = match load.workload {
                Workload::Fetch => {
                    let first = self.offset(&mut connection, partition, requests::EARLIEST);
                    let first = first.await?;
                    let end = self.offset(&mut connection, partition, requests::LATEST);
                    (first, end.await?)
                }
                _ => (0, 1),
            };
            if first < end {
                let template = requests::template(load.workload, &subject, version, partition)
                    .map_err(|problem| Error::new(&leader.address, problem, ""))?;
                parts.push(Part {
                    template,
                    first,
                    end,
                    offsets: Vec::new(),
                });
            }
        }
        if parts.is_empty() {
            let problem = format!(
                "the partitions {:?} of {} are empty",
                leader.partitions, load.topic
            );
            let remedy = "there is nothing to fetch: give --topic one with records, or produce into it first";
            return Err(Error::new(&leader.address, problem, remedy));
        }
        Ok(Session {
            address: leader.address.clone(),
            stream: connection.into_stream(),
            version,
            parts,
        })
    }

    async fn offset(
        &self,
        connection: &mut Connection,
        partition: i32,
        timestamp: i64,
    ) -> Result<i64, Error> {
        let (key, versions) = requests::api(Workload::Ping, uuid::Uuid::nil());
        let version = connection.version(key, versions)?;
        let request = requests::list_offsets(&self.load.topic, partition, timestamp);
        let begin = Instant::now();
        loop {
            let answer = connection.ask(&request, version).await?;
            let answer = requests::read(Workload::Ping, version, &answer);
            let answer = answer.map_err(|m| connection.malformed(m))?;
            match (answer.error, answer.offset) {
                (codes::NONE, Some(offset)) => return Ok(offset),
                (code, _)
                    if codes::kind(code) == Kind::Moved
                        && begin.elapsed() < self.load.leg.settings.timeout =>
                {
                    sleep(PAUSE).await;
                }
                (code, _) => return Err(connection.refused("list offsets", code, "")),
            }
        }
    }

    /// Sends until the time is over and everything was answered, through a new session where a partition has moved.
    pub(super) async fn work(mut self, first: Session, start: Instant) -> Result<(), Error> {
        let mut session = first;
        let patience = self.load.leg.settings.timeout;
        self.fine = start;
        loop {
            let address = session.address.clone();
            // The schedule may be overrun once by its own length; then what is in flight may take its time.
            let deadline = start + 2 * self.load.duration + patience;
            let running = self.run(session, start);
            match timeout_at(deadline.into(), running).await {
                Err(_) => return Err(no_answer(&address, &self.load.leg.settings)),
                Ok(Err(error)) => return Err(error),
                Ok(Ok(Ended::Done)) => return Ok(()),
                Ok(Ok(Ended::Moved(code))) => {
                    if self.fine.elapsed() > patience {
                        return Err(refused(&address, &self.load.workload.to_string(), code, ""));
                    }
                    self.measured.borrow_mut().moved += 1;
                    sleep(PAUSE).await;
                    let targets = targets::find(&self.load.leg, &self.load.topic).await?;
                    session = self.open(&targets).await?;
                }
            }
        }
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
        let fine = RefCell::new(self.fine);
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
            tokio::try_join!(writing, reading.all(reader, sent))
        };
        self.sent = first_unsent;
        self.fine = fine.into_inner();
        match outcome {
            Ok(_) => Ok(Ended::Done),
            Err(Stop::Moved(code)) => Ok(Ended::Moved(code)),
            Err(Stop::Failed(error)) => Err(error),
        }
    }
}

/// Why a session stopped before its end.
enum Stop {
    Moved(i16),
    Failed(Error),
}

/// The writer's half.
struct Writing<'a> {
    load: &'a Load,
    measured: &'a RefCell<Measured>,
    timer: &'a Timer,
    index: usize,
    parts: &'a RefCell<Vec<Part>>,
    window: &'a Semaphore,
    start: Instant,
    next: &'a mut u64,
}

impl Writing<'_> {
    async fn all(
        self,
        mut writer: WriteHalf<Stream>,
        in_flight: mpsc::UnboundedSender<Sent>,
    ) -> io::Result<()> {
        let load = self.load;
        let pace = load.rate.map(|rate| Pace {
            rate,
            index: self.index,
            connections: load.connections,
        });
        let unanswered = load.workload == Workload::Produce && load.acks == Acks::None;
        let end = self.start + load.duration;
        let mut correlation_id = 0i32;
        loop {
            let due = match pace {
                None => None,
                Some(pace) => {
                    let due = pace.due(*self.next);
                    if due >= load.duration {
                        break;
                    }
                    self.timer.until(self.start + due).await?;
                    Some(self.start + due)
                }
            };
            if !unanswered {
                // It is never closed.
                let Ok(permit) = self.window.acquire().await else {
                    break;
                };
                permit.forget();
            }
            let now = Instant::now();
            match pace {
                None if now >= end => break,
                Some(pace) if now >= end + load.duration => {
                    let unsent = pace.count(load.duration).saturating_sub(*self.next);
                    self.measured.borrow_mut().unsent += unsent;
                    break;
                }
                _ => {}
            }
            // Taken out while it is written, for the reader needs the parts, too.
            let (mut template, part, offset) = self.take_template(*self.next);
            *self.next += 1;
            correlation_id = correlation_id.wrapping_add(1);
            let bytes = template.record_bytes();
            if !unanswered {
                let sent = Sent {
                    correlation_id,
                    since: due.unwrap_or(now),
                    part,
                    offset,
                    is_marker: false,
                };
                // The reader lives as long as this.
                let _ = in_flight.send(sent);
            }
            let written = write(&mut writer, &mut template, correlation_id).await;
            self.put_template(part, template);
            written?;
            if unanswered {
                let mut measured = self.measured.borrow_mut();
                measured.requests += 1;
                measured.bytes += bytes;
                load.progress.count(bytes);
            }
        }
        if unanswered {
            let mut marker =
                requests::marker(&load.leg.settings.client_id).map_err(io::Error::other)?;
            let _ = in_flight.send(Sent {
                correlation_id: 0,
                since: Instant::now(),
                part: 0,
                offset: 0,
                is_marker: true,
            });
            write(&mut writer, &mut marker, 0).await?;
        }
        Ok(())
    }

    /// The n-th request goes to the next partition.
    fn take_template(&self, n: u64) -> (Template, usize, i64) {
        let mut parts = self.parts.borrow_mut();
        let count = parts.len();
        let index = (n % count as u64) as usize;
        let part = &mut parts[index];
        let offset = part.offsets.pop().unwrap_or(part.first);
        let mut template = std::mem::take(&mut part.template);
        template.set_offset(offset);
        (template, index, offset)
    }

    fn put_template(&self, index: usize, template: Template) {
        self.parts.borrow_mut()[index].template = template;
    }
}

/// The reader's half.
struct Reading<'a> {
    load: &'a Load,
    measured: &'a RefCell<Measured>,
    address: &'a BrokerAddress,
    version: i16,
    parts: &'a RefCell<Vec<Part>>,
    window: &'a Semaphore,
    fine: &'a RefCell<Instant>,
    start: Instant,
}

impl Reading<'_> {
    async fn all(
        self,
        mut reader: ReadHalf<Stream>,
        mut in_flight: mpsc::UnboundedReceiver<Sent>,
    ) -> Result<(), Stop> {
        let load = self.load;
        let tagged = requests::has_tagged_header(load.workload, self.version);
        let mut frames = Frames::new(load.largest_answer);
        while let Some(sent) = in_flight.recv().await {
            let frame = match frames.next(&mut reader).await {
                Ok(Ok(frame)) => frame,
                Ok(Err(size)) => return Err(Stop::Failed(not_kafka(self.address, size))),
                Err(error) => return Err(Stop::Failed(lost(self.address, &error))),
            };
            let now = Instant::now();
            let malformed = |m: Malformed| Stop::Failed(malformed_answer(self.address, m));
            let has_tags = tagged && !sent.is_marker;
            let body = header(frame, sent.correlation_id, has_tags).map_err(malformed)?;
            if sent.is_marker {
                let mut measured = self.measured.borrow_mut();
                measured.elapsed = measured.elapsed.max(now - self.start);
                continue;
            }
            let answer = requests::read(load.workload, self.version, &frame[body..]);
            let answer = answer.map_err(malformed)?;
            self.note(&sent, &answer, now)?;
            self.window.add_permits(1);
        }
        Ok(())
    }

    fn note(&self, sent: &Sent, answer: &requests::Answer, now: Instant) -> Result<(), Stop> {
        let load = self.load;
        let mut measured = self.measured.borrow_mut();
        measured.elapsed = measured.elapsed.max(now - self.start);
        if answer.error != codes::NONE {
            match codes::kind(answer.error) {
                Kind::Moved => return Err(Stop::Moved(answer.error)),
                Kind::Lasting => {
                    let what = load.workload.to_string();
                    return Err(Stop::Failed(refused(self.address, &what, answer.error, "")));
                }
                Kind::Passing => *measured.errors.entry(answer.error).or_default() += 1,
            }
            self.go_on(sent, sent.offset);
            return Ok(());
        }
        let bytes = match load.workload {
            Workload::Produce => load.records.len() as u64,
            _ => answer.bytes,
        };
        measured.requests += 1;
        measured.bytes += bytes;
        measured.took(now.saturating_duration_since(sent.since));
        load.progress.count(bytes);
        *self.fine.borrow_mut() = now;
        self.go_on(sent, answer.offset.unwrap_or(i64::MAX));
        Ok(())
    }

    /// Lets a later fetch go on from here, or from the beginning where this is the end.
    fn go_on(&self, sent: &Sent, offset: i64) {
        if self.load.workload == Workload::Fetch {
            let part = &mut self.parts.borrow_mut()[sent.part];
            let next = match (part.first..part.end).contains(&offset) {
                true => offset,
                false => part.first,
            };
            part.offsets.push(next);
        }
    }
}

impl Progress {
    fn count(&self, bytes: u64) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

async fn write(
    writer: &mut WriteHalf<Stream>,
    template: &mut Template,
    correlation_id: i32,
) -> io::Result<()> {
    let [head, records, tail] = template.parts(correlation_id);
    writer
        .write_all_buf(&mut head.chain(records).chain(tail))
        .await?;
    writer.flush().await
}

/// A connection that ended under load.
fn lost(address: &BrokerAddress, error: &io::Error) -> Error {
    let problem = format!("the connection was lost under load: {error}");
    let remedy = "the log of the proxy or of the broker says why";
    Error::new(address, problem, remedy)
}
