//! A number of places that can be taken, which may become another number while some are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many places; its clones share them.
#[derive(Clone, Debug)]
pub struct Places(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    free: Arc<Semaphore>,
    most: AtomicUsize,
    /// Places that are taken beyond what there may be now: so many of those that are given back are not free again.
    owed: AtomicUsize,
}

/// A place that is taken, until this is dropped.
#[derive(Debug)]
#[must_use = "the place is taken only as long as this is held"]
pub struct Place {
    /// Taken in `drop`.
    permit: Option<OwnedSemaphorePermit>,
    of: Places,
}

impl Places {
    /// So many, all free.
    pub fn new(most: usize) -> Self {
        let most = most.min(Semaphore::MAX_PERMITS);
        Places(Arc::new(Inner {
            free: Arc::new(Semaphore::new(most)),
            most: AtomicUsize::new(most),
            owed: AtomicUsize::new(0),
        }))
    }

    /// How many there are.
    pub fn most(&self) -> usize {
        self.0.most.load(Ordering::Relaxed)
    }

    /// From now on there are so many. Where more are taken, they stay so, and none is free until enough were given back.
    /// Only one thread may do this at a time.
    pub fn resize(&self, most: usize) {
        let inner = &self.0;
        let most = most.min(Semaphore::MAX_PERMITS);
        let before = inner.most.swap(most, Ordering::Relaxed);
        if let Some(more) = most.checked_sub(before) {
            let forgiven = self.pay(more);
            inner.free.add_permits(more - forgiven);
        } else {
            let fewer = before - most;
            let forgotten = inner.free.forget_permits(fewer);
            inner.owed.fetch_add(fewer - forgotten, Ordering::AcqRel);
        }
    }

    /// A place, if one is free now.
    pub fn try_take(&self) -> Option<Place> {
        let permit = self.0.free.clone().try_acquire_owned().ok()?;
        Some(self.place(Some(permit)))
    }

    /// Waits until one is free.
    pub async fn take(&self) -> Place {
        // The semaphore is never closed, so there always is a permit in the end.
        let permit = self.0.free.clone().acquire_owned().await.ok();
        self.place(permit)
    }

    fn place(&self, permit: Option<OwnedSemaphorePermit>) -> Place {
        Place {
            permit,
            of: self.clone(),
        }
    }

    /// Pays back what is owed, at most `n`; returns how much that was.
    fn pay(&self, n: usize) -> usize {
        let paid = self
            .0
            .owed
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |owed| {
                Some(owed.saturating_sub(n))
            });
        paid.unwrap_or(0).min(n)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take()
            && self.of.0.owed.load(Ordering::Acquire) > 0
            && self.of.pay(1) == 1
        {
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(places: &Places, n: usize) -> Vec<Place> {
        let taken: Option<Vec<Place>> = (0..n).map(|_| places.try_take()).collect();
        taken.expect("so many are free")
    }

    fn free(places: &Places) -> usize {
        let taken: Vec<Place> = std::iter::from_fn(|| places.try_take()).collect();
        taken.len()
    }

    #[test]
    fn a_place_is_free_again_when_it_is_given_back() {
        let places = Places::new(2);
        let taken = take(&places, 2);
        assert!(places.try_take().is_none());
        drop(taken);
        assert_eq!(free(&places), 2);
    }

    #[test]
    fn more_places_are_free_at_once() {
        let places = Places::new(1);
        let _taken = take(&places, 1);
        places.resize(3);
        assert_eq!((places.most(), free(&places)), (3, 2));
    }

    #[test]
    fn fewer_places_than_are_taken_take_nobodys_place() {
        let places = Places::new(5);
        let mut taken = take(&places, 4);
        places.resize(2);
        assert_eq!((places.most(), free(&places)), (2, 0));
        for expected in [0, 0, 1, 2] {
            taken.pop();
            assert_eq!(free(&places), expected, "{} are taken", taken.len());
        }
    }

    #[test]
    fn what_is_owed_is_forgiven_when_there_are_more_again() {
        let places = Places::new(5);
        let taken = take(&places, 5);
        places.resize(1);
        places.resize(4);
        places.resize(7);
        assert_eq!(free(&places), 2);
        drop(taken);
        assert_eq!(free(&places), 7);
    }

    #[tokio::test]
    async fn who_waits_gets_a_place_that_was_added() {
        let places = Places::new(1);
        let _taken = take(&places, 1);
        let waiting = tokio::spawn({
            let places = places.clone();
            async move { drop(places.take().await) }
        });
        tokio::task::yield_now().await;
        places.resize(2);
        waiting.await.unwrap();
    }

    #[test]
    fn none_is_lost_whoever_gives_back_meanwhile() {
        let places = Places::new(50);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..5_000 {
                        drop([places.try_take(), places.try_take()]);
                    }
                });
            }
            for n in 0..5_000 {
                places.resize(1 + n % 70);
            }
            places.resize(30);
        });
        assert_eq!(free(&places), 30);
    }
}
