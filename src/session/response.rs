//! The response pump: broker to client. Matches each answer with the oldest request in flight and streams it on, rewrites
//! its head, rewrites it whole, or walks it on its way.

mod decide;

use std::io;
use std::task::{Context, Poll, ready};

use tokio::time::Instant;

use super::end::EndReason;
use super::held::{HeldFor, malformed};
use super::lane::{Lane, Leg, Next, Received};
use super::passage::Passage;
use super::shared::Shared;
use crate::protocol::api::METADATA;
use crate::protocol::rewrite::MetadataHead;
use crate::protocol::walker::ResponseWalker;
use crate::transport::deadline::Deadline;
use crate::transport::stream::{Stream, is_disconnect};
use crate::transport::tls::is_tls;

/// The state of one direction. First `replaced` goes out, then what is ready in the lane.
#[derive(Debug, Default)]
pub(super) struct ResponsePump {
    replaced: Replaced,
    lane: Lane,
    frame: Frame,
    passage: Passage,
    /// Something was changed in the bytes that came last.
    changed: bool,
    stall: Deadline,
    /// The broker has sent its last byte.
    end_of_stream: bool,
    closing: bool,
}

/// Bytes of ours that stand in for the broker's, and how many of them went out.
#[derive(Debug, Default)]
struct Replaced {
    bytes: Vec<u8>,
    sent: usize,
}

/// Where in a frame the first undecided byte is.
#[derive(Debug, Default)]
enum Frame {
    /// At a size field.
    #[default]
    Boundary,
    /// In a frame that passes.
    Body { remaining: u32 },
    /// In a frame that is walked while it passes.
    Walk {
        walker: ResponseWalker,
        remaining: u32,
        api_key: i16,
        counted: u32,
    },
    /// In a frame that is held until it is whole.
    /// `held` is `None` while the size field is still in the buffer.
    Whole {
        held: Option<Vec<u8>>,
        held_for: HeldFor,
        frame_bytes: u32,
    },
    /// In the head of a Metadata answer; `held` as above.
    Head {
        head: MetadataHead,
        held: Option<Vec<u8>>,
        frame_bytes: u32,
        api_key: i16,
        api_version: i16,
    },
}

impl Frame {
    /// How many of the next bytes need not be seen.
    fn opaque(&self) -> u32 {
        match self {
            Frame::Body { remaining } => *remaining,
            Frame::Walk { walker, .. } => walker.opaque_bytes(),
            _ => 0,
        }
    }

    /// What the next bytes are, behind the opaque ones.
    fn next(&self) -> Next {
        match self {
            Frame::Boundary => Next::Frame,
            // Topics of Metadata are changed anywhere, and have nothing large in them.
            Frame::Walk { api_key, .. } if *api_key != METADATA => Next::Gap,
            _ => Next::Other,
        }
    }
}

enum Stop {
    NeedBytes,
    Flush,
}

impl ResponsePump {
    /// Before the first byte.
    pub(super) fn new(broker: Leg, client: Leg) -> Self {
        ResponsePump {
            lane: Lane::new(broker, client),
            ..ResponsePump::default()
        }
    }

    /// Moves bytes until something must be waited for. Ready when this direction is over for good: the client was told
    /// that no more will come.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared,
    ) -> Poll<Result<(), EndReason>> {
        loop {
            if self.closing {
                return self.poll_close(cx, shared);
            }
            let stop = self.decide(shared)?;
            self.settle(shared)?;
            if self.gather(shared)? {
                continue;
            }
            if self.has_ready() || matches!(stop, Stop::Flush) {
                ready!(self.poll_flush(cx, shared))?;
                continue;
            }
            self.passage.is_idle();
            let at_boundary = matches!(self.frame, Frame::Boundary) && self.lane.is_empty();
            let no_more_requests = shared.requests_stopped.get()
                || (shared.draining.get() && shared.requests_over.get());
            if at_boundary && no_more_requests && shared.in_flight.borrow().is_empty() {
                // Draining, and the last answer went out. Whether the broker closes does not matter any more.
                self.closing = true;
                continue;
            }
            if self.end_of_stream {
                shared.first_end(match at_boundary {
                    true => EndReason::BrokerClosed,
                    false => EndReason::BrokerClosedMidFrame,
                });
                self.closing = true;
                continue;
            }
            let Some(broker) = shared.broker.get() else {
                if shared.requests_over.get() {
                    // Nobody was dialled, and nobody will be.
                    self.closing = true;
                    continue;
                }
                return Poll::Pending;
            };
            ready!(self.poll_read(cx, shared, broker))?;
        }
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared,
        broker: &Stream,
    ) -> Poll<Result<(), EndReason>> {
        ready!(shared.poll_budget(cx));
        let (opaque, next) = (self.frame.opaque(), self.frame.next());
        let received = ready!(self.lane.poll_receive(cx, broker, opaque, next, usize::MAX));
        self.passage.received();
        self.received(shared, received.map_err(|error| broker_end(&error))?)?;
        Poll::Ready(Ok(()))
    }

    /// Adds to what goes out what is there already. False if there is nothing, or no need.
    fn gather(&mut self, shared: &Shared) -> Result<bool, EndReason> {
        let (Some(broker), []) = (shared.broker.get(), self.replaced.bytes.as_slice()) else {
            return Ok(false);
        };
        let (opaque, next) = (self.frame.opaque(), self.frame.next());
        match self.lane.gather(broker, opaque, next) {
            Some(received) => self.received(shared, received).map(|()| true),
            None => Ok(false),
        }
    }

    fn received(&mut self, shared: &Shared, received: Received) -> Result<(), EndReason> {
        match received {
            Received::End => {
                self.end_of_stream = true;
                return Ok(());
            }
            Received::Passed(n) => self.passed(shared, n)?,
            Received::Bytes => {}
        }
        shared.active();
        Ok(())
    }

    /// Whether there is something to send.
    fn has_ready(&self) -> bool {
        self.lane.has_ready() || !self.replaced.bytes.is_empty()
    }

    /// So many bytes of the frame went by unseen.
    fn passed(&mut self, shared: &Shared, n: u32) -> Result<(), EndReason> {
        match &mut self.frame {
            Frame::Body { remaining } => *remaining = remaining.saturating_sub(n),
            Frame::Walk {
                walker,
                remaining,
                api_key,
                ..
            } => {
                walker.skip(n);
                *remaining = remaining.saturating_sub(n);
                if *remaining == 0 {
                    // May it end here?
                    let walked = walker.walk(&mut [], &shared.ports);
                    walked.map_err(|e| malformed(*api_key, e))?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn settle(&mut self, shared: &Shared) -> Result<(), EndReason> {
        let unchanged = !std::mem::take(&mut self.changed);
        let Some(broker) = shared.broker.get() else {
            return Ok(());
        };
        self.lane
            .settle(broker, self.frame.opaque(), unchanged)
            .map_err(|error| broker_end(&error))
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, shared: &Shared) -> Poll<Result<(), EndReason>> {
        // A client that is gone already needs no goodbye.
        if shared.client.poll_shutdown(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        // That of TLS takes room in the socket, which a client that reads nothing does not make.
        let patience = shared.cluster.timeouts.stalled_write;
        self.stall.set_if_clear(|| Instant::now() + patience);
        ready!(self.stall.poll(cx));
        Poll::Ready(Err(EndReason::ClientStalled))
    }

    /// Sends what is decided. Ready when all of it went out.
    fn poll_flush(&mut self, cx: &mut Context<'_>, shared: &Shared) -> Poll<Result<(), EndReason>> {
        self.passage.sends();
        loop {
            let replaced = &self.replaced.bytes[self.replaced.sent..];
            let sent = if !replaced.is_empty() {
                shared.client.poll_write(cx, replaced)
            } else if self.lane.has_ready() {
                self.lane.poll_send(cx, &shared.client)
            } else {
                let in_frame = !matches!(self.frame, Frame::Boundary);
                self.passage.sent(shared, in_frame);
                return Poll::Ready(Ok(()));
            };
            match sent {
                Poll::Ready(Ok(n)) => {
                    if !self.replaced.bytes.is_empty() {
                        self.replaced.sent += n;
                        if self.replaced.sent == self.replaced.bytes.len() {
                            self.replaced = Replaced::default();
                        }
                    }
                    self.stall.clear();
                    shared.responses_moved(n);
                }
                Poll::Ready(Err(error)) => {
                    return Poll::Ready(Err(match is_disconnect(&error) {
                        true => EndReason::ClientReset,
                        false => EndReason::Socket(format!("writing to the client: {error}")),
                    }));
                }
                Poll::Pending => {
                    self.passage.waits();
                    if let Some(broker) = shared.broker.get() {
                        self.lane.wait(broker);
                    }
                    let patience = shared.cluster.timeouts.stalled_write;
                    self.stall.set_if_clear(|| Instant::now() + patience);
                    ready!(self.stall.poll(cx));
                    return Poll::Ready(Err(EndReason::ClientStalled));
                }
            }
        }
    }
}

/// The end of a session whose broker cannot be read from.
fn broker_end(error: &io::Error) -> EndReason {
    match is_disconnect(error) {
        true => EndReason::BrokerReset,
        false if is_tls(error) => EndReason::BrokerTlsBroken(error.to_string()),
        false => EndReason::Socket(format!("reading from the broker: {error}")),
    }
}
