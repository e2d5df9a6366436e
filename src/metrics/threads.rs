//! Counters that many threads count and one reads: each worker thread has numbers of its own, which nobody else writes, so
//! that counting costs the threads nothing from each other; they are added up when somebody asks.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// What two processor cores fetch of memory at a time is up to two cache lines. No two threads' numbers share that.
const NUMBERS_A_LINE: usize = 16;

thread_local! {
    /// The block that this thread alone writes, if it is a worker's; else the first, which all others share.
    static BLOCK: Cell<usize> = const { Cell::new(SHARED) };
}

const SHARED: usize = 0;

/// From here on this thread counts in the numbers of the worker with this index. It must be the only one that does: else
/// counts are lost.
pub fn count_as_worker(index: usize) {
    BLOCK.set(index + 1);
}

/// A counter's place in every block of one [`Counters`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(usize);

impl Place {
    /// The first place is 0.
    pub(super) fn nth(n: usize) -> Self {
        Place(n)
    }

    /// So many places further on.
    pub(super) fn plus(self, n: usize) -> Self {
        Place(self.0 + n)
    }
}

/// A number of counters, in one block for each worker and one for all other threads.
#[derive(Debug)]
pub(super) struct Counters(Box<[Block]>);

#[derive(Debug)]
struct Block(Box<[Line]>);

#[derive(Debug, Default)]
#[repr(align(128))]
struct Line([AtomicU64; NUMBERS_A_LINE]);

impl Counters {
    /// So many, all at zero, for so many workers.
    pub(super) fn new(places: usize, workers: usize) -> Self {
        let lines = places.div_ceil(NUMBERS_A_LINE);
        let block = |_| Block((0..lines).map(|_| Line::default()).collect());
        Counters((0..=workers).map(block).collect())
    }

    /// Adds to a counter, in the numbers of this thread.
    pub(super) fn add(&self, place: Place, n: u64) {
        let own = BLOCK.get();
        match self.0.get(own) {
            Some(block) if own != SHARED => {
                let number = block.number(place);
                // Nobody else writes it: an atomic addition, which locks the cache line, is not needed.
                number.store(
                    number.load(Ordering::Relaxed).wrapping_add(n),
                    Ordering::Relaxed,
                );
            }
            _ => {
                let number = self.0[SHARED].number(place);
                number.fetch_add(n, Ordering::Relaxed);
            }
        }
    }

    /// What all threads together have counted. Never less than it was before.
    pub(super) fn sum(&self, place: Place) -> u64 {
        let numbers = self.0.iter().map(|block| block.number(place));
        numbers.fold(0, |sum, number| {
            sum.wrapping_add(number.load(Ordering::Relaxed))
        })
    }
}

impl Block {
    fn number(&self, Place(place): Place) -> &AtomicU64 {
        &self.0[place / NUMBERS_A_LINE].0[place % NUMBERS_A_LINE]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_whoever_counts() {
        const TIMES: u64 = 20_000;
        let places = 40;
        let counters = Counters::new(places, 2);
        std::thread::scope(|scope| {
            // Two workers, one beyond those that there are blocks for, and two other threads.
            for worker in [Some(0), Some(1), Some(7), None, None] {
                let counters = &counters;
                scope.spawn(move || {
                    if let Some(worker) = worker {
                        count_as_worker(worker);
                    }
                    for n in 0..TIMES {
                        counters.add(Place::nth(n as usize % places), 1);
                        counters.add(Place::nth(39), 2);
                    }
                });
            }
        });
        let each = 5 * TIMES / places as u64;
        assert_eq!(counters.sum(Place::nth(0)), each);
        assert_eq!(counters.sum(Place::nth(17)), each);
        assert_eq!(counters.sum(Place::nth(39)), each + 2 * 5 * TIMES);
    }
}
