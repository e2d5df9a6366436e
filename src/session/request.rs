//! The request pump: client to broker. Reads each frame's prefix, decides, notes it in the in-flight queue, streams it on.

mod decide;
mod late;

use std::io;
use std::task::{Context, Poll, ready};

use tokio::time::Instant;

use super::end::EndReason;
use super::in_flight::Expected;
use super::lane::{Lane, Leg, Next, Received};
use super::passage::Passage;
use super::shared::{Dial, Shared};
use crate::protocol::acks::AcksFinder;
use crate::transport::deadline::Deadline;
use crate::transport::stream::{Stream, is_disconnect};
use crate::transport::tls::is_tls;
use late::Late;

/// The state of one direction.
pub(super) struct RequestPump {
    lane: Lane,
    frame: Frame,
    passage: Passage,
    stall: Deadline,
    /// When to look whether a client that cannot be read from is still there.
    look: Deadline,
    dial: Option<Dial>,
    /// The client has sent its last byte.
    end_of_stream: bool,
    /// The client was told that no more answers come.
    late: Option<Late>,
    /// Everything went out; what is left is to tell the broker so.
    closing: bool,
}

/// Where in a frame the first undecided byte is.
#[derive(Debug, Default)]
enum Frame {
    /// At a size field.
    #[default]
    Boundary,
    /// In a frame that passes.
    Body { remaining: u32 },
    /// In a Produce request whose `acks` is not known yet.
    Produce {
        finder: AcksFinder,
        remaining: u32,
        expected: Expected,
    },
    /// In a request that passes and says which software the client is: what passed of it, after its size field.
    Introduction { seen: Vec<u8>, remaining: u32 },
    /// In a frame that we answer ourselves.
    Discard { remaining: u32 },
}

impl Frame {
    /// How many of the next bytes need not be seen.
    fn opaque(&self) -> u32 {
        match self {
            Frame::Body { remaining } => *remaining,
            _ => 0,
        }
    }

    /// So many of them went by.
    fn passed(&mut self, n: u32) {
        if let Frame::Body { remaining } = self {
            *remaining = remaining.saturating_sub(n);
        }
    }

    /// Bytes of the frame that are still to come.
    fn remaining(&self) -> usize {
        match self {
            Frame::Boundary => 0,
            Frame::Body { remaining }
            | Frame::Produce { remaining, .. }
            | Frame::Introduction { remaining, .. }
            | Frame::Discard { remaining } => *remaining as usize,
        }
    }
}

/// Why `decide` went no further.
enum Stop {
    /// More bytes are needed.
    NeedBytes,
    /// What is decided must go out first.
    Flush,
    /// An answer must come first.
    Blocked,
}

impl RequestPump {
    /// Before the first byte.
    pub(super) fn new(client: Leg, broker: Leg) -> Self {
        RequestPump {
            lane: Lane::new(client, broker),
            frame: Frame::default(),
            passage: Passage::default(),
            stall: Deadline::default(),
            look: Deadline::default(),
            dial: None,
            end_of_stream: false,
            late: None,
            closing: false,
        }
    }

    /// Moves bytes until something must be waited for. Ready when this direction is over for good: the broker was told
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
            if let Err(error) = self.lane.settle(&shared.client, self.frame.opaque(), true) {
                return Poll::Ready(Err(client_end(&error)));
            }
            if self.lane.has_ready() {
                if !self.gather(shared) {
                    ready!(self.poll_forward(cx, shared))?;
                }
                continue;
            }
            self.passage.is_idle();
            let blocked = match stop {
                Stop::Flush => continue,
                // That answer will never come.
                Stop::Blocked if shared.responses_over.get() => return self.poll_drop(cx, shared),
                Stop::Blocked => {
                    let begins = !shared.requests_blocked.replace(true);
                    if begins && shared.in_flight.borrow().is_full() {
                        shared.cluster.metrics.limit_met("in_flight");
                    }
                    true
                }
                Stop::NeedBytes => false,
            };
            let at_boundary = matches!(self.frame, Frame::Boundary);
            if self.end_of_stream {
                if blocked {
                    return Poll::Pending;
                }
                shared.first_end(match at_boundary && self.lane.is_empty() {
                    true if !shared.seen_bytes.get() => EndReason::BareConnect,
                    true => EndReason::ClientClosed,
                    false => EndReason::ClientClosedMidFrame,
                });
                self.closing = true;
                continue;
            }
            if shared.draining.get() && at_boundary && self.late.is_none() {
                if blocked || !self.stops(shared) {
                    return Poll::Pending;
                }
                continue;
            }
            if self.is_too_late(cx) {
                self.closing = true;
                continue;
            }
            if self.drops() {
                return self.poll_drop(cx, shared);
            }
            if self.lane.is_full() {
                return self.poll_look(cx, shared).map(Err);
            }
            match ready!(self.poll_read(cx, shared)) {
                // However it ended: what came before is still to arrive at the broker, which a reset would prevent.
                Err(_) if self.late.is_some() => self.closing = true,
                read => read?,
            }
        }
    }

    /// Whether the client has sent its last byte.
    pub(super) fn saw_end(&self) -> bool {
        self.end_of_stream
    }

    /// Adds to what goes out what is there already. False if there is nothing, or no need.
    fn gather(&mut self, shared: &Shared) -> bool {
        if shared.draining.get() {
            return false;
        }
        let (opaque, next) = (self.frame.opaque(), self.next(shared));
        match self.lane.gather(&shared.client, opaque, next) {
            Some(received) => {
                self.received(shared, &received);
                true
            }
            None => false,
        }
    }

    /// What the next bytes are.
    fn next(&self, shared: &Shared) -> Next {
        match &self.frame {
            // While requests are held back the end of the stream must be noticed behind them, which a look does not.
            Frame::Boundary if !shared.requests_blocked.get() => Next::Frame,
            _ => Next::Other,
        }
    }

    fn received(&mut self, shared: &Shared, received: &Received) {
        match received {
            Received::End => {
                self.end_of_stream = true;
                return;
            }
            Received::Passed(n) => self.frame.passed(*n),
            Received::Bytes => {}
        }
        shared.seen_bytes.set(true);
        shared.active();
    }

    /// Reads once. Also while requests are held back: as far as the buffer reaches, so that a client that goes away
    /// meanwhile is noticed.
    fn poll_read(&mut self, cx: &mut Context<'_>, shared: &Shared) -> Poll<Result<(), EndReason>> {
        let most = match shared.draining.get() && self.late.is_none() {
            // The frame that has begun is wanted, what follows it is not.
            true => self.frame.remaining(),
            false => usize::MAX,
        };
        ready!(shared.poll_budget(cx));
        let (opaque, next) = (self.frame.opaque(), self.next(shared));
        let received = ready!(
            self.lane
                .poll_receive(cx, &shared.client, opaque, next, most)
        );
        self.passage.received();
        self.received(shared, &received.map_err(|error| client_end(&error))?);
        Poll::Ready(Ok(()))
    }

    /// Nothing can be read, and so neither is a client that went away noticed by its end of stream. The kernel knows of a
    /// reset, and of a client that keepalive found dead: it is asked from time to time.
    fn poll_look(&mut self, cx: &mut Context<'_>, shared: &Shared) -> Poll<EndReason> {
        loop {
            let period = shared.cluster.timeouts.stalled_write;
            self.look.set_if_clear(|| Instant::now() + period);
            ready!(self.look.poll(cx));
            if shared.client.is_broken() {
                return Poll::Ready(EndReason::ClientReset);
            }
        }
    }

    /// Sends what is decided, dialling the broker first if that was not done yet. Ready when all of it went out.
    fn poll_forward(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared,
    ) -> Poll<Result<(), EndReason>> {
        self.passage.sends();
        let Poll::Ready(broker) = self.poll_dial(cx, shared) else {
            self.passage.waits();
            return Poll::Pending;
        };
        let broker = broker?;
        while self.lane.has_ready() {
            match self.lane.poll_send(cx, broker) {
                Poll::Ready(Ok(n)) => {
                    self.stall.clear();
                    shared.requests_moved(n);
                }
                Poll::Ready(Err(error)) => {
                    // The broker may have answered before it went away: the response pump reads that first.
                    self.lane.clear();
                    shared.first_end(match is_disconnect(&error) {
                        true => EndReason::BrokerReset,
                        false => EndReason::Socket(format!("writing to the broker: {error}")),
                    });
                    self.closing = true;
                    return Poll::Ready(Ok(()));
                }
                Poll::Pending => {
                    self.passage.waits();
                    self.lane.wait(&shared.client);
                    let patience = shared.cluster.timeouts.stalled_write;
                    self.stall.set_if_clear(|| Instant::now() + patience);
                    ready!(self.stall.poll(cx));
                    return Poll::Ready(Err(EndReason::BrokerStalled));
                }
            }
        }
        let in_frame = !matches!(self.frame, Frame::Boundary);
        self.passage.sent(shared, in_frame);
        Poll::Ready(Ok(()))
    }

    fn poll_dial<'a>(
        &mut self,
        cx: &mut Context<'_>,
        shared: &'a Shared,
    ) -> Poll<Result<&'a Stream, EndReason>> {
        if let Some(broker) = shared.broker.get() {
            return Poll::Ready(Ok(broker));
        }
        if self.dial.is_none() && shared.is_loop() {
            return Poll::Ready(Err(EndReason::Loop));
        }
        shared.dialled.set(true);
        let dial = self.dial.get_or_insert_with(|| shared.dial());
        let outcome = ready!(dial.as_mut().poll(cx));
        self.dial = None;
        let connected = outcome.map_err(|e| EndReason::ConnectFailed(e.to_string()))?;
        shared.broker_address.set(Some(connected.peer));
        if let Some(own) = connected.own {
            let _ = shared.own.set(own);
        }
        shared.progress();
        Poll::Ready(Ok(shared.broker.get_or_init(|| connected.stream)))
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, shared: &Shared) -> Poll<Result<(), EndReason>> {
        let Some(broker) = shared.broker.get() else {
            return Poll::Ready(Ok(()));
        };
        // A broker that is gone already needs no goodbye.
        let _: io::Result<()> = ready!(broker.poll_shutdown(cx));
        Poll::Ready(Ok(()))
    }
}

/// The end of a session whose client cannot be read from.
pub(super) fn client_end(error: &io::Error) -> EndReason {
    match is_disconnect(error) {
        true => EndReason::ClientReset,
        false if is_tls(error) => EndReason::TlsBroken(error.to_string()),
        false => EndReason::Socket(format!("reading from the client: {error}")),
    }
}
