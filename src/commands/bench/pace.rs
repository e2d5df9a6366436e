//! When requests are due, and waiting for that moment more exactly than the runtime's timers, which count in milliseconds.

use std::io;
use std::time::{Duration, Instant};

/// The schedule of one connection: every n-th request of the whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Requests a second, all connections together.
    pub(super) rate: f64,
    /// Which connection this is.
    pub(super) index: usize,
    /// How many there are.
    pub(super) connections: usize,
}

impl Pace {
    /// When the n-th request of this connection is due, from the start.
    pub(super) fn due(&self, n: u64) -> Duration {
        let position = n as f64 * self.connections as f64 + self.index as f64;
        // So slow a rate that a second request is never due.
        Duration::try_from_secs_f64(position / self.rate).unwrap_or(Duration::MAX)
    }

    /// How many are due before the end.
    pub(super) fn count(&self, duration: Duration) -> u64 {
        let all = (duration.as_secs_f64() * self.rate).ceil() as u64;
        let (index, connections) = (self.index as u64, self.connections as u64);
        all.saturating_sub(index).div_ceil(connections)
    }
}

#[cfg(target_os = "linux")]
mod timer {
    use super::{Instant, io};
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use std::os::fd::OwnedFd;
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    /// A timer of the kernel's (timerfd), exact to some microseconds.
    pub(in super::super) struct Timer(AsyncFd<OwnedFd>);

    impl Timer {
        #[allow(
            deprecated,
            reason = "its successor is unsafe for the sake of descriptors that are closed too early; this one is owned"
        )]
        pub(in super::super) fn new() -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let fd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            Ok(Timer(AsyncFd::with_interest(fd, Interest::READABLE)?))
        }

        /// Waits; not at all where that moment is over.
        pub(in super::super) async fn until(&self, moment: Instant) -> io::Result<()> {
            let left = moment.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            let never = Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            let value = Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            };
            let timer = Itimerspec {
                it_interval: never,
                it_value: value,
            };
            timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &timer)?;
            let read = |fd: &OwnedFd| Ok(rustix::io::read(fd, &mut [0; 8])?);
            self.0.async_io(Interest::READABLE, read).await.map(drop)
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod timer {
    use super::{Instant, io};

    /// The runtime's timers.
    pub(in super::super) struct Timer;

    impl Timer {
        pub(in super::super) fn new() -> io::Result<Self> {
            Ok(Timer)
        }

        /// Waits; not at all where that moment is over.
        pub(in super::super) async fn until(&self, moment: Instant) -> io::Result<()> {
            tokio::time::sleep_until(moment.into()).await;
            Ok(())
        }
    }
}

pub(super) use timer::Timer;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_share_the_rate() {
        for (rate, connections, millis, all) in [
            (100.0, 3, 1_000, 100),
            (7.0, 6, 500, 4),
            (1.0, 6, 100, 1),
            (0.5, 1, 10_000, 5),
        ] {
            let duration = Duration::from_millis(millis);
            let mut sum = 0;
            for index in 0..connections {
                let pace = Pace {
                    rate,
                    index,
                    connections,
                };
                let count = pace.count(duration);
                assert!(count == 0 || pace.due(count - 1) < duration, "{rate}");
                assert!(pace.due(count) >= duration, "{rate}");
                sum += count;
            }
            assert_eq!(sum, all, "{rate}");
        }
    }

    #[tokio::test]
    async fn the_timer_does_not_end_early() {
        let timer = Timer::new().expect("a timer");
        for wait in [0, 1, 500, 3_000] {
            let moment = Instant::now() + Duration::from_micros(wait);
            timer.until(moment).await.expect("it waits");
            assert!(Instant::now() >= moment);
        }
    }
}
