//! Names to addresses, by the system's resolver as most clients do it; each name once.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::sync::OnceCell;
use tokio::time::timeout;

/// Addresses of one name that are looked at.
const MOST_ADDRESSES: usize = 8;

/// The addresses, or why there are none.
pub(super) type Resolved = Result<Vec<IpAddr>, String>;

/// What was resolved so far.
#[derive(Debug, Default)]
pub(super) struct Names(Mutex<BTreeMap<String, Arc<OnceCell<Resolved>>>>);

impl Names {
    /// Resolves a name, or tells what came of it before: all brokers may have the same.
    pub(super) async fn resolve(&self, host: &str, limit: Duration) -> Resolved {
        let cell = {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            known.entry(host.to_owned()).or_default().clone()
        };
        cell.get_or_init(|| ask(host, limit)).await.clone()
    }
}

async fn ask(host: &str, limit: Duration) -> Resolved {
    let found = match timeout(limit, lookup_host((host, 0))).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => {
            let text = error.to_string();
            let words = text.strip_prefix("failed to lookup address information: ");
            return Err(words.unwrap_or(&text).to_owned());
        }
        Err(_) => return Err(format!("no name server answered within {limit:?}")),
    };
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in found.map(|socket| socket.ip()) {
        if !addresses.contains(&address) && addresses.len() < MOST_ADDRESSES {
            addresses.push(address);
        }
    }
    match addresses.is_empty() {
        true => Err("the name has no address".to_owned()),
        false => Ok(addresses),
    }
}
