//! Tells a service manager, such as systemd, when Portolan is ready, reloads and stops (sd_notify).
//!
//! Without `NOTIFY_SOCKET` in the environment nothing happens. Whom these words do not reach has lost nothing but them, so a failure is
//! logged and no more.

use sd_notify::NotifyState;
use tracing::warn;

/// Every port is bound, and connections are served; also: a reload has ended, whatever came of it.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The configuration is about to be read again. [`ready`] must follow.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => warn!(%error, "the service manager cannot be told of the reload"),
    }
}

/// Was told to stop, and drains.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        warn!(%error, "the service manager that NOTIFY_SOCKET names cannot be told");
    }
}
