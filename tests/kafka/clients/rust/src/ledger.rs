//! What was acknowledged and where each record was seen.
//!
//! A record that the group was given twice from one offset is a redelivery, which groups allow; a record at two offsets was
//! stored twice, which idempotence forbids.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::task::PATIENCE;

/// It is shared by the threads that produce and consume.
pub struct Ledger(Mutex<Entries>);

struct Entries {
    acked: BTreeSet<usize>,
    failed: Vec<String>,
    places: BTreeMap<usize, BTreeSet<(i32, i64)>>,
    redelivered: usize,
    changed: Instant,
}

impl Ledger {
    /// An empty one.
    pub fn new() -> Self {
        Ledger(Mutex::new(Entries {
            acked: BTreeSet::new(),
            failed: Vec::new(),
            places: BTreeMap::new(),
            redelivered: 0,
            changed: Instant::now(),
        }))
    }

    /// The brokers took a record.
    pub fn acked(&self, number: usize) {
        let mut entries = self.lock();
        entries.acked.insert(number);
        entries.changed = Instant::now();
    }

    /// The library gave a record up.
    pub fn failed(&self, reason: String) {
        self.lock().failed.push(reason);
    }

    /// A record came back from a place in the log.
    pub fn received(&self, number: usize, partition: i32, offset: i64) {
        let mut entries = self.lock();
        let new = entries
            .places
            .entry(number)
            .or_default()
            .insert((partition, offset));
        entries.redelivered += usize::from(!new);
        entries.changed = Instant::now();
    }

    /// Returns when all acknowledged records came back, or when nothing has moved for long.
    pub fn wait_for_all(&self) {
        loop {
            let entries = self.lock();
            if entries.missing().is_empty() || entries.changed.elapsed() > PATIENCE {
                return;
            }
            drop(entries);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Prints a line each second until the program ends.
    pub fn report_progress(&self) -> ! {
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let entries = self.lock();
            println!(
                "{}",
                json!({"progress": {"acked": entries.acked.len(), "received": entries.places.len()}})
            );
        }
    }

    /// Prints the sums.
    pub fn report(&self) {
        let entries = self.lock();
        let twice = entries.places.iter().filter(|(_, places)| places.len() > 1);
        let duplicates: Vec<usize> = twice.map(|(number, _)| *number).take(FIRST).collect();
        let missing: Vec<usize> = entries.missing().into_iter().take(FIRST).collect();
        let failed: Vec<&String> = entries.failed.iter().take(FIRST).collect();
        println!(
            "{}",
            json!({
                "acked": entries.acked.len(), "received": entries.places.len(), "missing": missing,
                "duplicates": duplicates, "failed": failed, "redelivered": entries.redelivered,
            })
        );
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().expect("no thread panicked")
    }
}

/// How many examples of a fault are shown.
const FIRST: usize = 20;

impl Entries {
    fn missing(&self) -> Vec<usize> {
        let missing = self
            .acked
            .iter()
            .filter(|number| !self.places.contains_key(number));
        missing.copied().collect()
    }
}
