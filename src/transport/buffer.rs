//! Buffers for bytes in motion, lent by a pool of the thread: an idle connection holds none.

use std::cell::RefCell;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The size of a buffer in bytes. Large enough that a burst of small frames costs one read, small enough to stay in
/// the processor's cache.
pub const BUFFER_BYTES: usize = 32 * 1024;

/// The size of a large buffer in bytes.
pub const LARGE_BUFFER_BYTES: usize = 64 * 1024;

/// How many bytes of unused buffers of each size a thread keeps.
const POOLED_BYTES: usize = 2 * 1024 * 1024;

/// How large a buffer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Size {
    /// [`BUFFER_BYTES`].
    #[default]
    Usual,
    /// [`LARGE_BUFFER_BYTES`]: where bytes come and go encrypted, fewer and larger system calls are worth the memory.
    Large,
}

impl Size {
    /// In bytes.
    pub const fn bytes(self) -> usize {
        match self {
            Size::Usual => BUFFER_BYTES,
            Size::Large => LARGE_BUFFER_BYTES,
        }
    }
}

thread_local! {
    static POOL: RefCell<Pool> = RefCell::new(Pool::new());
}

/// The buffers lent by each thread that ever lent one. Each thread counts in a place of its own, so that counting costs
/// the threads nothing from each other.
static LENT: Mutex<Vec<Arc<AtomicI64>>> = Mutex::new(Vec::new());

struct Pool {
    usual: Vec<Box<[u8]>>,
    large: Vec<Box<[u8]>>,
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
            usual: Vec::new(),
            large: Vec::new(),
            lent,
        }
    }

    /// The unused buffers of a size.
    fn unused(&mut self, size: Size) -> &mut Vec<Box<[u8]>> {
        match size {
            Size::Usual => &mut self.usual,
            Size::Large => &mut self.large,
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
    size: Size,
    memory: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Buffer {
    /// Takes a buffer of the usual size from the pool of this thread, or a new one.
    pub fn lend() -> Self {
        Buffer::lend_of(Size::Usual)
    }

    /// Takes a buffer from the pool of this thread, or a new one.
    pub fn lend_of(size: Size) -> Self {
        let unused = POOL.with_borrow_mut(|pool| {
            pool.lent.fetch_add(1, Ordering::Relaxed);
            pool.unused(size).pop()
        });
        let memory = unused.unwrap_or_else(|| vec![0; size.bytes()].into_boxed_slice());
        Buffer {
            size,
            memory,
            start: 0,
            end: 0,
        }
    }

    /// These bytes, in memory of no pool, without room for more.
    fn of(bytes: &[u8]) -> Self {
        Buffer {
            size: Size::Usual,
            memory: bytes.into(),
            start: 0,
            end: bytes.len(),
        }
    }

    fn is_of_pool(&self) -> bool {
        self.memory.len() == self.size.bytes()
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
        if !self.is_of_pool() {
            return;
        }
        let memory = std::mem::take(&mut self.memory);
        // A thread that is going away has no pool any more; then the memory is simply freed.
        let _ = POOL.try_with(|pool| {
            if let Ok(mut pool) = pool.try_borrow_mut() {
                pool.lent.fetch_sub(1, Ordering::Relaxed);
                let unused = pool.unused(self.size);
                if unused.len() < POOLED_BYTES / self.size.bytes() {
                    unused.push(memory);
                }
            }
        });
    }
}

/// A place where a buffer stands only while it has bytes in it, and a few bytes that wait for more stand by themselves.
#[derive(Debug, Default)]
pub struct Slot {
    size: Size,
    buffer: Option<Buffer>,
}

/// What [`Slot::wait`] keeps without a buffer of the pool, at most: more than any header that is decided about.
const FEW_BYTES: usize = 512;

impl Slot {
    /// For a buffer of this size.
    pub fn of(size: Size) -> Self {
        Slot { size, buffer: None }
    }

    /// Drops what is there.
    pub fn clear(&mut self) {
        self.buffer = None;
    }

    /// To be called when it is not known when more bytes come. A few that wait for them, such as the beginning of a header,
    /// move to memory of their own, so that a peer that sends no more does not hold a buffer.
    pub fn wait(&mut self) {
        if let Some(buffer) = &self.buffer
            && buffer.len() <= FEW_BYTES
            && buffer.is_of_pool()
        {
            self.buffer = Some(Buffer::of(buffer.bytes()));
        }
    }

    /// Lets `read` fill a buffer; one that stays empty goes back to the pool before this returns.
    pub fn fill<T>(&mut self, read: impl FnOnce(&mut Buffer) -> T) -> T {
        let buffer = match self.buffer.take() {
            Some(buffer) if buffer.is_of_pool() => buffer,
            few => {
                let mut buffer = Buffer::lend_of(self.size);
                if let Some(few) = few {
                    let n = few.len();
                    buffer.room()[..n].copy_from_slice(few.bytes());
                    buffer.filled(n);
                }
                buffer
            }
        };
        let buffer = self.buffer.insert(buffer);
        let outcome = read(buffer);
        self.release_if_empty();
        outcome
    }

    /// The bytes at hand.
    pub fn bytes(&self) -> &[u8] {
        self.buffer.as_ref().map_or(&[], Buffer::bytes)
    }

    /// The same, to be changed in place.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.buffer.as_mut().map_or(&mut [], Buffer::bytes_mut)
    }

    /// The number of bytes at hand.
    pub fn len(&self) -> usize {
        self.buffer.as_ref().map_or(0, Buffer::len)
    }

    /// Whether there is no room for more bytes.
    pub fn is_full(&self) -> bool {
        self.len() == self.size.bytes()
    }

    /// Whether no bytes are at hand, and so no buffer is held.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_none()
    }

    /// The first `n` bytes are done with.
    pub fn consume(&mut self, n: usize) {
        if let Some(buffer) = &mut self.buffer {
            buffer.consume(n);
        }
        self.release_if_empty();
    }

    fn release_if_empty(&mut self) {
        if self.buffer.as_ref().is_some_and(Buffer::is_empty) {
            self.buffer = None;
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
        for size in [Size::Usual, Size::Large] {
            let most = POOLED_BYTES / size.bytes();
            drop(
                (0..2 * most)
                    .map(|_| Buffer::lend_of(size))
                    .collect::<Vec<_>>(),
            );
            POOL.with_borrow_mut(|pool| assert_eq!(pool.unused(size).len(), most));
        }
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

    #[test]
    fn a_few_bytes_that_wait_for_more_hold_no_buffer() {
        let own = || POOL.with_borrow(|pool| pool.lent.load(Ordering::Relaxed));
        let add = |slot: &mut Slot, bytes: &[u8]| {
            slot.fill(|buffer| {
                buffer.room()[..bytes.len()].copy_from_slice(bytes);
                buffer.filled(bytes.len());
            });
        };
        let mut slot = Slot::default();
        add(&mut slot, b"abc");
        assert_eq!(own(), 1);
        slot.wait();
        assert_eq!((own(), slot.bytes()), (0, &b"abc"[..]));
        assert!(!slot.is_full());
        slot.bytes_mut()[0] = b'A';
        slot.wait();
        add(&mut slot, b"de");
        assert_eq!((own(), slot.bytes()), (1, &b"Abcde"[..]));
        slot.wait();
        slot.consume(5);
        assert!(slot.is_empty());
        add(&mut slot, &[7; FEW_BYTES + 1]);
        slot.wait();
        assert_eq!(own(), 1, "not worth a copy");
        drop(slot);
        assert_eq!(own(), 0);
    }
}
