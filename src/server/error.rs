//! Why the server could not start, in the words of whoever can mend it.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use rustix::io::Errno;

use crate::config::Faults;
use crate::transport::stream::is_one_of;

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
    /// A worker thread could not be started.
    Worker(io::Error),
    /// Files that the configuration names cannot be used.
    Files(Faults),
    /// Something else.
    Other(String),
}

const RAISE_THE_LIMIT: &str =
    "; each port needs a file descriptor: raise the limit of open files (ulimit -n)";

fn is_out_of_fds(error: &io::Error) -> bool {
    is_one_of(error, &[Errno::MFILE, Errno::NFILE])
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
                match error.kind() {
                    // A listener, or an outgoing connection: those get the ports of net.ipv4.ip_local_port_range.
                    io::ErrorKind::AddrInUse => write!(
                        f,
                        "; another process has this port: stop it, or choose other ports (`ss -tanp sport = :{}` shows which)",
                        address.port()
                    ),
                    io::ErrorKind::AddrNotAvailable => f.write_str(
                        "; this machine does not have that address: correct listen_address",
                    ),
                    io::ErrorKind::PermissionDenied => f.write_str(
                        "; ports below 1024 need CAP_NET_BIND_SERVICE: choose higher ones",
                    ),
                    _ if is_out_of_fds(error) => f.write_str(RAISE_THE_LIMIT),
                    _ => Ok(()),
                }
            }
            StartError::Worker(error) => {
                write!(f, "cannot start a worker thread: {error}")?;
                match is_out_of_fds(error) {
                    true => f.write_str(RAISE_THE_LIMIT),
                    false => Ok(()),
                }
            }
            StartError::Files(faults) => faults.fmt(f),
            StartError::Other(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for StartError {}

impl From<Faults> for StartError {
    fn from(faults: Faults) -> Self {
        StartError::Files(faults)
    }
}
