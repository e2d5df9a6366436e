//! The connections that this process has made, so that one which comes back to its own listener is recognised.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Both ends of every connection to a broker. A local port alone would not do: it is shared by connections to different
/// places.
#[derive(Debug, Default)]
pub struct OwnConnections(Mutex<HashSet<Ends>>);

/// Local and remote end, as the side that dialled sees them.
type Ends = (SocketAddr, SocketAddr);

/// One connection of ours; it is forgotten when this is dropped.
#[derive(Debug)]
pub struct OwnConnection {
    all: Arc<OwnConnections>,
    ends: Ends,
}

impl OwnConnections {
    /// Takes note of a connection that was made.
    pub fn add(self: &Arc<Self>, local: SocketAddr, remote: SocketAddr) -> OwnConnection {
        let ends = canonical(local, remote);
        self.lock().insert(ends);
        OwnConnection {
            all: self.clone(),
            ends,
        }
    }

    /// Whether a connection that was accepted at `local` from `client` is one of ours.
    pub fn contains(&self, client: SocketAddr, local: SocketAddr) -> bool {
        self.lock().contains(&canonical(client, local))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<Ends>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OwnConnection {
    fn drop(&mut self) {
        self.all.lock().remove(&self.ends);
    }
}

/// A listener on `::` sees IPv4 addresses in their IPv6 form, the dialling side does not.
fn canonical(a: SocketAddr, b: SocketAddr) -> Ends {
    let plain = |s: SocketAddr| SocketAddr::new(s.ip().to_canonical(), s.port());
    (plain(a), plain(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_known_by_both_ends_for_as_long_as_it_lives() {
        let own = Arc::new(OwnConnections::default());
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let connection = own.add(at("127.0.0.1:4000"), at("127.0.0.1:9092"));
        assert!(own.contains(at("127.0.0.1:4000"), at("127.0.0.1:9092")));
        assert!(own.contains(at("[::ffff:127.0.0.1]:4000"), at("[::ffff:127.0.0.1]:9092")));
        assert!(!own.contains(at("127.0.0.1:4000"), at("127.0.0.1:9093")));
        assert!(!own.contains(at("127.0.0.1:4001"), at("127.0.0.1:9092")));
        drop(connection);
        assert!(!own.contains(at("127.0.0.1:4000"), at("127.0.0.1:9092")));
    }
}
