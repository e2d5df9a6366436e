//! The clock of a worker thread, which is not looked at more often than it must be: a look is some 25 ns, and the four that an
//! exchange alone takes would be the dearest part of all that is measured of it.

use std::cell::Cell;
use std::time::Instant;

use tokio::runtime::Builder;

thread_local! {
    /// The last look at the clock, if this thread has not slept since.
    static LAST: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Sessions on this runtime's thread, which must have one only, may go by the last look at the clock until the thread sleeps.
pub fn forget_in_sleep(runtime: &mut Builder) -> &mut Builder {
    runtime.on_thread_park(|| LAST.set(None))
}

/// What this thread did since its last look was nothing of a session's.
pub(super) fn forget() {
    LAST.set(None);
}

/// The time of the last look, which is now if the thread has slept since: that of the wake-up, or of the last write of any
/// session of this thread.
pub(super) fn last_look() -> Instant {
    LAST.get().unwrap_or_else(look)
}

/// Looks.
pub(super) fn look() -> Instant {
    let now = Instant::now();
    LAST.set(Some(now));
    now
}
