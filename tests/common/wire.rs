//! One end of a connection in a test's hands: exact bytes go out, frames come in, and nothing waits for ever.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::SockRef;

use super::proxy::{PATIENCE, wait_until};

/// A connected socket.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The peer said that no more bytes come (FIN).
    Closed,
    /// The peer gave the connection up (RST).
    Reset,
}

impl Wire {
    /// Takes over a connected socket.
    pub fn new(stream: TcpStream) -> Self {
        // Each write is a segment of its own, so that pieces arrive as pieces.
        stream.set_nodelay(true).expect("a socket option");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a socket option");
        stream
            .set_write_timeout(Some(PATIENCE))
            .expect("a socket option");
        Wire { stream }
    }

    /// The socket.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// The socket alone.
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// This end's address.
    pub fn local_address(&self) -> SocketAddr {
        self.stream.local_addr().expect("a connected socket")
    }

    /// Sends exactly these bytes.
    pub fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).expect("the peer takes the bytes");
    }

    /// Sends these bytes if the peer still takes them.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends these bytes, `piece` at a time.
    pub fn send_in_pieces(&mut self, bytes: &[u8], piece: usize) {
        for bytes in bytes.chunks(piece) {
            self.send(bytes);
        }
    }

    /// Sends zeros until the peer's buffers are full and it takes no more for a moment, or gives the connection up;
    /// returns how many it took.
    pub fn send_until_stuck(&mut self, most: usize) -> usize {
        let moment = Duration::from_millis(200);
        self.stream
            .set_write_timeout(Some(moment))
            .expect("a socket option");
        let zeros = [0; 65_536];
        let mut taken = 0;
        while taken < most {
            match self.stream.write(&zeros[..zeros.len().min(most - taken)]) {
                Ok(n) => taken += n,
                Err(error) if is_timeout(&error) || is_reset(&error) => break,
                Err(error) => panic!("writing failed: {error}"),
            }
        }
        self.stream
            .set_write_timeout(Some(PATIENCE))
            .expect("a socket option");
        taken
    }

    /// Exactly `n` bytes.
    pub fn read(&mut self, n: usize) -> Vec<u8> {
        let mut bytes = vec![0; n];
        self.stream
            .read_exact(&mut bytes)
            .unwrap_or_else(|error| panic!("{n} bytes were expected: {error}"));
        bytes
    }

    /// The next frame, without its size field.
    pub fn frame(&mut self) -> Vec<u8> {
        self.try_frame().expect("a frame, and not the end")
    }

    /// The next frame, without its size field; `None` when the peer closed or reset the connection before it.
    pub fn try_frame(&mut self) -> Option<Vec<u8>> {
        let mut size = [0; 4];
        match self.stream.read(&mut size[..1]) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) if is_reset(&error) => return None,
            Err(error) => panic!("a frame was expected: {error}"),
        }
        self.stream
            .read_exact(&mut size[1..])
            .expect("a whole size field");
        let size = usize::try_from(i32::from_be_bytes(size)).expect("a size");
        Some(self.read(size))
    }

    /// All bytes up to the end, and what kind of end it was.
    pub fn rest(&mut self) -> (Vec<u8>, End) {
        let mut bytes = Vec::new();
        let mut piece = [0; 65_536];
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => return (bytes, End::Closed),
                Ok(n) => bytes.extend_from_slice(&piece[..n]),
                Err(error) if is_reset(&error) => return (bytes, End::Reset),
                Err(error) => panic!("the end was expected: {error}"),
            }
        }
    }

    /// The end, before which no more bytes may come.
    pub fn end(&mut self) -> End {
        let (bytes, end) = self.rest();
        assert!(bytes.is_empty(), "before the end: {}", bytes.escape_ascii());
        end
    }

    /// Whether nothing has arrived, not even the end.
    pub fn is_silent(&self) -> bool {
        self.stream.set_nonblocking(true).expect("a socket option");
        let outcome = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).expect("a socket option");
        matches!(outcome, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    /// Waits until something has arrived, if only the end.
    pub fn wait_for_bytes(&self) {
        wait_until("bytes to arrive", || !self.is_silent());
    }

    /// Says that no more bytes will come (FIN); what the peer sends can still be read.
    pub fn half_close(&self) {
        self.stream.shutdown(Shutdown::Write).expect("a shutdown");
    }

    /// Gives the connection up (RST).
    pub fn reset(self) {
        SockRef::from(&self.stream)
            .set_linger(Some(Duration::ZERO))
            .expect("a socket option");
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

fn is_reset(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
    )
}
