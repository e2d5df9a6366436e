//! Frames on a nonblocking socket, without an allocation or a decision for each: one prepared frame that is sent again and again
//! under other correlation ids, and a reader that only looks at the first bytes of what arrives.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Write};
use std::sync::Arc;

/// Where the correlation id stands in a request, behind the size, the api key and the version.
pub const IN_REQUEST: usize = 8;
/// Where it stands in an answer, behind the size.
pub const IN_ANSWER: usize = 4;

/// How many bytes of a frame are copied for each connection, because the correlation id is among them.
const HEAD: usize = 12;

/// A frame whose correlation id is filled in when it is sent.
#[derive(Debug)]
pub struct Template {
    bytes: Vec<u8>,
    id_at: usize,
}

impl Template {
    /// A request with its size field.
    pub fn request(bytes: Vec<u8>) -> Arc<Self> {
        Template::new(bytes, IN_REQUEST)
    }

    /// An answer with its size field.
    pub fn answer(bytes: Vec<u8>) -> Arc<Self> {
        Template::new(bytes, IN_ANSWER)
    }

    fn new(bytes: Vec<u8>, id_at: usize) -> Arc<Self> {
        assert!(bytes.len() >= HEAD, "shorter than any Kafka frame of use");
        Arc::new(Template { bytes, id_at })
    }

    /// Bytes with the size field.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// What waits to be sent on one connection.
#[derive(Debug)]
pub struct Outbox {
    frame: Arc<Template>,
    waiting: VecDeque<i32>,
    /// The beginning of the first of them.
    head: [u8; HEAD],
    /// How much of the first of them has been sent.
    sent: usize,
}

impl Outbox {
    pub fn new(frame: Arc<Template>) -> Self {
        let mut head = [0; HEAD];
        head.copy_from_slice(&frame.bytes[..HEAD]);
        Outbox {
            frame,
            waiting: VecDeque::with_capacity(64),
            head,
            sent: 0,
        }
    }

    pub fn push(&mut self, correlation_id: i32) {
        self.waiting.push_back(correlation_id);
    }

    /// Sends until nothing waits (true) or the socket is full (false). Each frame is a write of its own, as Kafka's clients and
    /// brokers do it.
    pub fn flush(&mut self, stream: &mut impl Write) -> io::Result<bool> {
        while let Some(&id) = self.waiting.front() {
            let id_at = self.frame.id_at;
            self.head[id_at..id_at + 4].copy_from_slice(&id.to_be_bytes());
            let written = match self.sent {
                sent if sent < HEAD => stream.write_vectored(&[
                    IoSlice::new(&self.head[sent..]),
                    IoSlice::new(&self.frame.bytes[HEAD..]),
                ]),
                sent => stream.write(&self.frame.bytes[sent..]),
            };
            match written {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => self.sent += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if self.sent == self.frame.len() {
                self.sent = 0;
                self.waiting.pop_front();
            }
        }
        match stream.flush() {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Finds where frames end in a stream of bytes, and their correlation ids.
#[derive(Debug)]
pub struct Inbox {
    id_at: usize,
    prefix: [u8; HEAD],
    have: usize,
    /// Bytes of the frame behind the prefix.
    left: usize,
}

impl Inbox {
    /// For requests or for answers: [`IN_REQUEST`] or [`IN_ANSWER`].
    pub fn new(id_at: usize) -> Self {
        Inbox {
            id_at,
            prefix: [0; HEAD],
            have: 0,
            left: 0,
        }
    }

    /// Takes bytes as they arrived; calls `whole` with the correlation id at the end of each frame.
    pub fn feed(&mut self, mut bytes: &[u8], mut whole: impl FnMut(i32)) {
        let wanted = self.id_at + 4;
        while !bytes.is_empty() {
            if self.have < wanted {
                let n = bytes.len().min(wanted - self.have);
                self.prefix[self.have..self.have + n].copy_from_slice(&bytes[..n]);
                self.have += n;
                bytes = &bytes[n..];
                if self.have < wanted {
                    return;
                }
                let size = self.number(0);
                let size = usize::try_from(size).expect("a frame has a size that is not negative");
                let behind = (size + 4).checked_sub(wanted);
                self.left = behind.expect("a frame is longer than its prefix");
            }
            let n = bytes.len().min(self.left);
            self.left -= n;
            bytes = &bytes[n..];
            if self.left == 0 {
                self.have = 0;
                whole(self.number(self.id_at));
            }
        }
    }

    fn number(&self, at: usize) -> i32 {
        let bytes = self.prefix[at..at + 4].try_into();
        i32::from_be_bytes(bytes.expect("four bytes"))
    }
}
