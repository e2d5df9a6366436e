//! Decides about the bytes of answers as they come: which pass, which are changed on their way, which are held.

use super::{Frame, Replaced, ResponsePump, Stop};
use crate::protocol::api::{self, ResponsePlan, WalkedResponse, WholeResponse};
use crate::protocol::prefix::{self, Foreign, RESPONSE_PREFIX_BYTES, ResponsePrefix, SIZE_BYTES};
use crate::protocol::rewrite::{self, MetadataHead};
use crate::protocol::walker::ResponseWalker;
use crate::session::end::EndReason;
use crate::session::held::{HeldFor, malformed};
use crate::session::in_flight::Expected;
use crate::session::shared::Shared;

impl ResponsePump {
    /// Decides about as many bytes as it can; those that may go out are passed to the lane.
    pub(super) fn decide(&mut self, shared: &Shared) -> Result<Stop, EndReason> {
        loop {
            if !self.replaced.bytes.is_empty() {
                return Ok(Stop::Flush);
            }
            let undecided = self.lane.undecided().len();
            let stop = match std::mem::take(&mut self.frame) {
                Frame::Boundary => self.begin_frame(shared)?,
                Frame::Body { remaining } => {
                    let n = undecided.min(remaining as usize);
                    self.lane.pass(n);
                    let remaining = remaining - n as u32;
                    if remaining > 0 {
                        self.frame = Frame::Body { remaining };
                        Some(Stop::NeedBytes)
                    } else {
                        self.frame_ends();
                        None
                    }
                }
                Frame::Walk {
                    walker,
                    remaining,
                    api_key,
                    counted,
                } => self.walk(shared, walker, remaining, api_key, counted)?,
                Frame::Whole {
                    held,
                    held_for,
                    frame_bytes,
                } => self.hold_whole(shared, held, held_for, frame_bytes)?,
                Frame::Head {
                    head,
                    held,
                    frame_bytes,
                    api_key,
                    api_version,
                } => self.hold_head(shared, head, held, frame_bytes, api_key, api_version)?,
            };
            if let Some(stop) = stop {
                return Ok(stop);
            }
        }
    }

    /// The last byte of a frame, or of what goes out in its place, may go out.
    fn frame_ends(&mut self) {
        self.passage.frame_ends();
        self.frame = Frame::Boundary;
    }

    /// Decides about a new frame. `None`: go on with the state that it left.
    fn begin_frame(&mut self, shared: &Shared) -> Result<Option<Stop>, EndReason> {
        let bytes = self.lane.undecided();
        let mut in_flight = shared.in_flight.borrow_mut();
        if in_flight.ours_is_due() {
            if self.lane.has_ready() {
                return Ok(Some(Stop::Flush));
            }
            in_flight.drop_tokens();
            if let Some(Expected::Ours(answer)) = in_flight.pop() {
                self.replaced = Replaced {
                    bytes: answer,
                    sent: 0,
                };
                self.frame_ends();
            }
            drop(in_flight);
            shared.popped();
            return Ok(None);
        }
        let Some(size) = bytes.first_chunk::<SIZE_BYTES>() else {
            return Ok(Some(Stop::NeedBytes));
        };
        if !shared.seen_response.get() && prefix::foreign(bytes) == Some(Foreign::TlsAlert) {
            return Err(EndReason::BrokerWantsTls);
        }
        if !shared.seen_response.get()
            && let Some(text) = prefix::text(u32::from_be_bytes(*size))
        {
            return Err(EndReason::BadResponseSize(format!(
                "it is the text {text:?}"
            )));
        }
        let bad_size = |e: prefix::BadSize| EndReason::BadResponseSize(e.to_string());
        if let Some(id) = in_flight.id_behind_tokens() {
            match bytes.first_chunk::<RESPONSE_PREFIX_BYTES>() {
                Some(prefix)
                    if ResponsePrefix::parse(prefix).is_ok_and(|p| p.correlation_id == id) =>
                {
                    in_flight.drop_tokens();
                }
                // A token shorter than that is one for certain.
                None if prefix::token_size(size).is_ok_and(|n| n >= 4) => {
                    return Ok(Some(Stop::NeedBytes));
                }
                _ => {}
            }
        }
        if let Some(Expected::Token { .. }) = in_flight.next() {
            let token_bytes = prefix::token_size(size).map_err(bad_size)?;
            in_flight.pop();
            drop(in_flight);
            shared.popped();
            self.lane.pass(SIZE_BYTES);
            self.frame = Frame::Body {
                remaining: token_bytes,
            };
            return Ok(None);
        }
        let Some(prefix) = bytes.first_chunk::<RESPONSE_PREFIX_BYTES>() else {
            return Ok(Some(Stop::NeedBytes));
        };
        let prefix = ResponsePrefix::parse(prefix).map_err(bad_size)?;
        let due = match in_flight.next() {
            Some(
                Expected::Answer { correlation_id, .. }
                | Expected::Handshake { correlation_id, .. },
            ) => *correlation_id,
            _ => return Err(EndReason::UnexpectedResponse),
        };
        if due != prefix.correlation_id {
            return Err(EndReason::CorrelationMismatch {
                expected: due,
                found: prefix.correlation_id,
            });
        }
        let expected = in_flight.pop();
        drop(in_flight);
        shared.seen_response.set(true);
        shared.popped();
        match expected {
            Some(Expected::Answer {
                api_key,
                api_version,
                plan,
                read_at,
                ..
            }) => {
                shared.answered(api_key, read_at);
                self.apply_plan(shared, plan, prefix.frame_bytes, api_key, api_version)
            }
            Some(Expected::Handshake {
                mechanism, read_at, ..
            }) => {
                shared.answered(api::SASL_HANDSHAKE, read_at);
                let limit = shared.cluster.limits.response_rewrite_bytes;
                self.frame = whole(HeldFor::Handshake(mechanism), prefix.frame_bytes, limit)?;
                Ok(None)
            }
            _ => Err(EndReason::UnexpectedResponse),
        }
    }

    fn apply_plan(
        &mut self,
        shared: &Shared,
        plan: ResponsePlan,
        frame_bytes: u32,
        api_key: i16,
        api_version: i16,
    ) -> Result<Option<Stop>, EndReason> {
        self.lane.begins(frame_bytes);
        let limit = shared.cluster.limits.response_rewrite_bytes;
        let walked = match plan {
            ResponsePlan::Walk(kind) => Some(kind),
            // Too large to be held: blanking the endpoints needs no holding.
            ResponsePlan::Whole(WholeResponse::Produce) if frame_bytes > limit => {
                Some(WalkedResponse::Produce)
            }
            ResponsePlan::Whole(WholeResponse::ShareAcknowledge) if frame_bytes > limit => {
                Some(WalkedResponse::ShareAcknowledge)
            }
            _ => None,
        };
        self.frame = match (walked, plan) {
            (Some(kind), _) => {
                self.lane.pass(SIZE_BYTES);
                Frame::Walk {
                    walker: ResponseWalker::new(kind, api_version, frame_bytes),
                    remaining: frame_bytes,
                    api_key,
                    counted: 0,
                }
            }
            (None, ResponsePlan::Whole(kind)) => {
                let held_for = HeldFor::Rewrite {
                    kind,
                    api_key,
                    api_version,
                };
                whole(held_for, frame_bytes, limit)?
            }
            (None, ResponsePlan::MetadataHead) => Frame::Head {
                head: MetadataHead::new(api_version, frame_bytes),
                held: None,
                frame_bytes,
                api_key,
                api_version,
            },
            (None, ResponsePlan::Stream | ResponsePlan::Walk(_)) => {
                self.lane.pass(SIZE_BYTES);
                Frame::Body {
                    remaining: frame_bytes,
                }
            }
        };
        Ok(None)
    }

    fn walk(
        &mut self,
        shared: &Shared,
        mut walker: ResponseWalker,
        remaining: u32,
        api_key: i16,
        counted: u32,
    ) -> Result<Option<Stop>, EndReason> {
        let bytes = self.lane.undecided_mut();
        let n = bytes.len().min(remaining as usize);
        let bytes = &mut bytes[..n];
        let done = walker
            .walk(bytes, &shared.ports)
            .map_err(|e| malformed(api_key, e))?;
        self.lane.pass(done);
        let remaining = remaining - done as u32;
        let neutralised = walker.neutralised();
        if neutralised > counted {
            self.changed = true;
            let metrics = &shared.cluster.metrics;
            metrics.endpoints_neutralised(api_key, u64::from(neutralised - counted));
        }
        if remaining == 0 {
            self.frame_ends();
            return Ok(None);
        }
        self.frame = Frame::Walk {
            walker,
            remaining,
            api_key,
            counted: neutralised,
        };
        Ok(Some(Stop::NeedBytes))
    }

    fn hold_whole(
        &mut self,
        shared: &Shared,
        held: Option<Vec<u8>>,
        held_for: HeldFor,
        frame_bytes: u32,
    ) -> Result<Option<Stop>, EndReason> {
        let wait = |pump: &mut Self, held, stop| {
            pump.frame = Frame::Whole {
                held,
                held_for,
                frame_bytes,
            };
            Ok(Some(stop))
        };
        let Some(mut held) = held else {
            let bytes = self.lane.undecided();
            if let Some(frame) = bytes.get(SIZE_BYTES..SIZE_BYTES + frame_bytes as usize) {
                // The frame is here in one piece: no copy, and it may even pass as it is.
                let whole = SIZE_BYTES + frame.len();
                match held_for.replace(shared, frame)? {
                    None => self.lane.pass(whole),
                    Some(_) if self.lane.has_ready() => return wait(self, None, Stop::Flush),
                    Some((bytes, findings)) => {
                        held_for.note(shared, &findings);
                        self.lane.discard(whole);
                        self.replaced = Replaced { bytes, sent: 0 };
                    }
                }
                self.frame_ends();
                return Ok(None);
            }
            if self.lane.has_ready() {
                return wait(self, None, Stop::Flush);
            }
            self.lane.discard(SIZE_BYTES);
            self.frame = Frame::Whole {
                held: Some(Vec::new()),
                held_for,
                frame_bytes,
            };
            return Ok(None);
        };
        let bytes = self.lane.undecided();
        let n = bytes.len().min(frame_bytes as usize - held.len());
        held.extend_from_slice(&bytes[..n]);
        self.lane.discard(n);
        if held.len() < frame_bytes as usize {
            return wait(self, Some(held), Stop::NeedBytes);
        }
        let bytes = match held_for.replace(shared, &held)? {
            Some((bytes, findings)) => {
                held_for.note(shared, &findings);
                bytes
            }
            None => [&frame_bytes.to_be_bytes(), held.as_slice()].concat(),
        };
        self.replaced = Replaced { bytes, sent: 0 };
        self.frame_ends();
        Ok(None)
    }

    fn hold_head(
        &mut self,
        shared: &Shared,
        mut head: MetadataHead,
        held: Option<Vec<u8>>,
        frame_bytes: u32,
        api_key: i16,
        api_version: i16,
    ) -> Result<Option<Stop>, EndReason> {
        let wait = |pump: &mut Self, head, held, stop| {
            pump.frame = Frame::Head {
                head,
                held,
                frame_bytes,
                api_key,
                api_version,
            };
            Ok(Some(stop))
        };
        let mut held = match held {
            Some(held) => held,
            None if self.lane.has_ready() => return wait(self, head, None, Stop::Flush),
            None => {
                self.lane.discard(SIZE_BYTES);
                Vec::new()
            }
        };
        let bytes = self.lane.undecided();
        let n = bytes.len().min(frame_bytes as usize - held.len());
        let found = head.feed(&bytes[..n]).map_err(|e| malformed(api_key, e))?;
        let n = found.map_or(n, |head_bytes| head_bytes.saturating_sub(held.len()).min(n));
        held.extend_from_slice(&bytes[..n]);
        self.lane.discard(n);
        let limit = shared.cluster.limits.response_rewrite_bytes;
        if held.len() > limit as usize {
            return Err(EndReason::ResponseTooLarge {
                bytes: held.len() as u32,
                limit,
            });
        }
        if found.is_none() {
            return wait(self, head, Some(held), Stop::NeedBytes);
        }
        let mut bytes = Vec::new();
        let cx = shared.rewrite_context();
        let (findings, walker) =
            rewrite::metadata_head(api_version, &held, frame_bytes, &cx, &mut bytes)
                .map_err(|e| malformed(api_key, e))?;
        shared.cluster.note(api_key, &findings);
        self.replaced = Replaced { bytes, sent: 0 };
        let remaining = frame_bytes - held.len() as u32;
        self.frame = match walker {
            Some(walker) => Frame::Walk {
                walker,
                remaining,
                api_key,
                counted: 0,
            },
            None => Frame::Body { remaining },
        };
        Ok(None)
    }
}

/// The state that holds a frame until it is whole; refused if it is too large for that.
fn whole(held_for: HeldFor, frame_bytes: u32, limit: u32) -> Result<Frame, EndReason> {
    if frame_bytes > limit {
        return Err(EndReason::ResponseTooLarge {
            bytes: frame_bytes,
            limit,
        });
    }
    Ok(Frame::Whole {
        held: None,
        held_for,
        frame_bytes,
    })
}
