//! A client's socket before anything has been taken out of it for good.

use tokio::net::TcpStream;

use crate::session::end::EndReason;
use crate::session::request::client_end;
use crate::transport::buffer::{BUFFER_BYTES, Buffer};
use crate::transport::stream::try_peek;

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
        match try_peek(socket, &mut buffer, BUFFER_BYTES).map_err(|e| client_end(&e))? {
            Some(n) => break n,
            None => drop(buffer),
        }
    };
    look(buffer.bytes());
    Ok(n)
}
