//! A client's socket before anything has been taken out of it for good.

use std::io;

use rustix::net::{RecvFlags, recv};
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::session::end::EndReason;
use crate::transport::buffer::Buffer;
use crate::transport::stream::is_disconnect;

/// Waits for the first byte.
pub(super) async fn readable(socket: &TcpStream) -> Result<(), EndReason> {
    match peek(socket, |_| {}).await? {
        0 => Err(EndReason::BareConnect),
        _ => Ok(()),
    }
}

/// Shows the bytes that are in the socket, once there are some, and leaves them there. 0 is the end of the stream.
pub(super) async fn peek(socket: &TcpStream, look: impl FnOnce(&[u8])) -> Result<usize, EndReason> {
    let mut buffer;
    let n = loop {
        socket.readable().await.map_err(|e| client_end(&e))?;
        // Lent only now: while nothing comes no buffer is held.
        buffer = Buffer::lend();
        let peek = || Ok(recv(socket, buffer.room(), RecvFlags::PEEK)?);
        match socket.try_io(Interest::READABLE, peek) {
            Ok((n, _)) => break n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => drop(buffer),
            Err(error) => return Err(client_end(&error)),
        }
    };
    buffer.filled(n);
    look(buffer.bytes());
    Ok(n)
}

/// Takes bytes out of the socket that are there.
pub(super) fn take(socket: &TcpStream, mut n: usize) -> Result<(), EndReason> {
    let mut scratch = [0; 512];
    while n > 0 {
        let most = n.min(scratch.len());
        match socket.try_read(&mut scratch[..most]) {
            Ok(0) => return Err(EndReason::ClientClosedMidFrame),
            Ok(taken) => n -= taken,
            Err(error) => return Err(client_end(&error)),
        }
    }
    Ok(())
}

/// The end of a client whose socket cannot be read from.
pub(super) fn client_end(error: &io::Error) -> EndReason {
    match is_disconnect(error) {
        true => EndReason::ClientReset,
        false => EndReason::Socket(format!("reading from the client: {error}")),
    }
}
