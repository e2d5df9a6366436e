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

/// So many that are skipped at once are no replacement, which takes an address away and gives another.
const MANY: u64 = 5;

/// Where the pause has become so long, one that is skipped is not the first to come soon after another.
const LONG: Duration = Duration::from_secs(8);

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
            let flaps = pace.flaps(skipped, Instant::now());
            tell(News::Address {
                address,
                skipped,
                flaps,
            })
            .await;
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
        self.pause = match self.is_soon(now) {
            true => (self.pause * 2).min(LONGEST),
            false => FIRST,
        };
        self.last = Some(now);
        self.next = now + self.pause;
    }

    /// Whether one that comes now comes soon after the one before.
    fn is_soon(&self, now: Instant) -> bool {
        self.last.is_some_and(|last| now - last < CALM)
    }

    /// Whether it changes all the time, if so many were skipped before the one that comes now.
    fn flaps(&self, skipped: u64, now: Instant) -> bool {
        skipped >= MANY || (skipped > 0 && self.is_soon(now) && self.pause >= LONG)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::time::sleep;

    use super::*;

    type Told = Arc<Mutex<Vec<(Duration, News)>>>;

    /// What is told, and when, of what `happens`. The clock is the test's own.
    async fn news(happens: impl AsyncFnOnce(&watch::Sender<Latest>)) -> Vec<(Duration, News)> {
        let (sender, receiver) = watch::channel(Latest::default());
        let (begin, all) = (Instant::now(), Told::default());
        let note = |news| {
            all.lock().unwrap().push((begin.elapsed(), news));
            std::future::ready(())
        };
        tokio::select! {
            never = tell(receiver, &note) => match never {},
            () = async { happens(&sender).await; sleep(Duration::from_secs(3600)).await } => {}
        }
        all.lock().unwrap().clone()
    }

    /// At which second which address is told, and how many were skipped before it.
    async fn told(happens: impl AsyncFnOnce(&watch::Sender<Latest>)) -> Vec<(u64, String, u64)> {
        let all = news(happens).await.into_iter();
        let each = all.map(|(at, news)| match news {
            News::Address {
                address, skipped, ..
            } => (at.as_secs(), address.unwrap_or_default(), skipped),
            other => panic!("{other:?}"),
        });
        each.collect()
    }

    /// Of what is told: how many were skipped where it is said to change all the time.
    async fn flaps(happens: impl AsyncFnOnce(&watch::Sender<Latest>)) -> Vec<u64> {
        let all = news(happens).await.into_iter();
        let flaps = all.filter_map(|(_, news)| match news {
            News::Address { skipped, flaps, .. } => flaps.then_some(skipped),
            other => panic!("{other:?}"),
        });
        flaps.collect()
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

    /// Notes these addresses, a while apart each; an empty one is none.
    async fn replace(sender: &watch::Sender<Latest>, addresses: &[&str], apart: Duration) {
        for address in addresses {
            note(sender, (!address.is_empty()).then(|| (*address).into()));
            sleep(apart).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_is_replaced_does_not_change_all_the_time() {
        let apart = Duration::from_millis(100);
        for addresses in [
            // In one go, and a few times in a pause.
            &["a", "", "b"][..],
            &["a", "b", "c"],
            &["a", "", "b", "", "c", "d"],
        ] {
            let all = news(async |sender| replace(sender, addresses, apart).await).await;
            let skips = |(_, news): &(_, News)| matches!(news, News::Address { skipped: 1.., .. });
            assert!(all.iter().any(skips), "{all:?}");
            let flaps = flaps(async |sender| replace(sender, addresses, apart).await).await;
            assert_eq!(flaps, [0; 0], "{addresses:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_comes_and_goes_changes_all_the_time() {
        let apart = Duration::from_millis(100);
        let many = ["a", "b", "c", "d", "e", "f", "g"];
        let at_once = flaps(async |sender| replace(sender, &many, apart).await).await;
        assert_eq!(at_once, [5]);
        // Few at a time, and for long.
        let apart = Duration::from_millis(3500);
        let slowly = flaps(async |sender| replace(sender, &many, apart).await).await;
        assert_eq!(slowly, [1]);
        // After a quiet minute it is a replacement again.
        let later = flaps(async |sender| {
            replace(sender, &["a", "b", "c", "d", "e"], LONG * 3).await;
            sleep(CALM * 2).await;
            note(sender, None);
            note(sender, Some("f".to_owned()));
        });
        assert_eq!(later.await, [0; 0]);
    }
}
