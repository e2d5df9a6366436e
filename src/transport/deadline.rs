//! A deadline that is cheap to set and clear again and again: most writes that wait, wait for microseconds.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep};

/// A point in time that may be set, moved and cleared. The timer behind it is armed at most once a period, not each time.
#[derive(Debug, Default)]
pub struct Deadline {
    due: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    /// Sets or moves it.
    pub fn set(&mut self, due: Instant) {
        self.due = Some(due);
    }

    /// Sets it unless it is set already.
    pub fn set_if_clear(&mut self, due: impl FnOnce() -> Instant) {
        if self.due.is_none() {
            self.due = Some(due());
        }
    }

    /// Clears it. An armed timer stays until it fires, to be used again if a new time is set before.
    pub fn clear(&mut self) {
        self.due = None;
    }

    /// Ready when the time has come. Never ready while cleared.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(due) = self.due else {
            return Poll::Pending;
        };
        loop {
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
            if timer.deadline() > due {
                // It was armed for a later time than is wanted now.
                timer.as_mut().reset(due);
            }
            match timer.as_mut().poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) if Instant::now() >= due => {
                    self.due = None;
                    self.timer = None;
                    return Poll::Ready(());
                }
                // Armed for an earlier time that was moved since.
                Poll::Ready(()) => self.timer = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_fires_at_the_time_that_was_set_last() {
        let start = Instant::now();
        for moved in [2, 9] {
            let mut deadline = Deadline::default();
            let begin = Instant::now();
            deadline.set(begin + Duration::from_secs(5));
            poll_fn(|cx| {
                assert!(deadline.poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            deadline.set(begin + Duration::from_secs(moved));
            poll_fn(|cx| deadline.poll(cx)).await;
            assert_eq!(begin.elapsed().as_secs(), moved);
        }
        assert_eq!(start.elapsed().as_secs(), 11);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cleared_deadline_never_fires() {
        let mut deadline = Deadline::default();
        deadline.set(Instant::now() + Duration::from_secs(1));
        deadline.clear();
        let fired =
            tokio::time::timeout(Duration::from_secs(60), poll_fn(|cx| deadline.poll(cx))).await;
        assert!(fired.is_err());
    }
}
