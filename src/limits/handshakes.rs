//! How many TLS handshakes may be under way at one time, and which of them makes room where there are more.
//!
//! Whoever begins a handshake and does not go on has a place until `timeouts.tls_handshake` is over. Were the others only to
//! wait, a hundred such clients a second would keep everybody out. So while others wait, a handshake that has waited for its
//! client for [`PATIENCE`] gives its place away, one for each that waits. It is counted from when the client has been sent
//! its part: that this machine is slow is not the client's fault.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use super::{Place, Places};

/// The places of handshakes under way.
#[derive(Debug)]
pub struct Handshakes {
    places: Places,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    /// How many wait for a place.
    waiting: usize,
    /// For how many of them somebody makes room.
    promised: usize,
}

impl Handshakes {
    /// At most so many at one time.
    pub fn new(most: usize) -> Self {
        Handshakes {
            places: Places::new(most),
            queue: Mutex::default(),
        }
    }

    /// From now on at most so many; those that are under way go on.
    pub fn resize(&self, most: usize) {
        self.places.resize(most);
    }

    /// A place, if one is free now.
    pub fn try_enter(&self) -> Option<Place> {
        self.places.try_take()
    }

    /// Waits for a place. Those that wait get theirs in the order in which they came.
    pub async fn enter(&self) -> Place {
        let mut waiting = Waiting::begin(self);
        let place = self.places.take().await;
        waiting.served = true;
        place
    }

    /// Ready when a handshake that has a place, and began to wait for its client with this call, is to give it away.
    pub async fn crowded_out(&self) {
        loop {
            sleep(PATIENCE).await;
            let mut queue = self.queue();
            if queue.waiting > queue.promised {
                queue.promised += 1;
                return;
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits, however that ends.
struct Waiting<'a> {
    handshakes: &'a Handshakes,
    served: bool,
}

impl<'a> Waiting<'a> {
    fn begin(handshakes: &'a Handshakes) -> Self {
        let mut queue = handshakes.queue();
        if queue.waiting == 0 {
            // What was promised to some who gave up was for nobody else.
            queue.promised = 0;
        }
        queue.waiting += 1;
        Waiting {
            handshakes,
            served: false,
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut queue = self.handshakes.queue();
        queue.waiting = queue.waiting.saturating_sub(1);
        queue.promised = queue.promised.saturating_sub(usize::from(self.served));
    }
}

/// How long a client may think while others wait: more than a round trip around the world and a lost packet.
const PATIENCE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::task::JoinSet;

    use super::*;

    /// Whether it is ready after so long, on a paused clock.
    async fn within(time: Duration, future: impl Future<Output = ()>) -> bool {
        tokio::time::timeout(time, future).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn while_nobody_waits_nobody_makes_room() {
        let handshakes = Handshakes::new(1);
        let _place = handshakes.try_enter().unwrap();
        assert!(handshakes.try_enter().is_none());
        assert!(!within(PATIENCE * 60, handshakes.crowded_out()).await);
    }

    #[tokio::test(start_paused = true)]
    async fn one_makes_room_for_each_that_waits() {
        let handshakes = Arc::new(Handshakes::new(3));
        let mut under_way = JoinSet::new();
        for n in 0..3 {
            let place = handshakes.try_enter().unwrap();
            let handshakes = handshakes.clone();
            under_way.spawn(async move {
                // One after the other, so that each sees what the one before it did.
                sleep(PATIENCE / 10 * n).await;
                handshakes.crowded_out().await;
                drop(place);
            });
        }
        let served = tokio::join!(handshakes.enter(), handshakes.enter());
        sleep(PATIENCE * 60).await;
        let gone = std::iter::from_fn(|| under_way.try_join_next()).count();
        assert_eq!(gone, 2, "the third stays");
        drop(served);
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_becomes_free_by_itself_is_as_good() {
        let handshakes = Arc::new(Handshakes::new(2));
        let place = handshakes.try_enter().unwrap();
        let other = handshakes.try_enter().unwrap();
        let waiting = tokio::spawn({
            let handshakes = handshakes.clone();
            async move { handshakes.enter().await }
        });
        sleep(PATIENCE / 2).await;
        drop(other);
        let _served = waiting.await.unwrap();
        assert!(!within(PATIENCE * 60, handshakes.crowded_out()).await);
        drop(place);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_no_more_needs_no_room() {
        let handshakes = Handshakes::new(1);
        let place = handshakes.try_enter().unwrap();
        let waited = tokio::time::timeout(PATIENCE / 2, handshakes.enter()).await;
        assert!(waited.is_err());
        assert!(!within(PATIENCE * 60, handshakes.crowded_out()).await);
        drop(place);
        assert!(handshakes.try_enter().is_some());
    }
}
