//! How many connections one client may have, and how often it may open one.
//!
//! A client is an IPv4 address or the first 64 bits of an IPv6 address: a single host commonly has 2^64 of those for its
//! own, and addresses that one peer can change at will would not limit it.
//!
//! Rates are limited by the generic cell rate algorithm (ITU-T I.371), a token bucket that is one number per client: the
//! time at which the bucket will be full again. A bucket that is full is as good as none and is forgotten.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config::{Limits, Rate};

/// What one client may do. It is passed with each connection, since a reload may change it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientLimits {
    /// Connections at one time; `None` is any number. Counts those that were admitted while there was such a limit.
    pub connections: Option<usize>,
    /// How often it may connect; `None` is at any time.
    pub rate: Option<Rate>,
}

impl Limits {
    /// What each client may do.
    pub fn of_client(&self) -> ClientLimits {
        ClientLimits {
            connections: self.connections_per_client,
            rate: self.connection_rate_per_client,
        }
    }
}

/// Why a client may not have one more connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It has as many as it may have.
    Connections,
    /// It had too many in too short a time.
    Rate,
}

impl Refused {
    /// The name in logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Refused::Connections => "connections_per_client",
            Refused::Rate => "connection_rate_per_client",
        }
    }
}

/// What is known of all clients; its clones share it.
///
/// Memory: what clients with open connections take is bounded by the connections. Of clients without any, which are known
/// for their rate alone, at most [`Clients::MOST_ABSENT`] are kept, less than 10 MB. One more is not refused, as then whoever has
/// many addresses could lock everybody else out. Instead the client is forgotten whose bucket is the fullest, which gives
/// away the least: it may begin with a full one. Who has used up his own is the last to be forgotten, and only after so
/// many others have used up theirs.
#[derive(Clone, Debug)]
pub struct Clients(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// What times are counted from.
    epoch: Instant,
    /// Keyed, so that no peer can choose addresses which all fall into one shard.
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
}

/// The right to have one connection, until it is dropped.
#[derive(Debug)]
#[must_use = "the connection counts only as long as this is held"]
pub struct ClientPermit(Option<(Clients, Client)>);

impl Clients {
    /// How many clients without a connection are remembered.
    pub const MOST_ABSENT: usize = SHARDS * ABSENT_PER_SHARD;

    /// Knows nobody.
    pub fn new() -> Self {
        Clients(Arc::new(Shared {
            epoch: Instant::now(),
            hasher: RandomState::new(),
            shards: Default::default(),
        }))
    }

    /// One more connection of the client at this address, or the limit that it would exceed. What is refused counts
    /// towards no limit. Without limits this takes no lock.
    pub fn admit(&self, ip: IpAddr, limits: &ClientLimits) -> Result<ClientPermit, Refused> {
        match limits {
            ClientLimits {
                connections: None,
                rate: None,
            } => Ok(ClientPermit(None)),
            limits => self.admit_at(Instant::now(), ip, limits),
        }
    }

    fn admit_at(
        &self,
        now: Instant,
        ip: IpAddr,
        limits: &ClientLimits,
    ) -> Result<ClientPermit, Refused> {
        let client = Client::at(ip);
        let now = self.nanos(now);
        self.shard(client).admit(client, limits, now)?;
        let is_counted = limits.connections.is_some();
        Ok(ClientPermit(is_counted.then(|| (self.clone(), client))))
    }

    fn release(&self, client: Client, now: Instant) {
        let now = self.nanos(now);
        self.shard(client).release(client, now);
    }

    fn shard(&self, client: Client) -> MutexGuard<'_, Shard> {
        let at = self.0.hasher.hash_one(client) as usize % SHARDS;
        // Nothing in there can panic half done.
        self.0.shards[at]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn nanos(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(self.0.epoch))
    }
}

impl Default for Clients {
    fn default() -> Self {
        Clients::new()
    }
}

impl Drop for ClientPermit {
    fn drop(&mut self) {
        if let Some((clients, client)) = self.0.take() {
            clients.release(client, Instant::now());
        }
    }
}

/// Whose connections are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Client {
    V4(u32),
    /// The first 64 bits.
    V6(u64),
}

impl Client {
    fn at(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Client::V4(ip.to_bits()),
            IpAddr::V6(ip) => Client::V6((ip.to_bits() >> 64) as u64),
        }
    }
}

/// Some of the clients. Those without a connection are in `absent` also.
#[derive(Debug, Default)]
struct Shard {
    clients: HashMap<Client, Known>,
    /// By the time at which their buckets are full.
    absent: BTreeSet<(u64, Client)>,
}

/// What is known of one client.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    open: usize,
    /// When its bucket is full, in nanoseconds.
    full_at: u64,
}

impl Shard {
    fn admit(&mut self, client: Client, limits: &ClientLimits, now: u64) -> Result<(), Refused> {
        self.forget_full(now);
        let mut known = self.clients.get(&client).copied().unwrap_or_default();
        if limits.connections.is_some_and(|most| known.open >= most) {
            return Err(Refused::Connections);
        }
        if let Some(rate) = limits.rate {
            let full_at = rate.at_most_empty(known.full_at, now);
            let Some(taken) = rate.take(full_at, now) else {
                // Of a slower rate, before a reload: it begins to fill by the new one now, not when the old one says.
                if full_at < known.full_at {
                    self.put(client, Known { full_at, ..known });
                }
                return Err(Refused::Rate);
            };
            known.full_at = taken;
        }
        known.open += usize::from(limits.connections.is_some());
        self.put(client, known);
        Ok(())
    }

    fn release(&mut self, client: Client, now: u64) {
        if let Some(mut known) = self.clients.get(&client).copied() {
            known.open = known.open.saturating_sub(1);
            self.put(client, known);
        }
        self.forget_full(now);
    }

    fn put(&mut self, client: Client, known: Known) {
        if let Some(before) = self.clients.insert(client, known)
            && before.open == 0
        {
            self.absent.remove(&(before.full_at, client));
        }
        if known.open == 0 {
            self.absent.insert((known.full_at, client));
        }
        if self.absent.len() > ABSENT_PER_SHARD {
            self.forget_fullest();
        }
    }

    /// Forgets some of the clients whose buckets are full. More than one connection can add, so it keeps up, and few
    /// enough that no connection waits for it.
    fn forget_full(&mut self, now: u64) {
        for _ in 0..4 {
            match self.absent.first() {
                Some(&(full_at, _)) if full_at <= now => self.forget_fullest(),
                _ => return,
            }
        }
    }

    fn forget_fullest(&mut self) {
        if let Some((_, client)) = self.absent.pop_first() {
            self.clients.remove(&client);
        }
    }
}

impl Rate {
    /// When a bucket that is full at `full_at` is full once one connection was taken out of it; `None` if it is empty.
    fn take(&self, full_at: u64, now: u64) -> Option<u64> {
        let one = nanos(self.per).checked_div(u64::from(self.connections))?;
        let after = full_at.max(now).checked_add(one)?;
        (after - now <= nanos(self.per)).then_some(after)
    }

    /// The latest time at which a bucket can be full.
    fn at_most_empty(&self, full_at: u64, now: u64) -> u64 {
        full_at.min(now.saturating_add(nanos(self.per)))
    }
}

/// Enough for five centuries.
fn nanos(duration: Duration) -> u64 {
    duration.as_nanos().try_into().unwrap_or(u64::MAX)
}

/// As many that threads seldom meet in one.
const SHARDS: usize = 32;

const ABSENT_PER_SHARD: usize = 2048;

#[cfg(test)]
mod tests;
