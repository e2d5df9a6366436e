//! What a client still sends when no more requests are taken from it: what nobody is told about if it is lost is passed on, the
//! rest is dropped.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Instant;

use super::super::lane::{Next, Received};
use super::{Frame, RequestPump, Stop};
use crate::protocol::acks::AcksFinder;
use crate::protocol::api::{self, RequestPlan};
use crate::protocol::prefix::{REQUEST_PREFIX_BYTES, RequestPrefix, SIZE_BYTES};
use crate::session::end::EndReason;
use crate::session::shared::Shared;
use crate::transport::deadline::Deadline;

/// How long a client is read that was told that no more answers come, and goes on sending. One that looks stops at once; what it
/// had sent by then may be megabytes on a slow link.
const MOST: Duration = Duration::from_secs(30);

/// The client was told that no more answers come, and is read to its end.
pub(super) struct Late {
    /// It does not look.
    until: Deadline,
    /// What it sends is dropped unseen.
    drops: bool,
}

impl RequestPump {
    /// No more requests are taken. The broker is not told so while it has answers to give: it would close at once and give
    /// none (Kafka's `Selector` does). True once the client was told that no more answers will come: what it still sends is
    /// read until it closes. Closing a socket with unread bytes in it would be a reset, which takes the last answers away
    /// from a client that has not read them yet. And records that it sent with acks=0 count as delivered for it.
    pub(super) fn stops(&mut self, shared: &Shared) -> bool {
        if !shared.requests_stopped.replace(true) {
            shared.progress();
        }
        shared.first_end(EndReason::Drained);
        if !shared.responses_over.get() {
            return false;
        }
        let mut until = Deadline::default();
        until.set(Instant::now() + MOST);
        // Who may not connect any more writes nothing any more, either.
        let refused = matches!(*shared.first_end.borrow(), Some(EndReason::NotAllowed));
        let drops = refused || shared.raw_tokens.borrow().is_some();
        self.late = Some(Late { until, drops });
        true
    }

    /// Whether a client that does not look was read for long enough.
    pub(super) fn is_too_late(&mut self, cx: &mut Context<'_>) -> bool {
        let late = self.late.as_mut();
        late.is_some_and(|late| late.until.poll(cx).is_ready())
    }

    /// Whether nothing of what the client sends will be looked at any more.
    pub(super) fn drops(&self) -> bool {
        self.late.as_ref().is_some_and(|late| late.drops)
    }

    /// Decides about a frame that came too late for an answer. Dropping one that wants an answer is safe: its client has seen
    /// that there is none, and asks again elsewhere. A Produce request with acks=0 wants none, and its client has forgotten it.
    pub(super) fn begin_late_frame(&mut self, shared: &Shared) -> Option<Stop> {
        let bytes = self.lane.undecided();
        let Some(prefix) = bytes.first_chunk::<REQUEST_PREFIX_BYTES>() else {
            return Some(Stop::NeedBytes);
        };
        let limits = &shared.cluster.limits;
        let prefix = match RequestPrefix::parse(prefix) {
            Ok(prefix) if prefix.frame_bytes <= limits.request_bytes => prefix,
            _ => return self.drop_all(),
        };
        let policy = &shared.cluster.policy;
        let plan = api::plan(policy, prefix.api_key, prefix.api_version);
        let acks = match plan {
            RequestPlan::Produce(_) => {
                let frame = &bytes[SIZE_BYTES..];
                let frame = &frame[..frame.len().min(prefix.frame_bytes as usize)];
                AcksFinder::new(prefix.api_version, prefix.frame_bytes).feed(frame)
            }
            _ => Ok(Some(1)),
        };
        self.lane.begins(prefix.frame_bytes);
        match acks {
            Ok(Some(0)) => {
                shared.request_seen(prefix.api_key);
                self.lane.pass(SIZE_BYTES);
                self.frame = Frame::Body {
                    remaining: prefix.frame_bytes,
                };
            }
            Ok(None) if !self.lane.is_full() => return Some(Stop::NeedBytes),
            Ok(_) => {
                self.frame = Frame::Discard {
                    remaining: prefix.frame_bytes + SIZE_BYTES as u32,
                };
            }
            Err(_) => return self.drop_all(),
        }
        None
    }

    /// What cannot be understood is nobody's fault any more.
    fn drop_all(&mut self) -> Option<Stop> {
        if let Some(late) = &mut self.late {
            late.drops = true;
        }
        Some(Stop::NeedBytes)
    }

    /// Drops what the client sends until it closes.
    pub(super) fn poll_drop(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared,
    ) -> Poll<Result<(), EndReason>> {
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
}
