//! TLS over a socket in a test's hands: what is written is encrypted at once, in records and pieces of the test's choice.

use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::net::TcpStream;

use rustls::{AlertDescription, Connection};

/// An established TLS connection, of either side, without its socket.
#[derive(Debug)]
pub struct Secure {
    connection: Connection,
    /// How many encrypted bytes go out at a time.
    piece: usize,
}

impl Secure {
    /// Does the handshake. What is wrong was told to the peer, if TLS has an alert for it.
    pub fn handshake(
        connection: impl Into<Connection>,
        mut stream: &TcpStream,
        piece: usize,
    ) -> io::Result<Self> {
        let connection = connection.into();
        let mut secure = Secure { connection, piece };
        loop {
            secure.flush(stream)?;
            if !secure.connection.is_handshaking() {
                return Ok(secure);
            }
            if secure.connection.read_tls(&mut stream)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            secure.process(stream)?;
        }
    }

    /// What rustls knows of it.
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// From now on so many encrypted bytes go out at a time.
    pub fn in_pieces(&mut self, piece: usize) {
        self.piece = piece;
    }

    /// Reads what is there, or waits for it. 0 is the end that the peer told (close_notify); one without that is
    /// `UnexpectedEof`.
    pub fn read(&mut self, stream: &TcpStream, room: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.connection.reader().read(room) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.receive(stream)?,
                outcome => return outcome,
            }
        }
    }

    /// Waits until bytes of the peer are there, or its end. `WouldBlock`: the socket does not wait, and nothing is there.
    pub fn readable(&mut self, stream: &TcpStream) -> io::Result<()> {
        loop {
            match self.connection.reader().fill_buf() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                _ => return Ok(()),
            }
            self.receive(stream)?;
        }
    }

    /// Encrypts some of these bytes and sends them. Where the socket takes no more, so many may be on their way yet.
    pub fn write(&mut self, stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
        self.flush(stream)?;
        let n = self.connection.writer().write(bytes)?;
        self.flush(stream)?;
        Ok(n)
    }

    /// Tells the peer that no more bytes come.
    pub fn close_notify(&mut self, stream: &TcpStream) -> io::Result<()> {
        self.connection.send_close_notify();
        self.flush(stream)
    }

    /// New keys from the next record on, which the peer is asked for as well.
    pub fn update_keys(&mut self, stream: &TcpStream) -> io::Result<()> {
        let updated = self.connection.refresh_traffic_keys();
        updated.map_err(io::Error::other)?;
        self.flush(stream)
    }

    fn receive(&mut self, mut stream: &TcpStream) -> io::Result<()> {
        self.connection.read_tls(&mut stream)?;
        self.process(stream)?;
        self.flush(stream)
    }

    fn process(&mut self, stream: &TcpStream) -> io::Result<()> {
        let processed = self.connection.process_new_packets();
        processed.map(drop).map_err(|error| {
            // The alert; the peer may be gone.
            let _ = self.flush(stream);
            io::Error::new(ErrorKind::InvalidData, error)
        })
    }

    fn flush(&mut self, stream: &TcpStream) -> io::Result<()> {
        let mut out = Pieces(stream, self.piece);
        while self.connection.wants_write() {
            self.connection.write_tls(&mut out)?;
        }
        Ok(())
    }
}

/// The alert that ended a connection, if it was one.
pub fn alert(error: &io::Error) -> Option<AlertDescription> {
    match error.get_ref()?.downcast_ref()? {
        rustls::Error::AlertReceived(alert) => Some(*alert),
        _ => None,
    }
}

/// A socket that takes so many bytes at a time.
struct Pieces<'s>(&'s TcpStream, usize);

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(&bytes[..bytes.len().min(self.1)])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
