//! Loopback addresses that belong to one cluster, so that its ports may be the same ones everywhere.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};

/// The port whose owner owns the network.
const LOCK_PORT: u16 = 9093;

/// A network of loopback addresses, 127.a.b.0/24, that no other cluster on this machine uses as long as this exists.
pub struct Network {
    prefix: (u8, u8),
    /// Two processes cannot have the same port: that is the lock, and it cannot be left behind.
    _lock: TcpListener,
}

impl Network {
    /// Takes one that is free.
    pub fn take() -> Self {
        for _ in 0..1000 {
            let random = RandomState::new().hash_one(0).to_be_bytes();
            // 127.0 is where everybody else is.
            let prefix = (random[0] | 1, random[1]);
            if let Ok(lock) =
                TcpListener::bind((Ipv4Addr::new(127, prefix.0, prefix.1, 254), LOCK_PORT))
            {
                return Network {
                    prefix,
                    _lock: lock,
                };
            }
        }
        panic!("no free network of loopback addresses");
    }

    /// The address with this number.
    pub fn host(&self, n: usize) -> Ipv4Addr {
        let last = u8::try_from(n).expect("few nodes");
        Ipv4Addr::new(127, self.prefix.0, self.prefix.1, last)
    }
}
