//! Brokers that are in answers and in no port map: which, and when they were seen last.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::port_map::NodeId;
use crate::protocol::rewrite::SeenBroker;

/// More are not told apart: a broker's answer may name any number.
const MOST: usize = 256;

/// A broker that nobody has named for so long is gone.
const LATELY: Duration = Duration::from_secs(3600);

/// Of one virtual cluster.
#[derive(Debug, Default)]
pub struct Unmapped(Mutex<BTreeMap<NodeId, (SeenBroker, SystemTime)>>);

impl Unmapped {
    /// One was seen.
    pub(super) fn note(&self, broker: &SeenBroker) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MOST {
            seen.retain(|_, (_, last)| is_late(*last));
        }
        if seen.len() < MOST || seen.contains_key(&broker.node_id) {
            let entry = (broker.clone(), SystemTime::now());
            seen.insert(broker.node_id, entry);
        }
    }

    /// Those that were seen lately.
    pub(super) fn all(&self) -> Vec<(SeenBroker, SystemTime)> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, (_, last)| is_late(*last));
        seen.values().cloned().collect()
    }
}

fn is_late(seen: SystemTime) -> bool {
    seen.elapsed().map_or(true, |ago| ago < LATELY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_bounded_and_the_last_address_counts() {
        let unmapped = Unmapped::default();
        let broker = |id, host: &str| SeenBroker {
            node_id: NodeId(id),
            host: host.into(),
            port: 9092,
        };
        for id in 0..2 * MOST as i32 {
            unmapped.note(&broker(id, "old"));
        }
        unmapped.note(&broker(0, "new"));
        let all = unmapped.all();
        assert_eq!(all.len(), MOST);
        assert_eq!(all[0].0.host, "new");
    }
}
