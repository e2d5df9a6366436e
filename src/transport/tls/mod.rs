//! TLS on either leg: what is loaded from files, the handshake over a socket, and the bytes behind it.

pub(crate) mod authorities;
mod chain;
pub mod channel;
pub mod client;
pub mod files;
pub mod handshake;
pub(crate) mod identity;
mod inspect;
mod names;
pub(crate) mod pem;
mod revocation;
pub mod server;
mod tickets;
mod words;

pub use inspect::date;
pub(crate) use inspect::{Shown, shown};

#[cfg(test)]
mod tests;

/// Whether an error of a stream is the TLS connection's and not the socket's.
pub fn is_tls(error: &std::io::Error) -> bool {
    let inner = error.get_ref();
    inner.is_some_and(|inner| inner.is::<rustls::Error>())
}
