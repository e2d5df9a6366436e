//! Buffers for bytes in motion, lent by a pool of the thread: an idle connection holds none.

use std::cell::RefCell;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The size of a buffer in bytes. Large enough that a burst of small frames costs one read, small enough to stay in
/// the processor's cache.
pub const BUFFER_BYTES: usize = 32 * 1024;

/// How many unused buffers a thread keeps (2 MiB).
const POOLED: usize = 64;

thread_local! {
    static POOL: RefCell<Pool> = RefCell::new(Pool::new());
}

/// The buffers lent by each thread that ever lent one. Each thread counts in a place of its own, so that counting costs
/// the threads nothing from each other.
static LENT: Mutex<Vec<Arc<AtomicI64>>> = Mutex::new(Vec::new());

struct Pool {
    unused: Vec<Box<[u8]>>,
    lent: Arc<AtomicI64>,
}

impl Pool {
    fn new() -> Self {
        let lent = Arc::new(AtomicI64::new(0));
        let mut all = LENT.lock().unwrap_or_else(PoisonError::into_inner);
        // The count of a thread that has ended stands at zero.
        all.retain(|lent| Arc::strong_count(lent) > 1);
        all.push(lent.clone());
        Pool {
            unused: Vec::new(),
            lent,
        }
    }
}

/// How many buffers are lent now, over all threads: those with bytes in them.
pub fn lent() -> i64 {
    let all = LENT.lock().unwrap_or_else(PoisonError::into_inner);
    all.iter().map(|lent| lent.load(Ordering::Relaxed)).sum()
}

/// A lent buffer: bytes are filled in at its end and consumed at its start. It goes back to the pool when dropped.
#[derive(Debug)]
pub struct Buffer {
    memory: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Buffer {
    /// Takes a buffer from the pool of this thread, or a new one.
    pub fn lend() -> Self {
        let unused = POOL.with_borrow_mut(|pool| {
            pool.lent.fetch_add(1, Ordering::Relaxed);
            pool.unused.pop()
        });
        let memory = unused.unwrap_or_else(|| vec![0; BUFFER_BYTES].into_boxed_slice());
        Buffer {
            memory,
            start: 0,
            end: 0,
        }
    }

    /// The bytes that were filled in and not yet consumed.
    pub fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.end]
    }

    /// The same, to be changed in place.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.end]
    }

    /// The number of bytes that were filled in and not yet consumed.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Room for more bytes; what is there moves to the front first if that makes room. Empty only if the buffer is full.
    pub fn room(&mut self) -> &mut [u8] {
        if self.start > 0 && self.end > self.memory.len() / 2 {
            self.memory.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        &mut self.memory[self.end..]
    }

    /// `n` bytes were written into [`Buffer::room`].
    pub fn filled(&mut self, n: usize) {
        self.end = (self.end + n).min(self.memory.len());
    }

    /// The first `n` bytes are done with.
    pub fn consume(&mut self, n: usize) {
        self.start = (self.start + n).min(self.end);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        // A thread that is going away has no pool any more; then the memory is simply freed.
        let _ = POOL.try_with(|pool| {
            if let Ok(mut pool) = pool.try_borrow_mut() {
                pool.lent.fetch_sub(1, Ordering::Relaxed);
                if pool.unused.len() < POOLED {
                    pool.unused.push(memory);
                }
            }
        });
    }
}

/// A place where a buffer stands only while it has bytes in it.
#[derive(Debug, Default)]
pub struct Slot(Option<Buffer>);

impl Slot {
    /// Lets `read` fill a buffer; one that stays empty goes back to the pool before this returns.
    pub fn fill<T>(&mut self, read: impl FnOnce(&mut Buffer) -> T) -> T {
        let buffer = self.0.get_or_insert_with(Buffer::lend);
        let outcome = read(buffer);
        self.release_if_empty();
        outcome
    }

    /// The bytes at hand.
    pub fn bytes(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], Buffer::bytes)
    }

    /// The same, to be changed in place.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.0.as_mut().map_or(&mut [], Buffer::bytes_mut)
    }

    /// The number of bytes at hand.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, Buffer::len)
    }

    /// Whether there is no room for more bytes.
    pub fn is_full(&self) -> bool {
        self.len() == BUFFER_BYTES
    }

    /// Whether no bytes are at hand, and so no buffer is held.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The first `n` bytes are done with.
    pub fn consume(&mut self, n: usize) {
        if let Some(buffer) = &mut self.0 {
            buffer.consume(n);
        }
        self.release_if_empty();
    }

    fn release_if_empty(&mut self) {
        if self.0.as_ref().is_some_and(Buffer::is_empty) {
            self.0 = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_in_the_order_they_went_in_across_compaction() {
        let mut buffer = Buffer::lend();
        let mut next_in = 0u8;
        let mut next_out = 0u8;
        for _ in 0..10 {
            let room = buffer.room();
            let n = room.len().min(20_000);
            for byte in &mut room[..n] {
                *byte = next_in;
                next_in = next_in.wrapping_add(1);
            }
            buffer.filled(n);
            let take = buffer.len().saturating_sub(7);
            for &byte in &buffer.bytes()[..take] {
                assert_eq!(byte, next_out);
                next_out = next_out.wrapping_add(1);
            }
            buffer.consume(take);
        }
        assert_eq!(buffer.len(), 7);
    }

    #[test]
    fn a_full_buffer_has_no_room_and_an_emptied_one_has_all() {
        let mut buffer = Buffer::lend();
        let n = buffer.room().len();
        buffer.filled(n);
        assert!(buffer.room().is_empty());
        buffer.consume(n);
        assert_eq!(buffer.room().len(), BUFFER_BYTES);
    }

    #[test]
    fn a_thread_keeps_a_bounded_number_of_unused_buffers() {
        drop((0..2 * POOLED).map(|_| Buffer::lend()).collect::<Vec<_>>());
        POOL.with_borrow(|pool| assert_eq!(pool.unused.len(), POOLED));
    }

    #[test]
    fn a_slot_holds_a_buffer_only_while_there_are_bytes_in_it() {
        let mut slot = Slot::default();
        slot.fill(|_| {});
        assert!(slot.is_empty());
        slot.fill(|buffer| {
            buffer.room()[0] = 9;
            buffer.filled(1);
        });
        assert_eq!(slot.bytes(), [9]);
        slot.consume(1);
        assert!(slot.is_empty());
    }
}
