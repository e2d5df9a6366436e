//! How often a change of an address is told: one at once, many together. Two controllers that fight over a Service's status write
//! it many times a second, and each change that clients are told makes work for every session.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::News;

/// From one change to the next, at least. Twice as long after each that comes soon after the one before.
const FIRST: Duration = Duration::from_secs(1);

/// The longest.
const LONGEST: Duration = Duration::from_secs(30);

/// Who was silent for so long has nothing to make good.
const CALM: Duration = Duration::from_secs(60);

/// What a Service was found to have last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Latest {
    /// `None` before anything was found.
    address: Option<Option<String>>,
    /// How often that changed.
    changes: u64,
}

/// Takes note of what was found.
pub(super) fn note(latest: &watch::Sender<Latest>, address: Option<String>) {
    let address = Some(address);
    latest.send_if_modified(|latest| {
        let changes = latest.address != address;
        if changes {
            latest.address = address;
            latest.changes += 1;
        }
        changes
    });
}

/// Tells what is found, the latest of it at a time.
pub(super) async fn tell<F>(
    mut latest: watch::Receiver<Latest>,
    tell: &impl Fn(News) -> F,
) -> Infallible
where
    F: Future<Output = ()>,
{
    let mut told = Latest::default();
    let mut pace = Pace::default();
    while latest.changed().await.is_ok() {
        sleep_until(pace.next).await;
        let now = latest.borrow_and_update().clone();
        // What came and went meanwhile is counted with the next change.
        if now.address == told.address {
            continue;
        }
        if let Some(address) = now.address.clone() {
            let skipped = now.changes - told.changes - 1;
            tell(News::Address { address, skipped }).await;
        }
        told = now;
        pace.step(Instant::now());
    }
    // Who finds things out is gone, and this with it.
    std::future::pending().await
}

/// When the next change may be told.
#[derive(Debug)]
struct Pace {
    pause: Duration,
    last: Option<Instant>,
    next: Instant,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            pause: FIRST,
            last: None,
            next: Instant::now(),
        }
    }
}

impl Pace {
    /// One was told.
    fn step(&mut self, now: Instant) {
        let is_soon = self.last.is_some_and(|last| now - last < CALM);
        self.pause = match is_soon {
            true => (self.pause * 2).min(LONGEST),
            false => FIRST,
        };
        self.last = Some(now);
        self.next = now + self.pause;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::time::sleep;

    use super::*;

    type Told = Arc<Mutex<Vec<(Duration, Option<String>, u64)>>>;

    /// What is told, and when, of what `happens`. The clock is the test's own.
    async fn told(happens: impl AsyncFnOnce(&watch::Sender<Latest>)) -> Vec<(u64, String, u64)> {
        let (sender, receiver) = watch::channel(Latest::default());
        let (begin, all) = (Instant::now(), Told::default());
        let note = |news| {
            let News::Address { address, skipped } = news else {
                panic!("{news:?}");
            };
            let mut all = all.lock().unwrap();
            all.push((begin.elapsed(), address, skipped));
            std::future::ready(())
        };
        tokio::select! {
            never = tell(receiver, &note) => match never {},
            () = async { happens(&sender).await; sleep(Duration::from_secs(3600)).await } => {}
        }
        let all = all.lock().unwrap().clone();
        let seconds = |(at, address, skipped): (Duration, Option<String>, u64)| {
            (at.as_secs(), address.unwrap_or_default(), skipped)
        };
        all.into_iter().map(seconds).collect()
    }

    fn of(told: &[(u64, &str, u64)]) -> Vec<(u64, String, u64)> {
        let owned = |&(at, address, skipped): &(u64, &str, u64)| (at, address.to_owned(), skipped);
        told.iter().map(owned).collect()
    }

    fn host(name: &str) -> Option<String> {
        Some(name.to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn what_changes_seldom_is_told_at_once() {
        let happens = async |sender: &watch::Sender<Latest>| {
            for address in [None, host("a"), None, host("b")] {
                note(sender, address);
                sleep(CALM + FIRST).await;
            }
        };
        let all = told(happens).await;
        let expected = [(0, "", 0), (61, "a", 0), (122, "", 0), (183, "b", 0)];
        assert_eq!(all, of(&expected));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_found_again_is_told_once() {
        let happens = async |sender: &watch::Sender<Latest>| {
            for _ in 0..100 {
                note(sender, host("a"));
                sleep(FIRST).await;
            }
        };
        assert_eq!(told(happens).await, of(&[(0, "a", 0)]));
    }

    #[tokio::test(start_paused = true)]
    async fn of_many_changes_few_are_told_and_the_last_always() {
        let happens = async |sender: &watch::Sender<Latest>| {
            for n in 0..3000 {
                note(sender, host(&format!("{n}")));
                sleep(Duration::from_millis(100)).await;
            }
        };
        let all = told(happens).await;
        let at: Vec<u64> = all.iter().map(|(at, ..)| *at).collect();
        assert_eq!(at[..8], [0, 1, 3, 7, 15, 31, 61, 91]);
        assert_eq!(all.last().unwrap().1, "2999");
        let skipped: u64 = all.iter().map(|(_, _, skipped)| skipped).sum();
        assert_eq!(skipped as usize + all.len(), 3000);
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_and_goes_between_is_counted_with_the_next() {
        let happens = async |sender: &watch::Sender<Latest>| {
            for address in ["a", "b", "a"] {
                note(sender, host(address));
                sleep(Duration::from_millis(100)).await;
            }
            sleep(FIRST * 10).await;
            note(sender, host("c"));
        };
        assert_eq!(told(happens).await, of(&[(0, "a", 0), (10, "c", 2)]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_minute_makes_it_quick_again() {
        let happens = async |sender: &watch::Sender<Latest>| {
            for n in 0..200 {
                note(sender, host(&format!("{n}")));
                sleep(Duration::from_millis(100)).await;
            }
            sleep(CALM * 2).await;
            for address in ["x", "y"] {
                note(sender, host(address));
                sleep(Duration::from_millis(100)).await;
            }
        };
        let all = told(happens).await;
        let last = &all[all.len() - 2..];
        assert_eq!(last, of(&[(140, "x", 0), (141, "y", 0)]));
    }
}
