//! The request pump: client to broker. Reads each frame's prefix, decides, notes it in the in-flight queue, streams it on.

use std::io;
use std::task::{Context, Poll, ready};

use tokio::time::Instant;

use super::end::EndReason;
use super::in_flight::Expected;
use super::lane::{Lane, Next, Received};
use super::shared::{Dial, Shared};
use crate::protocol::acks::AcksFinder;
use crate::protocol::api::{self, Refusal, RequestPlan, ResponsePlan};
use crate::protocol::prefix::{self, Foreign, REQUEST_PREFIX_BYTES, RequestPrefix, SIZE_BYTES};
use crate::protocol::{rewrite, sasl};
use crate::transport::buffer::BUFFER_BYTES;
use crate::transport::deadline::Deadline;
use crate::transport::stream::{Stream, is_disconnect};

/// A SaslHandshake request names a mechanism; one that does not fit here is not one.
const HANDSHAKE_MAX_BYTES: u32 = (BUFFER_BYTES / 4) as u32;

/// The state of one direction.
#[derive(Default)]
pub(super) struct RequestPump {
    lane: Lane,
    frame: Frame,
    stall: Deadline,
    /// When to look whether a client that cannot be read from is still there.
    look: Deadline,
    dial: Option<Dial>,
    /// The client has sent its last byte.
    end_of_stream: bool,
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
                if !self.gather(shared)? {
                    ready!(self.poll_forward(cx, shared))?;
                }
                continue;
            }
            let blocked = match stop {
                Stop::Flush => continue,
                Stop::Blocked => {
                    shared.requests_blocked.set(true);
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
            if shared.draining.get() && at_boundary {
                return match blocked {
                    true => Poll::Pending,
                    false => self.poll_drain(cx, shared),
                };
            }
            if self.lane.is_full() {
                return self.poll_look(cx, shared).map(Err);
            }
            ready!(self.poll_read(cx, shared))?;
        }
    }

    /// Whether the client has sent its last byte.
    pub(super) fn saw_end(&self) -> bool {
        self.end_of_stream
    }

    /// Adds to what goes out what is there already. False if there is nothing, or no need.
    fn gather(&mut self, shared: &Shared) -> Result<bool, EndReason> {
        if shared.draining.get() {
            return Ok(false);
        }
        let (opaque, next) = (self.frame.opaque(), self.next(shared));
        let gathered = self.lane.gather(&shared.client, opaque, next);
        Ok(match gathered.map_err(|error| client_end(&error))? {
            Some(received) => {
                self.received(shared, &received);
                true
            }
            None => false,
        })
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
        let most = match shared.draining.get() {
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

    /// No more requests are taken. The broker is not told so while it has answers to give: it would close at once and
    /// give none (Kafka's `Selector` does). Once the client was told that no more answers will come, what it still sends
    /// is read and dropped until it closes: closing a socket with unread bytes in it would be a reset, which takes the
    /// last answers away from a client that has not read them yet.
    fn poll_drain(&mut self, cx: &mut Context<'_>, shared: &Shared) -> Poll<Result<(), EndReason>> {
        if !shared.requests_stopped.replace(true) {
            shared.progress();
        }
        shared.first_end(EndReason::Drained);
        if !shared.responses_over.get() {
            return Poll::Pending;
        }
        loop {
            self.lane.clear();
            let received = self
                .lane
                .poll_receive(cx, &shared.client, 0, Next::Other, usize::MAX);
            if !matches!(ready!(received), Ok(Received::Bytes)) {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Decides about as many bytes as it can; those that may go out are passed to the lane.
    fn decide(&mut self, shared: &Shared) -> Result<Stop, EndReason> {
        loop {
            let undecided = self.lane.undecided().len();
            match std::mem::take(&mut self.frame) {
                Frame::Body { remaining } => {
                    let n = undecided.min(remaining as usize);
                    self.lane.pass(n);
                    let remaining = remaining - n as u32;
                    if remaining > 0 {
                        self.frame = Frame::Body { remaining };
                        return Ok(Stop::NeedBytes);
                    }
                    self.frame = Frame::Boundary;
                }
                Frame::Discard { remaining } => {
                    if self.lane.has_ready() {
                        self.frame = Frame::Discard { remaining };
                        return Ok(Stop::Flush);
                    }
                    let n = undecided.min(remaining as usize);
                    self.lane.discard(n);
                    let remaining = remaining - n as u32;
                    if remaining > 0 {
                        self.frame = Frame::Discard { remaining };
                        return Ok(Stop::NeedBytes);
                    }
                    self.frame = Frame::Boundary;
                }
                Frame::Produce {
                    mut finder,
                    remaining,
                    expected,
                } => {
                    let n = undecided.min(remaining as usize);
                    let bytes = &self.lane.undecided()[..n];
                    let acks = finder
                        .feed(bytes)
                        .map_err(|e| EndReason::MalformedRequest(format!("Produce {e}")))?;
                    match acks {
                        // Nobody answers a Produce request with acks=0, so nobody waits.
                        Some(0) => self.frame = Frame::Body { remaining },
                        Some(_) => {
                            shared.expect(expected);
                            self.frame = Frame::Body { remaining };
                        }
                        None => {
                            self.lane.pass(n);
                            self.frame = Frame::Produce {
                                finder,
                                remaining: remaining - n as u32,
                                expected,
                            };
                            return Ok(Stop::NeedBytes);
                        }
                    }
                }
                Frame::Boundary => {
                    if let Some(stop) = self.begin_frame(shared)? {
                        return Ok(stop);
                    }
                }
            }
        }
    }

    /// Decides about a new frame. `None`: go on with the state that it left.
    fn begin_frame(&mut self, shared: &Shared) -> Result<Option<Stop>, EndReason> {
        let bytes = self.lane.undecided();
        if bytes.is_empty() {
            return Ok(Some(Stop::NeedBytes));
        }
        if shared.awaits_handshake() || shared.in_flight.borrow().is_full() {
            return Ok(Some(Stop::Blocked));
        }
        let Some(&size) = bytes.first_chunk::<SIZE_BYTES>() else {
            return Ok(Some(Stop::NeedBytes));
        };
        if !shared.seen_request.get()
            && let Some(end) = foreign_end(bytes)
        {
            return Err(end);
        }
        if let Some(stop) = self.begin_token(shared, size)? {
            return Ok(stop);
        }
        let bytes = self.lane.undecided();
        let limits = &shared.cluster.limits;
        // The size alone can be judged before the rest of the prefix is there.
        let bad_size = |e: prefix::BadSize| {
            foreign_end(bytes).unwrap_or_else(|| EndReason::BadRequestSize(e.to_string()))
        };
        let frame_bytes = prefix::token_size(&size).map_err(bad_size)?;
        if frame_bytes > limits.request_bytes {
            return Err(foreign_end(bytes).unwrap_or(EndReason::RequestTooLarge {
                bytes: frame_bytes,
                limit: limits.request_bytes,
            }));
        }
        let Some(prefix) = bytes.first_chunk::<REQUEST_PREFIX_BYTES>() else {
            if frame_bytes < (REQUEST_PREFIX_BYTES - SIZE_BYTES) as u32 {
                return Err(EndReason::BadRequestSize(format!(
                    "{frame_bytes} bytes cannot hold a request"
                )));
            }
            return Ok(Some(Stop::NeedBytes));
        };
        let prefix = RequestPrefix::parse(prefix).map_err(bad_size)?;
        self.apply_plan(shared, prefix)
    }

    /// In the raw-token phase of SASL: passes a token on. `None`: this is a Kafka request.
    fn begin_token(
        &mut self,
        shared: &Shared,
        size: [u8; SIZE_BYTES],
    ) -> Result<Option<Option<Stop>>, EndReason> {
        let mut tokens = shared.raw_tokens.borrow_mut();
        let Some(phase) = tokens.as_mut() else {
            return Ok(None);
        };
        let limit = shared.cluster.limits.sasl_bytes;
        let token_bytes =
            prefix::token_size(&size).map_err(|e| EndReason::BadRequestSize(e.to_string()))?;
        let bytes = &self.lane.undecided()[SIZE_BYTES..];
        let first_two = bytes.first_chunk::<2>().copied();
        if token_bytes >= 2 && first_two.is_none() {
            return Ok(Some(Some(Stop::NeedBytes)));
        }
        if !phase.next_is_token(token_bytes, first_two) {
            *tokens = None;
            return Ok(None);
        }
        if token_bytes > limit {
            return Err(EndReason::SaslTokenTooLarge {
                bytes: token_bytes,
                limit,
            });
        }
        shared.expect(Expected::Token {
            may_stay_unanswered: phase.may_stay_unanswered(),
        });
        self.lane.pass(SIZE_BYTES);
        self.frame = Frame::Body {
            remaining: token_bytes,
        };
        Ok(Some(None))
    }

    fn apply_plan(
        &mut self,
        shared: &Shared,
        prefix: RequestPrefix,
    ) -> Result<Option<Stop>, EndReason> {
        let RequestPrefix {
            frame_bytes,
            api_key,
            api_version,
            correlation_id,
        } = prefix;
        let cluster = &shared.cluster;
        let answer = |plan: ResponsePlan| Expected::Answer {
            correlation_id,
            api_key,
            api_version,
            plan,
        };
        let plan = api::plan(&cluster.policy, api_key, api_version);
        let body = Frame::Body {
            remaining: frame_bytes,
        };
        self.lane.begins(frame_bytes);
        let mut passes = |frame: Frame| {
            self.lane.pass(SIZE_BYTES);
            self.frame = frame;
        };
        match plan {
            RequestPlan::Forward(plan) => {
                shared.expect(answer(plan));
                passes(body);
            }
            RequestPlan::Produce(plan) => passes(Frame::Produce {
                finder: AcksFinder::new(api_version, frame_bytes),
                remaining: frame_bytes,
                expected: answer(plan),
            }),
            RequestPlan::SaslAuthenticate => {
                let limit = cluster.limits.sasl_bytes;
                if frame_bytes > limit {
                    return Err(EndReason::SaslTokenTooLarge {
                        bytes: frame_bytes,
                        limit,
                    });
                }
                shared.expect(answer(ResponsePlan::Stream));
                passes(body);
            }
            RequestPlan::SaslHandshakeV0 => {
                let too_long = || EndReason::MalformedRequest("SaslHandshake: too long".into());
                if frame_bytes > HANDSHAKE_MAX_BYTES {
                    return Err(too_long());
                }
                let bytes = &self.lane.undecided()[SIZE_BYTES..];
                let Some(frame) = bytes.get(..frame_bytes as usize) else {
                    return Ok(Some(Stop::NeedBytes));
                };
                let mechanism = sasl::handshake_mechanism(frame)
                    .map_err(|e| EndReason::MalformedRequest(format!("SaslHandshake {e}")))?;
                shared.expect(Expected::Handshake {
                    correlation_id,
                    mechanism,
                });
                self.lane.pass(SIZE_BYTES);
                self.frame = body;
            }
            RequestPlan::AnswerApiVersions => {
                let answer = rewrite::unsupported_api_versions(correlation_id);
                shared.expect(Expected::Ours(answer));
                self.frame = Frame::Discard {
                    remaining: frame_bytes + SIZE_BYTES as u32,
                };
            }
            RequestPlan::Refuse(refusal) => {
                return Err(refused(refusal, api_key, api_version));
            }
        }
        shared.request_seen(api_key);
        Ok(None)
    }

    /// Sends what is decided, dialling the broker first if that was not done yet. Ready when all of it went out.
    fn poll_forward(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared,
    ) -> Poll<Result<(), EndReason>> {
        let broker = ready!(self.poll_dial(cx, shared))?;
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
                    self.lane.wait(&shared.client);
                    let patience = shared.cluster.timeouts.stalled_write;
                    self.stall.set_if_clear(|| Instant::now() + patience);
                    ready!(self.stall.poll(cx));
                    return Poll::Ready(Err(EndReason::BrokerStalled));
                }
            }
        }
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
        Poll::Ready(Ok(shared
            .broker
            .get_or_init(|| Stream::new(connected.stream))))
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
fn client_end(error: &io::Error) -> EndReason {
    match is_disconnect(error) {
        true => EndReason::ClientReset,
        false => EndReason::Socket(format!("reading from the client: {error}")),
    }
}

fn foreign_end(first: &[u8]) -> Option<EndReason> {
    Some(match prefix::foreign(first)? {
        Foreign::Tls | Foreign::TlsAlert => EndReason::TlsOnPlaintextPort,
        Foreign::Http => EndReason::HttpOnKafkaPort,
        Foreign::ProxyProtocol => EndReason::ProxyProtocolOnKafkaPort,
    })
}

fn refused(refusal: Refusal, api_key: i16, api_version: i16) -> EndReason {
    let api = match api::name(api_key) {
        "unknown" => format!("api key {api_key}"),
        name => format!("{name} (api key {api_key})"),
    };
    EndReason::RefusedRequest(match refusal {
        Refusal::UnknownApi => format!("{api} is not known to this proxy"),
        Refusal::InterBrokerApi => format!("{api} is for brokers and controllers only"),
        Refusal::VersionAboveCeiling { ceiling } => {
            format!("{api} version {api_version}; it is offered up to version {ceiling}")
        }
    })
}
