//! How long frames take through this process: the proxy's own share of latency, and of nothing else.
//!
//! The clock is read when a thread wakes up, and when what a session received has gone out; between those the time that was
//! read last serves ([`clock`]). So the time that a frame takes is that from the wake-up which found its bytes in the
//! socket, or from the last write of this thread before their read, to the write that hands its last byte to the kernel.
//! Reading, decrypting, deciding, rewriting, encrypting and writing are in it; waiting for either peer or for the connection
//! to the broker is not. Neither is the time in which a socket that has news waits for its thread, but for what the thread
//! did since its last write.

use std::time::{Duration, Instant};

use super::clock;
use super::shared::Shared;

/// The bytes that one direction has at hand, or of what it has sent part of a frame.
#[derive(Debug, Default)]
pub(super) struct Passage {
    /// When they came, or when they could be sent again.
    since: Option<Instant>,
    /// What was spent on them before it had to be waited.
    before: Duration,
    /// What was spent on those bytes of a frame that went out before.
    begun: Duration,
    /// Frames whose last byte is among them.
    frames: u64,
}

impl Passage {
    /// There is nothing to send: whatever is at hand waits for more.
    pub(super) fn is_idle(&mut self) {
        self.since = None;
        self.before = Duration::ZERO;
    }

    /// Bytes came.
    pub(super) fn received(&mut self) {
        self.since = Some(clock::last_look());
    }

    /// The last byte of a frame is among those that go out next.
    pub(super) fn frame_ends(&mut self) {
        self.frames += 1;
    }

    /// They are about to be sent: right after they came, or after it was waited for something.
    pub(super) fn sends(&mut self) {
        self.since.get_or_insert_with(clock::last_look);
    }

    /// They cannot be sent for now.
    pub(super) fn waits(&mut self) {
        if let Some(since) = self.since.take() {
            self.before += clock::look().saturating_duration_since(since);
        }
    }

    /// All of them went out. The last may be in the middle of a frame.
    pub(super) fn sent(&mut self, shared: &Shared, in_frame: bool) {
        let now = clock::look();
        let since = self.since.take().unwrap_or(now);
        let spent = std::mem::take(&mut self.before) + now.saturating_duration_since(since);
        let frames = std::mem::take(&mut self.frames);
        if frames == 0 {
            self.begun += spent;
            return;
        }
        let metrics = &shared.cluster.metrics;
        let begun = std::mem::take(&mut self.begun);
        metrics.frames_passed(spent + begun, 1);
        if frames > 1 {
            metrics.frames_passed(spent, frames - 1);
        }
        if in_frame {
            self.begun = spent;
        }
    }
}
