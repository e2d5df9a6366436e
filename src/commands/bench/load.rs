//! What all connections of a run have in common, and what they have done so far.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;

use super::plan::{Acks, Leg, Workload};

/// So that a short run on a busy machine is not cut.
const LEAST_OVERRUN: Duration = Duration::from_secs(5);

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

impl Load {
    /// For how long the requests of a schedule that are late may still be sent, behind its end.
    pub(super) fn overrun(&self) -> Duration {
        self.duration.max(LEAST_OVERRUN)
    }
}

impl Progress {
    /// Counts an answer, and the bytes of records with it.
    pub(super) fn count(&self, bytes: u64) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}
