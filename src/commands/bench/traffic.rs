//! The two halves of a connection under load: one keeps requests in flight, the other times their answers.

use std::cell::{Cell, RefCell};
use std::io;
use std::time::Instant;

use bytes::Buf;
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{Semaphore, mpsc};

use super::answers;
use super::frames::Frames;
use super::load::Load;
use super::measure::Measured;
use super::pace::{Pace, Timer};
use super::plan::{Acks, Workload};
use super::requests::{self, Template};
use super::session::Part;
use crate::commands::client::Error;
use crate::commands::client::codes::{self, Kind};
use crate::commands::client::connection::{header, malformed_answer, not_kafka, refused};
use crate::commands::client::stream::Stream;
use crate::config::BrokerAddress;
use crate::protocol::Malformed;

/// A request in flight.
pub(super) struct Sent {
    correlation_id: i32,
    since: Instant,
    part: usize,
    offset: i64,
    /// Says only that all before it were read.
    is_marker: bool,
}

/// Why a session stopped before its end.
pub(super) enum Stop {
    Moved(i16),
    Failed(Error),
}

/// The writer's half.
pub(super) struct Writing<'a> {
    pub(super) load: &'a Load,
    pub(super) measured: &'a RefCell<Measured>,
    pub(super) timer: &'a Timer,
    pub(super) index: usize,
    pub(super) parts: &'a RefCell<Vec<Part>>,
    pub(super) window: &'a Semaphore,
    pub(super) start: Instant,
    pub(super) next: &'a mut u64,
}

impl Writing<'_> {
    pub(super) async fn all(
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
                Some(pace) if now >= end + load.overrun() => {
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
pub(super) struct Reading<'a> {
    pub(super) load: &'a Load,
    pub(super) measured: &'a RefCell<Measured>,
    pub(super) address: &'a BrokerAddress,
    pub(super) version: i16,
    pub(super) parts: &'a RefCell<Vec<Part>>,
    pub(super) window: &'a Semaphore,
    /// When something last went well.
    pub(super) fine: &'a Cell<Instant>,
    /// Since when an answer is waited for.
    pub(super) waiting: &'a Cell<Option<Instant>>,
    pub(super) start: Instant,
}

impl Reading<'_> {
    pub(super) async fn all(
        self,
        mut reader: ReadHalf<Stream>,
        mut in_flight: mpsc::UnboundedReceiver<Sent>,
    ) -> Result<(), Stop> {
        let load = self.load;
        let tagged = answers::has_tagged_header(load.workload, self.version);
        let mut frames = Frames::new(load.largest_answer);
        while let Some(sent) = in_flight.recv().await {
            self.waiting.set(Some(Instant::now()));
            let frame = match frames.next(&mut reader).await {
                Ok(Ok(frame)) => frame,
                Ok(Err(size)) => return Err(Stop::Failed(not_kafka(self.address, size))),
                Err(error) => return Err(Stop::Failed(lost(self.address, &error))),
            };
            self.waiting.set(None);
            let now = Instant::now();
            let malformed = |m: Malformed| Stop::Failed(malformed_answer(self.address, m));
            let has_tags = tagged && !sent.is_marker;
            let body = header(frame, sent.correlation_id, has_tags).map_err(malformed)?;
            if sent.is_marker {
                let mut measured = self.measured.borrow_mut();
                measured.elapsed = measured.elapsed.max(now - self.start);
                continue;
            }
            let answer = answers::read(load.workload, self.version, &frame[body..]);
            let answer = answer.map_err(malformed)?;
            self.note(&sent, &answer, now)?;
            self.window.add_permits(1);
        }
        Ok(())
    }

    fn note(&self, sent: &Sent, answer: &answers::Answer, now: Instant) -> Result<(), Stop> {
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
        self.fine.set(now);
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
pub(super) fn lost(address: &BrokerAddress, error: &io::Error) -> Error {
    let problem = format!("the connection was lost under load: {error}");
    let remedy = "the log of the proxy or of the broker says why";
    Error::new(address, problem, remedy)
}
