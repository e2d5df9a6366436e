//! One direction's bytes between two sockets: those that must be seen go through a buffer, the bulk of large frames through
//! a pipe of the kernel.
//!
//! A lane knows no protocol. Its pump decides about bytes in the order in which they come, tells how many of the next ones
//! need not be seen, and the lane chooses the way. What is decided is in up to three places, in this order: the pipe, the
//! front of the buffer (`ready` bytes), and, after a look, the front of the socket's own queue (`unseen` bytes).

use std::io;
use std::task::{Context, Poll, ready};

use crate::protocol::prefix;
use crate::transport::buffer::{Size, Slot};
use crate::transport::pipe::{self, Pipe};
use crate::transport::stream::Stream;

/// From this many bytes on, that need not be seen, a pipe is cheaper than a buffer (two more system calls, no copy).
const SPLICE_FROM: u32 = 12 * 1024;

/// A pipe that holds this much goes out before more is gathered in it.
const GATHER_BYTES: usize = 192 * 1024;

/// So many large frames are read without a look after one whose look was for nothing.
const DISTRUST: u8 = 15;

/// What is looked at of a frame before it goes through a pipe: a header with the usual client id and what stands before
/// the first records.
const LOOK_BYTES: usize = 512;

#[derive(Debug, Default)]
pub(super) struct Lane {
    /// Whether bytes may go through a pipe, unseen: neither leg is encrypted.
    splices: bool,
    pipe: Option<Pipe>,
    buffer: Slot,
    ready: usize,
    /// Bytes of the buffer that the socket still has, too: they were looked at, not read. Zero but between
    /// [`Lane::poll_receive`] and [`Lane::settle`].
    looked: usize,
    /// What they are.
    look: Next,
    unseen: u32,
    /// The last frame was large. The next may be as well, so it is looked at before it is read.
    large: bool,
    distrust: u8,
    /// What is ready cannot be sent for now.
    stuck: bool,
    /// What came last went through a pipe; what belongs to it follows there.
    piped: bool,
    /// How receiving failed while there was something to send: that goes out first.
    failed: Option<io::Error>,
}

/// How bytes go over a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leg {
    Plain,
    Tls,
}

impl Leg {
    pub(super) fn new(has_tls: bool) -> Self {
        match has_tls {
            true => Leg::Tls,
            false => Leg::Plain,
        }
    }
}

/// What was received.
pub(super) enum Received {
    /// The peer has sent its last byte.
    End,
    /// More bytes are in the buffer.
    Bytes,
    /// So many of the bytes that need not be seen went by.
    Passed(u32),
}

/// What the next bytes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Next {
    /// The size field of a frame.
    Frame,
    /// Something small, behind which more bytes may come that need not be seen.
    Gap,
    /// Something that must be read.
    #[default]
    Other,
}

impl Lane {
    /// With nothing in it, from a leg to the other.
    pub(super) fn new(from: Leg, to: Leg) -> Self {
        // What is decrypted comes in records of 16 KiB at most, and encrypting is best done where the cache is near.
        let size = match (from, to) {
            (Leg::Tls, Leg::Plain) => Size::Large,
            _ => Size::Usual,
        };
        Lane {
            splices: from == Leg::Plain && to == Leg::Plain,
            buffer: Slot::of(size),
            ..Lane::default()
        }
    }

    /// The bytes that were not decided yet.
    pub(super) fn undecided(&self) -> &[u8] {
        &self.buffer.bytes()[self.ready..]
    }

    /// The same, to be changed in place.
    pub(super) fn undecided_mut(&mut self) -> &mut [u8] {
        &mut self.buffer.bytes_mut()[self.ready..]
    }

    /// The next `n` undecided bytes may go out.
    pub(super) fn pass(&mut self, n: usize) {
        self.ready += n;
    }

    /// The next `n` undecided bytes are done with, and do not go out. Nothing may be waiting to go out.
    pub(super) fn discard(&mut self, n: usize) {
        debug_assert!(
            !self.has_ready(),
            "they would be taken from what is decided"
        );
        self.buffer.consume(n);
    }

    /// A frame of so many bytes begins with the next undecided byte.
    pub(super) fn begins(&mut self, frame_bytes: u32) {
        self.large = self.splices && is_large(frame_bytes);
        if self.large && self.looked == 0 && self.distrust > 0 {
            self.distrust -= 1;
            self.large = false;
        }
    }

    /// Whether there are bytes at hand that may go out.
    pub(super) fn has_ready(&self) -> bool {
        self.ready > 0 || self.pipe.is_some()
    }

    /// Whether no bytes are at hand or promised.
    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.pipe.is_none() && self.unseen == 0
    }

    /// Whether there is no room for more bytes.
    pub(super) fn is_full(&self) -> bool {
        self.buffer.is_full()
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.buffer.clear();
        *self = Lane {
            splices: self.splices,
            buffer: std::mem::take(&mut self.buffer),
            ..Lane::default()
        };
    }

    /// To be called when the bytes that came last were decided about as far as they could be; the next `opaque` bytes need
    /// not be seen. Bytes that were only looked at stay in the socket if they can go with those through a pipe, as they
    /// are (`unchanged`); else they are taken out of it now.
    pub(super) fn settle(&mut self, from: &Stream, opaque: u32, unchanged: bool) -> io::Result<()> {
        let looked = std::mem::take(&mut self.looked);
        if looked == 0 {
            return Ok(());
        }
        let all = self.ready == looked && self.buffer.len() == looked;
        if all && unchanged && opaque >= SPLICE_FROM {
            self.unseen = looked as u32;
            self.buffer.clear();
            self.ready = 0;
            return Ok(());
        }
        if self.look == Next::Frame {
            self.distrust = DISTRUST;
        }
        (self.large, self.piped) = (false, false);
        from.take_peeked(looked)
    }

    /// Adds to a pipe that holds little what is there already, without waiting: one system call sends more then. The
    /// arguments are those of [`Lane::poll_receive`]. `None`: it is time to send. A socket that fails is told of when what
    /// came before has gone out: the peer may have said all that it had to say.
    pub(super) fn gather(&mut self, from: &Stream, opaque: u32, next: Next) -> Option<Received> {
        let gathered = self.try_gather(from, opaque, next);
        gathered.unwrap_or_else(|error| {
            self.failed = Some(error);
            None
        })
    }

    fn try_gather(
        &mut self,
        from: &Stream,
        opaque: u32,
        next: Next,
    ) -> io::Result<Option<Received>> {
        let Some(pipe) = &mut self.pipe else {
            return Ok(None);
        };
        let waits = self.stuck || self.failed.is_some();
        if waits || !self.buffer.is_empty() || pipe.held() >= GATHER_BYTES {
            return Ok(None);
        }
        let passing = self.unseen + opaque;
        if self.unseen > 0 {
            let filled = from.try_fill(pipe, passing as usize)?;
            return Ok(filled.map(|n| self.filled(n)));
        }
        if passing > 0 || !self.looks(next) {
            return Ok(None);
        }
        let looked = self
            .buffer
            .fill(|buffer| from.try_peek(buffer, LOOK_BYTES))?;
        Ok(match looked {
            Some(n) if self.keeps_look(n, next) => Some(Received::Bytes),
            _ => None,
        })
    }

    /// Whether what comes next is looked at before it is read.
    fn looks(&self, next: Next) -> bool {
        match next {
            Next::Frame => self.large,
            Next::Gap => self.piped,
            Next::Other => false,
        }
    }

    /// Whether the `n` bytes that were looked at may be worth a pipe. If not they are forgotten.
    fn keeps_look(&mut self, n: usize, next: Next) -> bool {
        let size = self.buffer.bytes().first_chunk();
        let frame_bytes = size.and_then(|size| prefix::token_size(size).ok());
        let kept = n > 0 && (next == Next::Gap || frame_bytes.is_some_and(is_large));
        if kept {
            (self.looked, self.look) = (n, next);
        } else {
            self.buffer.clear();
            (self.large, self.piped) = (false, false);
        }
        kept
    }

    /// So many bytes went into the pipe.
    fn filled(&mut self, n: usize) -> Received {
        self.piped = true;
        let n = n as u32;
        let known = n.min(self.unseen);
        self.unseen -= known;
        Received::Passed(n - known)
    }

    /// Receives once: at most `most` bytes. `opaque` is how many of them need not be seen, `next` what stands behind those.
    pub(super) fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        from: &Stream,
        opaque: u32,
        next: Next,
        most: usize,
    ) -> Poll<io::Result<Received>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Err(error));
        }
        let passing = self.unseen + opaque;
        if self.splices && self.buffer.is_empty() {
            if passing >= SPLICE_FROM || (self.piped && passing > 0) {
                if let Some(pipe) = Pipe::lend() {
                    return self.poll_fill(cx, from, pipe, passing);
                }
            } else if passing == 0 && self.looks(next) {
                let n = ready!(
                    self.buffer
                        .fill(|buffer| from.poll_peek(cx, buffer, LOOK_BYTES))
                )?;
                if self.keeps_look(n, next) {
                    return Poll::Ready(Ok(Received::Bytes));
                }
            }
        }
        self.piped = false;
        let read = self.buffer.fill(|buffer| from.poll_read(cx, buffer, most));
        if read.is_pending() {
            self.buffer.wait();
        }
        let n = ready!(read)?;
        let known = (n as u32).min(self.unseen);
        self.unseen -= known;
        self.ready += known as usize;
        Poll::Ready(Ok(match n {
            0 => Received::End,
            _ => Received::Bytes,
        }))
    }

    fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        from: &Stream,
        mut pipe: Pipe,
        passing: u32,
    ) -> Poll<io::Result<Received>> {
        let n = ready!(from.poll_fill(cx, &mut pipe, passing as usize))?;
        if n == 0 {
            return Poll::Ready(Ok(Received::End));
        }
        self.pipe = Some(pipe);
        Poll::Ready(Ok(self.filled(n)))
    }

    /// To be called when what is ready cannot be sent for now: nothing more is received meanwhile.
    pub(super) fn wait(&mut self, from: &Stream) {
        self.stuck = true;
        // Small frames are not worth it.
        if self.pipe.is_some() {
            from.park();
        }
    }

    /// Sends once; there must be bytes that are ready. Returns how many went out.
    pub(super) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        to: &Stream,
    ) -> Poll<io::Result<usize>> {
        if let Some(pipe) = &mut self.pipe {
            let n = ready!(to.poll_drain(cx, pipe))?;
            self.stuck = false;
            if pipe.held() == 0 {
                self.pipe = None;
            }
            return Poll::Ready(Ok(n));
        }
        let n = ready!(to.poll_write(cx, &self.buffer.bytes()[..self.ready]))?;
        self.stuck = false;
        self.buffer.consume(n);
        self.ready -= n;
        Poll::Ready(Ok(n))
    }
}

/// Whether a frame of this size may be worth a pipe.
fn is_large(frame_bytes: u32) -> bool {
    frame_bytes >= SPLICE_FROM && pipe::enabled()
}
