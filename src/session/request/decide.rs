//! Decides about the bytes of requests as they come: which pass, and what their clients then wait for.

use super::{Frame, RequestPump, Stop};
use crate::protocol::acks::AcksFinder;
use crate::protocol::api::{self, Refusal, RequestPlan, ResponsePlan};
use crate::protocol::prefix::{self, Foreign, REQUEST_PREFIX_BYTES, RequestPrefix, SIZE_BYTES};
use crate::protocol::{rewrite, sasl, software};
use crate::session::clock;
use crate::session::end::EndReason;
use crate::session::in_flight::Expected;
use crate::session::shared::Shared;
use crate::transport::buffer::BUFFER_BYTES;

/// A SaslHandshake request names a mechanism; one that does not fit here is not one.
const HANDSHAKE_MAX_BYTES: u32 = (BUFFER_BYTES / 4) as u32;

impl RequestPump {
    /// Decides about as many bytes as it can; those that may go out are passed to the lane.
    pub(super) fn decide(&mut self, shared: &Shared) -> Result<Stop, EndReason> {
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
                    self.frame_ends(shared);
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
                Frame::Introduction {
                    mut seen,
                    remaining,
                } => {
                    let n = undecided.min(remaining as usize);
                    seen.extend_from_slice(&self.lane.undecided()[..n]);
                    self.lane.pass(n);
                    let remaining = remaining - n as u32;
                    if remaining > 0 {
                        self.frame = Frame::Introduction { seen, remaining };
                        return Ok(Stop::NeedBytes);
                    }
                    shared.introduced(&seen);
                    self.frame_ends(shared);
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

    /// A frame that passes was read to its last byte.
    fn frame_ends(&mut self, shared: &Shared) {
        shared.request_read();
        self.passage.frame_ends();
        self.frame = Frame::Boundary;
    }

    /// Decides about a new frame. `None`: go on with the state that it left.
    fn begin_frame(&mut self, shared: &Shared) -> Result<Option<Stop>, EndReason> {
        let bytes = self.lane.undecided();
        if bytes.is_empty() || self.drops() {
            return Ok(Some(Stop::NeedBytes));
        }
        if self.late.is_some() {
            return Ok(self.begin_late_frame(shared));
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
            read_at: clock::last_look(),
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
                let introduces = !shared.introduced.get()
                    && software::is_introduction(api_key, api_version, frame_bytes);
                passes(match introduces {
                    true => Frame::Introduction {
                        seen: Vec::new(),
                        remaining: frame_bytes,
                    },
                    false => body,
                });
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
                    read_at: clock::last_look(),
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
