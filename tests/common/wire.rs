//! One end of a connection in a test's hands: exact bytes go out, frames come in, and nothing waits for ever.

use std::cell::RefCell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use rustls::{AlertDescription, Connection};
use socket2::SockRef;

use super::proxy::{PATIENCE, wait_until};
use super::secure::{self, Secure};

/// A connected socket, with TLS over it once a handshake was done.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    tls: Option<RefCell<Box<Secure>>>,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The peer said that no more bytes come (FIN; by TLS, too, if that is spoken).
    Closed,
    /// The peer said so by TCP, and not by TLS (close_notify).
    Unannounced,
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
        Wire { stream, tls: None }
    }

    /// Does a handshake of TLS, of either side. If it fails this remains what it was.
    pub fn secure(&mut self, connection: impl Into<Connection>) -> io::Result<()> {
        self.secure_in_pieces(connection, usize::MAX)
    }

    /// The same; here and from then on so many encrypted bytes go out at a time.
    pub fn secure_in_pieces(
        &mut self,
        connection: impl Into<Connection>,
        piece: usize,
    ) -> io::Result<()> {
        let secure = Secure::handshake(connection, &self.stream, piece)?;
        self.tls = Some(RefCell::new(Box::new(secure)));
        Ok(())
    }

    /// The TLS connection over it.
    pub fn tls(&mut self) -> &mut Secure {
        self.tls.as_mut().expect("TLS is spoken").get_mut()
    }

    /// New keys for both directions.
    pub fn update_keys(&mut self) {
        let tls = self.tls.as_mut().expect("TLS is spoken").get_mut();
        tls.update_keys(&self.stream)
            .expect("the peer takes the bytes");
    }

    /// The alert with which the peer ends the connection; nothing may come before it.
    pub fn alert(&mut self) -> AlertDescription {
        match self.read_some(&mut [0; 64]) {
            Err(error) => {
                secure::alert(&error).unwrap_or_else(|| panic!("an alert was expected: {error:?}"))
            }
            Ok(n) => panic!("an alert was expected, and {n} bytes came"),
        }
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
        let mut sent = 0;
        while sent < bytes.len() {
            sent += self.write_some(&bytes[sent..])?;
        }
        Ok(())
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
            match self.write_some(&zeros[..zeros.len().min(most - taken)]) {
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
        self.read_exact(&mut bytes)
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
        match self.read_some(&mut size[..1]) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) if is_end(&error) => return None,
            Err(error) => panic!("a frame was expected: {error}"),
        }
        self.read_exact(&mut size[1..]).expect("a whole size field");
        let size = usize::try_from(i32::from_be_bytes(size)).expect("a size");
        Some(self.read(size))
    }

    /// All bytes up to the end, and what kind of end it was.
    pub fn rest(&mut self) -> (Vec<u8>, End) {
        let mut bytes = Vec::new();
        let mut piece = [0; 65_536];
        loop {
            match self.read_some(&mut piece) {
                Ok(0) => return (bytes, End::Closed),
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    return (bytes, End::Unannounced);
                }
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
        let outcome = match &self.tls {
            Some(tls) => tls.borrow_mut().readable(&self.stream),
            None => self.stream.peek(&mut [0]).map(drop),
        };
        self.stream.set_nonblocking(false).expect("a socket option");
        matches!(outcome, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    /// Waits until something has arrived, if only the end.
    pub fn wait_for_bytes(&self) {
        wait_until("bytes to arrive", || !self.is_silent());
    }

    /// Says that no more bytes will come (close_notify if TLS is spoken, and FIN); what the peer sends can still be read.
    pub fn half_close(&self) {
        if let Some(tls) = &self.tls {
            let told = tls.borrow_mut().close_notify(&self.stream);
            told.expect("the peer takes the bytes");
        }
        self.half_close_unannounced();
    }

    /// Says so by TCP alone.
    pub fn half_close_unannounced(&self) {
        self.stream.shutdown(Shutdown::Write).expect("a shutdown");
    }

    /// Gives the connection up (RST).
    pub fn reset(self) {
        SockRef::from(&self.stream)
            .set_linger(Some(Duration::ZERO))
            .expect("a socket option");
    }

    fn read_some(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match &mut self.tls {
            Some(tls) => tls.get_mut().read(&self.stream, room),
            None => self.stream.read(room),
        }
    }

    fn read_exact(&mut self, mut room: &mut [u8]) -> io::Result<()> {
        while !room.is_empty() {
            match self.read_some(room)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                n => room = &mut room[n..],
            }
        }
        Ok(())
    }

    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match &mut self.tls {
            Some(tls) => tls.get_mut().write(&self.stream, bytes)?,
            None => self.stream.write(bytes)?,
        };
        match written {
            0 => Err(ErrorKind::WriteZero.into()),
            n => Ok(n),
        }
    }
}

fn is_end(error: &io::Error) -> bool {
    is_reset(error) || error.kind() == ErrorKind::UnexpectedEof
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
