//! How many bytes were passed on, by the way they took. Each thread counts in a place of its own, so that counting costs the
//! threads nothing from each other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes since the process started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Through a buffer of ours.
    pub copied: u64,
    /// Through a pipe of the kernel.
    pub spliced: u64,
}

#[derive(Debug, Default)]
struct Counts {
    copied: AtomicU64,
    spliced: AtomicU64,
}

static ALL: Mutex<Vec<Arc<Counts>>> = Mutex::new(Vec::new());

thread_local! {
    static OWN: Arc<Counts> = {
        let own = Arc::new(Counts::default());
        ALL.lock().unwrap_or_else(PoisonError::into_inner).push(own.clone());
        own
    };
}

/// `n` bytes went out of a buffer.
pub(super) fn copied(n: usize) {
    OWN.with(|own| add(&own.copied, n));
}

/// `n` bytes went out of a pipe.
pub(super) fn spliced(n: usize) {
    OWN.with(|own| add(&own.spliced, n));
}

/// Only this thread writes, so no locked instruction is needed.
fn add(count: &AtomicU64, n: usize) {
    let sum = count.load(Ordering::Relaxed).wrapping_add(n as u64);
    count.store(sum, Ordering::Relaxed);
}

/// The sum over all threads, those that have ended too.
pub fn total() -> Moved {
    let all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    let sum = |which: fn(&Counts) -> &AtomicU64| {
        all.iter()
            .map(|counts| which(counts).load(Ordering::Relaxed))
            .fold(0, u64::wrapping_add)
    };
    Moved {
        copied: sum(|counts| &counts.copied),
        spliced: sum(|counts| &counts.spliced),
    }
}
