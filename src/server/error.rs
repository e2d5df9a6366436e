//! Why the server could not start, in the words of whoever can mend it.

use std::fmt;
use std::io;
use std::net::SocketAddr;

/// Why the server could not start.
#[derive(Debug)]
pub enum StartError {
    /// An address could not be bound.
    Bind {
        /// The address.
        address: SocketAddr,
        /// What for.
        purpose: String,
        /// The operating system's error.
        error: io::Error,
    },
    /// Something else.
    Other(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Bind {
                address,
                purpose,
                error,
            } => {
                write!(f, "cannot listen on {address} ({purpose}): {error}")?;
                f.write_str(match error.kind() {
                    io::ErrorKind::AddrInUse => {
                        "; another process has this port: stop it, or choose other ports (`ss -ltnp` shows who has which)"
                    }
                    io::ErrorKind::AddrNotAvailable => {
                        "; this machine does not have that address: correct listen_address"
                    }
                    io::ErrorKind::PermissionDenied => {
                        "; ports below 1024 need CAP_NET_BIND_SERVICE: choose higher ones"
                    }
                    _ => "",
                })
            }
            StartError::Other(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for StartError {}
