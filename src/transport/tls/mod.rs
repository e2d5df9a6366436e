//! TLS on either leg: the handshake over a socket, and the bytes behind it.

pub mod channel;
pub mod handshake;

/// Whether an error of a stream is the TLS connection's and not the socket's.
pub fn is_tls(error: &std::io::Error) -> bool {
    let inner = error.get_ref();
    inner.is_some_and(|inner| inner.is::<rustls::Error>())
}
