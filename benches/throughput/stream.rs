//! A nonblocking connection, in plaintext or through TLS, with the same few steps for the load in both.

use std::io::{self, BufRead, ErrorKind, IoSlice, Read, Write};
use std::net::TcpStream;

use rustls::Connection;

/// One end of a connection.
pub struct Stream {
    socket: TcpStream,
    tls: Option<Box<Connection>>,
}

impl Stream {
    /// For a socket that does not block.
    pub fn new(socket: TcpStream, tls: Option<Connection>) -> Self {
        Stream {
            socket,
            tls: tls.map(Box::new),
        }
    }

    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Reads once from the socket into the scratch space and hands over the payload in what came, in one piece or in several;
    /// false at the end of the stream. Nothing is left behind that only another read would show, so readiness of the socket is
    /// all that a caller has to wait for. Through TLS there may be something to write afterwards: [`Stream::flush`].
    pub fn receive(
        &mut self,
        scratch: &mut [u8],
        mut payload: impl FnMut(&[u8]),
    ) -> io::Result<bool> {
        let n = match self.socket.read(scratch) {
            Ok(0) => return Ok(false),
            Ok(n) => n,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
            Err(error) => return Err(error),
        };
        let mut bytes = &scratch[..n];
        let Some(tls) = &mut self.tls else {
            payload(bytes);
            return Ok(true);
        };
        while !bytes.is_empty() {
            if tls.read_tls(&mut bytes)? == 0 {
                // It takes nothing behind the other end's goodbye.
                return Ok(false);
            }
            let state = tls.process_new_packets().map_err(io::Error::other)?;
            let mut left = state.plaintext_bytes_to_read();
            while left > 0 {
                let mut reader = tls.reader();
                let piece = reader.fill_buf()?;
                let length = piece.len();
                payload(piece);
                reader.consume(length);
                left -= length;
            }
            if state.peer_has_closed() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Passes to the socket what TLS has encrypted, until nothing is left.
    fn push(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            return Ok(());
        };
        while tls.wants_write() {
            tls.write_tls(&mut self.socket)?;
        }
        Ok(())
    }
}

/// What a write has taken may still be on its way through TLS: all is with the socket when a flush succeeds. Both fail with
/// [`ErrorKind::WouldBlock`] while the socket is full, and a write does during the handshake.
impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        // Before more is taken: TLS keeps no more than a few records.
        self.push()?;
        let n = match &mut self.tls {
            None => return self.socket.write_vectored(pieces),
            Some(tls) if tls.is_handshaking() => return Err(ErrorKind::WouldBlock.into()),
            Some(tls) => tls.writer().write_vectored(pieces)?,
        };
        match self.push() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(n),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.push()
    }
}
