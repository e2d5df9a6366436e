//! When a connection of a draining process is closed: each at a time of its own, so that not all clients come to the next proxy
//! at once.

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::random;
use crate::transport::deadline::Deadline;

/// The time for each connection but one. A client has several, and had better have one of them back before the next is closed.
const STEP: Duration = Duration::from_millis(50);

/// The part of the grace within which all are asked to end. The rest is for slow answers.
const SHARE: f64 = 0.8;

/// In what time the connections of a process are closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    begin: Instant,
    within: Duration,
}

impl Spread {
    /// Of so many connections, from now on: as much of the grace as they need. Few are done in a moment.
    pub fn of(connections: usize, grace: Duration) -> Self {
        let steps = u32::try_from(connections.saturating_sub(1)).unwrap_or(u32::MAX);
        Spread {
            begin: Instant::now(),
            within: STEP.saturating_mul(steps).min(grace.mul_f64(SHARE)),
        }
    }

    /// How long it takes until all are asked to end.
    pub fn within(&self) -> Duration {
        self.within
    }

    fn any_time(&self) -> Instant {
        self.begin + self.within.mul_f64(random())
    }
}

/// The turn of one connection.
#[derive(Debug, Default)]
pub(super) enum Turn {
    /// Not drawn.
    #[default]
    Open,
    /// Drawn, and waited for.
    Waits(Deadline),
    Come,
}

impl Turn {
    /// Ready from the time on that is drawn at the first look.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, spread: Spread) -> Poll<()> {
        if let Turn::Open = self {
            let mut deadline = Deadline::default();
            deadline.set(spread.any_time());
            *self = Turn::Waits(deadline);
        }
        if let Turn::Waits(deadline) = self {
            if deadline.poll(cx).is_pending() {
                return Poll::Pending;
            }
            *self = Turn::Come;
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const GRACE: Duration = Duration::from_secs(30);

    #[test]
    fn few_connections_are_closed_in_a_moment_and_many_within_four_fifths_of_the_grace() {
        let milliseconds = |connections, grace| {
            let within = Spread::of(connections, grace).within();
            within.as_millis()
        };
        assert_eq!(milliseconds(0, GRACE), 0);
        assert_eq!(milliseconds(1, GRACE), 0);
        assert_eq!(milliseconds(2, GRACE), 50);
        assert_eq!(milliseconds(101, GRACE), 5000);
        for many in [481, 100_000, usize::MAX] {
            assert_eq!(milliseconds(many, GRACE), 24_000);
        }
        assert_eq!(milliseconds(100, Duration::from_secs(1)), 800);
        assert_eq!(milliseconds(100, Duration::ZERO), 0);
    }

    #[test]
    fn turns_are_anywhere_in_that_time() {
        let spread = Spread::of(1000, GRACE);
        let turns = (0..1000).map(|_| spread.any_time() - spread.begin);
        let mut tenths = [0; 10];
        for turn in turns {
            assert!(turn <= spread.within);
            let tenth = turn.div_duration_f64(spread.within) * 10.0;
            tenths[(tenth as usize).min(9)] += 1;
        }
        // An empty one comes up once in 10^45 runs.
        assert!(tenths.iter().all(|&turns| turns > 0), "{tenths:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_comes_once_and_in_time() {
        let spread = Spread::of(101, GRACE);
        let mut turn = Turn::default();
        poll_fn(|cx| turn.poll(cx, spread)).await;
        let passed = spread.begin.elapsed();
        assert!(
            passed <= spread.within + Duration::from_millis(1),
            "{passed:?}"
        );
        poll_fn(|cx| {
            assert!(turn.poll(cx, spread).is_ready());
            Poll::Ready(())
        })
        .await;
    }
}
