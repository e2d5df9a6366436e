//! Pipes of the kernel, through which bytes go from one socket to another without being copied (splice(2)). They are few:
//! a pool of the thread lends them for as long as there are bytes in them.
//!
//! The rules that make it safe: `EAGAIN` on the way in means "the socket has nothing" only where the pipe was empty, else
//! it may be full; never `SPLICE_F_MORE`, which holds small messages back for 200 ms; a pipe that still holds bytes when
//! it is given up is closed, not lent again.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::pipe::{
    PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with, splice,
};
use tracing::warn;

use crate::limits::is_near_fd_limit;

/// What is asked of the kernel for each pipe: 64 segments.
const PIPE_BYTES: usize = 256 * 1024;

/// A pipe with less room than this (the kernel's answer once a user has too many) is worse than a buffer.
const WORTHWHILE_BYTES: usize = 64 * 1024;

/// The most that goes into a pipe at once. Its segments may be larger than pages, so that its size alone is no bound.
const FILL_BYTES: usize = 1024 * 1024;

/// How many unused pipes a thread keeps: few, so that on a machine of many cores the threads do not keep all of them from
/// each other.
const POOLED: usize = 4;

/// How many pipes this process may have; none before [`start`].
static LIMIT: AtomicUsize = AtomicUsize::new(0);

/// How many it has.
static OPEN: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static POOL: RefCell<Vec<Ends>> = const { RefCell::new(Vec::new()) };
}

/// Tries whether sockets can be spliced on this system, and if so lets this process have `most` pipes.
pub fn start(most: usize) -> io::Result<()> {
    try_out()?;
    LIMIT.store(most, Ordering::Relaxed);
    Ok(())
}

/// Whether there may be pipes at all.
pub fn enabled() -> bool {
    LIMIT.load(Ordering::Relaxed) > 0
}

/// A lent pipe. It goes back to the pool when it is dropped empty.
#[derive(Debug)]
pub struct Pipe {
    /// There until the pipe is dropped.
    ends: Option<Ends>,
    held: usize,
}

#[derive(Debug)]
struct Ends {
    reader: OwnedFd,
    writer: OwnedFd,
}

impl Pipe {
    /// One of this thread's unused pipes, or a new one. `None`: there are enough, or the system gives no more.
    pub fn lend() -> Option<Self> {
        let unused = POOL.with_borrow_mut(Vec::pop);
        let ends = unused.or_else(Ends::open)?;
        Some(Pipe {
            ends: Some(ends),
            held: 0,
        })
    }

    /// How many bytes are in it.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Takes up to `most` bytes (not zero) that wait in a socket. `Ok(0)` is the peer's end of stream. `WouldBlock` says
    /// that the socket has nothing only if the pipe was empty.
    pub fn fill(&mut self, from: impl AsFd, most: usize) -> io::Result<usize> {
        let Some(ends) = &self.ends else {
            return Ok(0);
        };
        let n = splice(from, None, &ends.writer, None, most.min(FILL_BYTES), FLAGS)?;
        self.held += n;
        Ok(n)
    }

    /// Gives bytes to a socket; returns how many it took.
    pub fn drain(&mut self, to: impl AsFd) -> io::Result<usize> {
        let Some(ends) = &self.ends else {
            return Ok(0);
        };
        let n = splice(&ends.reader, None, to, None, self.held, FLAGS)?;
        self.held -= n.min(self.held);
        Ok(n)
    }
}

const FLAGS: SpliceFlags = SpliceFlags::MOVE.union(SpliceFlags::NONBLOCK);

impl Drop for Pipe {
    fn drop(&mut self) {
        let Some(ends) = self.ends.take() else {
            return;
        };
        if self.held > 0 {
            return;
        }
        // A thread that is going away has no pool any more; then the pipe is closed.
        let _ = POOL.try_with(|pool| {
            if let Ok(mut pool) = pool.try_borrow_mut()
                && pool.len() < POOLED
            {
                pool.push(ends);
            }
        });
    }
}

impl Ends {
    fn open() -> Option<Self> {
        let limit = LIMIT.load(Ordering::Relaxed);
        if OPEN.fetch_add(1, Ordering::Relaxed) >= limit {
            OPEN.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let Ok((reader, writer)) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK) else {
            OPEN.fetch_sub(1, Ordering::Relaxed);
            return None;
        };
        // From here on its drop counts it out.
        let ends = Ends { reader, writer };
        if is_near_fd_limit(ends.writer.as_raw_fd()) {
            return None;
        }
        let _ = fcntl_setpipe_size(&ends.writer, PIPE_BYTES);
        if fcntl_getpipe_size(&ends.writer).is_ok_and(|bytes| bytes >= WORTHWHILE_BYTES) {
            return Some(ends);
        }
        // This user has as many pages in pipes as there may be: do not ask for more again and again.
        let others = OPEN.load(Ordering::Relaxed).saturating_sub(1);
        if LIMIT.fetch_min(others, Ordering::Relaxed) > others {
            warn!(
                pipes = others,
                "this user may have no more pages in pipes, so what these pipes cannot carry is copied; raise fs.pipe-user-pages-soft"
            );
        }
        None
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Sends a few bytes from socket to socket through a pipe, as sessions will.
fn try_out() -> io::Result<()> {
    const BYTES: &[u8] = b"portolan";
    let pair = || -> io::Result<(TcpStream, TcpStream)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let near = TcpStream::connect(listener.local_addr()?)?;
        let (far, _) = listener.accept()?;
        near.set_read_timeout(Some(TRY_OUT_TIMEOUT))?;
        far.set_read_timeout(Some(TRY_OUT_TIMEOUT))?;
        Ok((near, far))
    };
    let ((mut sender, from), (to, mut receiver)) = (pair()?, pair()?);
    sender.write_all(BYTES)?;
    // Waits until the bytes are there: filling a pipe does not.
    from.peek(&mut [0; BYTES.len()])?;
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    let filled = splice(&from, None, &writer, None, BYTES.len(), FLAGS)?;
    splice(&reader, None, &to, None, filled, FLAGS)?;
    let mut received = [0; BYTES.len()];
    receiver.read_exact(&mut received)?;
    match received == BYTES {
        true => Ok(()),
        false => Err(io::Error::other("what came out is not what went in")),
    }
}

/// Between two sockets on one machine it takes microseconds.
const TRY_OUT_TIMEOUT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (near, listener.accept().unwrap().0)
    }

    // One test, for the limit is the process's.
    #[test]
    fn pipes_are_lent_up_to_the_limit_and_used_again_only_when_empty() {
        assert!(!enabled());
        assert!(Pipe::lend().is_none());
        start(2).unwrap();
        let mut first = Pipe::lend().unwrap();
        let second = Pipe::lend().unwrap();
        assert!(Pipe::lend().is_none());

        let (mut sender, from) = pair();
        sender.write_all(b"left behind").unwrap();
        from.peek(&mut [0; 11]).unwrap();
        assert_eq!(first.fill(&from, 4).unwrap(), 4);
        assert_eq!(first.held(), 4);
        drop(first);
        assert_eq!(OPEN.load(Ordering::Relaxed), 1);

        drop(second);
        assert_eq!(OPEN.load(Ordering::Relaxed), 1);
        let mut again = Pipe::lend().unwrap();
        assert_eq!(again.fill(&from, 7).unwrap(), 7);
        let (to, mut receiver) = pair();
        assert_eq!(again.drain(&to).unwrap(), 7);
        assert_eq!(again.held(), 0);
        let mut received = [0; 7];
        receiver.read_exact(&mut received).unwrap();
        assert_eq!(&received, b" behind");
    }
}
