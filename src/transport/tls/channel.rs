//! The bytes of a TLS connection over a socket, after its handshake.
//!
//! rustls reads at most 4 KiB at a time. So a buffer that is lent while there are bytes in it takes what the socket has, one
//! system call for four records, and rustls is fed from that. While nothing comes no buffer is held, here or in rustls.

use std::io::{self, IoSlice, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustls::{Connection, HandshakeKind};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::handshake::HandshakeError;
use super::server::has_expired;
use crate::transport::buffer::{Buffer, Size, Slot};

/// What is encrypted at once: two records of the largest size, which go out with one system call.
const WRITE_BYTES: usize = 32 * 1024;

/// An established TLS connection, of either side.
#[derive(Debug)]
pub struct Channel {
    connection: Connection,
    /// What came from the socket and was not decrypted yet.
    encrypted: Slot,
    /// Bytes that were encrypted and are not sent yet, as their sender counts them.
    sending: usize,
    /// rustls has room in its buffers that nothing needs.
    grown: bool,
    /// The peer was told that nothing more comes.
    ended: bool,
}

impl Channel {
    /// Over a connection whose handshake is over.
    pub(super) fn new(connection: Connection) -> Self {
        Channel {
            connection,
            encrypted: Slot::of(Size::Large),
            sending: 0,
            grown: true,
            ended: false,
        }
    }

    /// A session that is resumed takes the client's certificate over without verifying it again.
    pub(super) fn refuse_expired(&self) -> Result<(), HandshakeError> {
        let expired = self.connection.peer_certificates().is_some_and(has_expired);
        match expired && self.connection.handshake_kind() == Some(HandshakeKind::Resumed) {
            true => Err(HandshakeError::Expired),
            false => Ok(()),
        }
    }

    /// Reads what is there into the buffer's room, at most `most` bytes; neither may be zero. `Ok(0)` is the end of the
    /// stream, whether the peer said so (close_notify) or just closed, or sent what is no TLS after we have said so: frames
    /// of Kafka tell themselves whether they are whole.
    pub(in crate::transport) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut TcpStream,
        buffer: &mut Buffer,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        let mut taken = 0;
        loop {
            let room = buffer.room();
            let most = room.len().min(most - taken);
            if most == 0 {
                return Poll::Ready(Ok(taken));
            }
            match self.connection.reader().read(&mut room[..most]) {
                Ok(n) if n > 0 => {
                    buffer.filled(n);
                    taken += n;
                    continue;
                }
                // The end is told when there is nothing before it.
                _ if taken > 0 && self.encrypted.is_empty() => return Poll::Ready(Ok(taken)),
                Ok(_) => return Poll::Ready(Ok(taken)),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Poll::Ready(Ok(taken));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
            if self.encrypted.is_empty() && !ready!(self.poll_fill(cx, socket))? {
                // The next look finds the end.
                continue;
            }
            if let Err(error) = self.decrypt() {
                if self.ended {
                    // There is no telling the peer any more. A JVM may answer the end with an alert that nobody can decrypt.
                    return Poll::Ready(Ok(taken));
                }
                // The alert that tells the peer why; whether it arrives does not matter.
                let _ = self.poll_flush(cx, socket);
                return Poll::Ready(Err(error));
            }
            if self.sending == 0 && self.connection.wants_write() {
                // What TLS itself has to say. If it cannot go out now it goes before what is written next.
                let _ = self.poll_flush(cx, socket)?;
            }
        }
    }

    /// Reads from the socket once. False at its end.
    fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut TcpStream,
    ) -> Poll<io::Result<bool>> {
        let read = self.encrypted.fill(|buffer| {
            let mut room = ReadBuf::new(buffer.room());
            ready!(Pin::new(&mut *socket).poll_read(cx, &mut room))?;
            let n = room.filled().len();
            buffer.filled(n);
            Poll::Ready(io::Result::Ok(n))
        });
        match read {
            Poll::Ready(Ok(0)) => {
                self.connection.read_tls(&mut io::empty())?;
                Poll::Ready(Ok(false))
            }
            Poll::Ready(Ok(_)) => Poll::Ready(Ok(true)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                if std::mem::take(&mut self.grown) {
                    // Before it reads rustls gives up room that it does not need.
                    let _ = self.connection.read_tls(&mut Nothing);
                }
                Poll::Pending
            }
        }
    }

    fn decrypt(&mut self) -> io::Result<()> {
        let mut bytes = self.encrypted.bytes();
        let n = self.connection.read_tls(&mut bytes)?;
        self.encrypted.consume(n);
        self.grown = true;
        let processed = self.connection.process_new_packets();
        processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(())
    }

    /// Encrypts and sends; returns how many bytes were taken, which then are all in the socket. While this waits it must be
    /// called with the same bytes again.
    pub(in crate::transport) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut TcpStream,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.sending == 0 {
            ready!(self.poll_flush(cx, socket))?;
            let piece = &bytes[..bytes.len().min(WRITE_BYTES)];
            self.sending = self.connection.writer().write(piece)?;
        }
        ready!(self.poll_flush(cx, socket))?;
        Poll::Ready(Ok(std::mem::take(&mut self.sending)))
    }

    /// Sends what is encrypted.
    fn poll_flush(&mut self, cx: &mut Context<'_>, socket: &mut TcpStream) -> Poll<io::Result<()>> {
        while self.connection.wants_write() {
            let mut out = Out { cx, socket };
            match self.connection.write_tls(&mut out) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Tells the peer that nothing more comes (close_notify), and then the same by TCP.
    pub(in crate::transport) fn poll_shutdown(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut TcpStream,
    ) -> Poll<io::Result<()>> {
        self.ended = true;
        // Only the first call has an effect.
        self.connection.send_close_notify();
        ready!(self.poll_flush(cx, socket))?;
        Pin::new(socket).poll_shutdown(cx)
    }
}

/// The socket as rustls writes to it; that it must be waited for is `WouldBlock` to rustls.
struct Out<'a, 'c> {
    cx: &'a mut Context<'c>,
    socket: &'a mut TcpStream,
}

impl Write for Out<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        would_block(Pin::new(&mut *self.socket).poll_write(self.cx, bytes))
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        would_block(Pin::new(&mut *self.socket).poll_write_vectored(self.cx, pieces))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn would_block<T>(outcome: Poll<io::Result<T>>) -> io::Result<T> {
    match outcome {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

/// A reader without anything to read.
struct Nothing;

impl Read for Nothing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}
