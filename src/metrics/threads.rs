//! Counters that many threads count and one reads: each worker thread has numbers of its own, which nobody else writes, so
//! that counting costs the threads nothing from each other; they are added up when somebody asks.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// What two processor cores fetch of memory at a time is up to two cache lines. No two threads' numbers share that.
pub(super) const NUMBERS_A_LINE: usize = 16;

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
pub(super) struct Place(u32);

impl Place {
    /// The first place is 0.
    pub(super) fn nth(n: usize) -> Self {
        Place(n as u32)
    }

    /// So many places further on.
    pub(super) fn plus(self, n: usize) -> Self {
        Place(self.0 + n as u32)
    }
}

/// A number of counters, in one block for each worker and one for all other threads.
#[derive(Debug)]
pub(super) struct Counters {
    /// The blocks, one behind the other.
    lines: Box<[Line]>,
    lines_a_block: usize,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Line([AtomicU64; NUMBERS_A_LINE]);

impl Counters {
    /// So many, all at zero, for so many workers.
    pub(super) fn new(places: usize, workers: usize) -> Self {
        let lines_a_block = places.div_ceil(NUMBERS_A_LINE);
        let lines = (0..lines_a_block * (workers + 1)).map(|_| Line::default());
        Counters {
            lines: lines.collect(),
            lines_a_block,
        }
    }

    /// Adds to a counter, in the numbers of this thread.
    pub(super) fn add(&self, place: Place, n: u64) {
        let own = BLOCK.get();
        match self.number(own, place) {
            Some(number) if own != SHARED => {
                // Nobody else writes it: an atomic addition, which locks the cache line, is not needed.
                number.store(
                    number.load(Ordering::Relaxed).wrapping_add(n),
                    Ordering::Relaxed,
                );
            }
            _ => {
                if let Some(number) = self.number(SHARED, place) {
                    number.fetch_add(n, Ordering::Relaxed);
                }
            }
        }
    }

    /// What all threads together have counted. Never less than it was before.
    pub(super) fn sum(&self, place: Place) -> u64 {
        let numbers = (0..).map_while(|block| self.number(block, place));
        numbers.fold(0, |sum, number| {
            sum.wrapping_add(number.load(Ordering::Relaxed))
        })
    }

    fn number(&self, block: usize, Place(place): Place) -> Option<&AtomicU64> {
        let line = block * self.lines_a_block + place as usize / NUMBERS_A_LINE;
        Some(&self.lines.get(line)?.0[place as usize % NUMBERS_A_LINE])
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
