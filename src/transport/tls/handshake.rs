//! TLS handshakes over a socket, of either side. The caller bounds the time.
//!
//! A client's first message (ClientHello) is read by itself: it says which server name the client wants, and only when it is
//! there is a handshake worth a place among those under way.

use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::server::{Accepted, Acceptor};
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::channel::Channel;
use super::words::told;

/// More than any ClientHello has, also with the key shares of post-quantum algorithms and a session ticket.
const MOST_HELLO_BYTES: usize = 16 * 1024;

/// How long a peer may take to read our alert and close.
const LINGER: Duration = Duration::from_secs(1);

/// What is read and dropped meanwhile, at most.
const LINGER_BYTES: usize = 64 * 1024;

/// The record of a fatal alert unrecognized_name (RFC 6066, section 3; RFC 8446, section 6).
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// Why there is no TLS connection.
#[derive(Debug)]
pub enum HandshakeError {
    /// The peer closed the connection.
    Closed,
    /// The operating system's error.
    Io(io::Error),
    /// The peer broke the protocol, did not like us, or we did not like it.
    Tls(rustls::Error),
    /// A first message that is longer than any.
    HelloTooLong,
    /// A session was resumed whose client showed a certificate that has expired since.
    Expired,
}

/// A client's first message.
pub struct Hello(Accepted);

impl Hello {
    /// Reads it. Whatever is wrong was told to the client when this returns.
    pub async fn read(socket: &mut TcpStream) -> Result<Self, HandshakeError> {
        let mut acceptor = Acceptor::default();
        let mut bytes = 0;
        loop {
            socket.readable().await?;
            match acceptor.read_tls(&mut Socket(socket)) {
                Ok(0) => return Err(HandshakeError::Closed),
                Ok(n) => bytes += n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error.into()),
            }
            match acceptor.accept() {
                Ok(Some(accepted)) => return Ok(Hello(accepted)),
                Ok(None) if bytes > MOST_HELLO_BYTES => return Err(HandshakeError::HelloTooLong),
                Ok(None) => {}
                Err((error, mut alert)) => {
                    // At most a few bytes, which a socket that nothing was written to takes.
                    let _ = alert.write_all(&mut Socket(socket));
                    linger(socket).await;
                    return Err(HandshakeError::Tls(error));
                }
            }
        }
    }

    /// The server name that the client wants, in lower case (RFC 6066). Clients that dial an IP address send none.
    pub fn server_name(&self) -> Option<String> {
        let name = self.0.client_hello().server_name()?.to_ascii_lowercase();
        Some(name)
    }

    /// Tells the client that there is nobody of that name, and waits a moment for it to close.
    pub async fn refuse_name(self, socket: &mut TcpStream) {
        let _ = socket.try_write(&UNRECOGNIZED_NAME);
        linger(socket).await;
    }

    /// Goes on with the handshake to its end.
    pub async fn accept(
        self,
        socket: &mut TcpStream,
        config: Arc<ServerConfig>,
    ) -> Result<Channel, HandshakeError> {
        match self.0.into_connection(config) {
            Ok(connection) => {
                let channel = drive(socket, connection.into()).await?;
                channel.refuse_expired()?;
                Ok(channel)
            }
            Err((error, mut alert)) => {
                let _ = alert.write_all(&mut Socket(socket));
                linger(socket).await;
                Err(HandshakeError::Tls(error))
            }
        }
    }
}

impl fmt::Debug for Hello {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.server_name();
        f.debug_struct("Hello").field("server_name", &name).finish()
    }
}

/// Does the handshake of a client; `name` is whom the peer's certificate must name.
pub async fn connect(
    socket: &mut TcpStream,
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
) -> Result<Channel, HandshakeError> {
    let connection = ClientConnection::new(config, name).map_err(HandshakeError::Tls)?;
    drive(socket, connection.into()).await
}

async fn drive(
    socket: &mut TcpStream,
    mut connection: Connection,
) -> Result<Channel, HandshakeError> {
    loop {
        // Before the end is noticed: the last thing that a server says is a ticket, which comes after it.
        while connection.wants_write() {
            socket.writable().await?;
            match connection.write_tls(&mut Socket(socket)) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                    return Err(why_unwritable(&mut connection, socket, error));
                }
                _ => {}
            }
        }
        if !connection.is_handshaking() {
            return Ok(Channel::new(connection));
        }
        socket.readable().await?;
        match connection.read_tls(&mut Socket(socket)) {
            Ok(0) => return Err(HandshakeError::Closed),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error.into()),
        }
        if let Err(error) = connection.process_new_packets() {
            if connection.wants_write() {
                let _ = connection.write_tls(&mut Socket(socket));
                linger(socket).await;
            }
            return Err(HandshakeError::Tls(error));
        }
    }
}

/// A peer that does not like our certificate says so and closes; what it said explains why it cannot be written to.
fn why_unwritable(
    connection: &mut Connection,
    socket: &mut TcpStream,
    error: io::Error,
) -> HandshakeError {
    while let Ok(1..) = connection.read_tls(&mut Socket(socket)) {
        if let Err(error) = connection.process_new_packets() {
            return HandshakeError::Tls(error);
        }
    }
    error.into()
}

/// Closes in a way in which what was said last arrives: a socket that is closed while there are unread bytes in it is reset,
/// and a reset takes away what the peer has not read yet.
async fn linger(socket: &mut TcpStream) {
    let closed = async {
        socket.shutdown().await?;
        let mut bytes = 0;
        while bytes < LINGER_BYTES {
            socket.readable().await?;
            match socket.try_read(&mut [0; 512]) {
                Ok(0) => break,
                Ok(n) => bytes += n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        io::Result::Ok(())
    };
    let _ = timeout(LINGER, closed).await;
}

/// The socket as rustls reads from it and writes to it.
struct Socket<'s>(&'s TcpStream);

impl Read for Socket<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(room)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl From<io::Error> for HandshakeError {
    fn from(error: io::Error) -> Self {
        HandshakeError::Io(error)
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HandshakeError::Closed => f.write_str("the peer closed the connection"),
            HandshakeError::Io(error) => error.fmt(f),
            HandshakeError::Tls(error) => f.write_str(&told(error)),
            HandshakeError::Expired => f.write_str("it has expired since the session began"),
            HandshakeError::HelloTooLong => {
                write!(f, "a first message of more than {MOST_HELLO_BYTES} bytes")
            }
        }
    }
}
