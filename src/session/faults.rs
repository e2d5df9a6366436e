//! Says a fault once when it begins, then at most once a minute with a count, and once when it is over.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::port_map::Door;

/// What makes two faults the same: the cluster, what happened (one of a fixed set of words), and where. All bounded by the
/// configuration but the node id of an unmapped node, of which at most 4,096 are told apart. A dial that fails is told apart
/// by its [cause](crate::upstream::ConnectError::reason), or the second cause would hide behind the first for a minute.
pub type FaultKey = (String, &'static str, Door);

const QUIET: Duration = Duration::from_secs(60);
const MOST: usize = 4096;

/// The faults of this process.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    known: HashMap<FaultKey, Known>,
    /// When old entries were looked for last: a full table is not searched at each fault.
    swept: Option<Instant>,
}

#[derive(Debug)]
struct Known {
    told: Instant,
    untold: u64,
    /// It has ended since it was told.
    over: bool,
}

impl Faults {
    /// Notes a fault. `Some(n)`: it is to be told now, and n more happened untold since it was told last.
    pub fn admit(&self, key: FaultKey) -> Option<u64> {
        self.admit_at(key, Instant::now())
    }

    /// All that may be wrong at one place in these ways is over. True if any of it had been told, so that its end is to be
    /// told, too. What comes and goes is told no more often than what stays.
    pub fn are_over(&self, cluster: &str, ways: &[&'static str], door: Door) -> bool {
        let mut table = self.lock();
        // As on most days: nothing is to be looked for.
        if table.known.is_empty() {
            return false;
        }
        let mut key = (cluster.to_owned(), "", door);
        let mut was_told = false;
        for way in ways {
            key.1 = way;
            if let Some(fault) = table.known.get_mut(&key) {
                was_told |= !std::mem::replace(&mut fault.over, true);
            }
        }
        was_told
    }

    fn admit_at(&self, key: FaultKey, now: Instant) -> Option<u64> {
        let mut table = self.lock();
        let Table { known, swept } = &mut *table;
        let old = |then: Instant| now.duration_since(then) >= QUIET;
        if known.len() >= MOST && swept.is_none_or(old) {
            known.retain(|_, fault| !old(fault.told));
            *swept = Some(now);
        }
        let full = known.len() >= MOST;
        match known.get_mut(&key) {
            Some(fault) if !old(fault.told) => {
                fault.untold += 1;
                None
            }
            Some(fault) => {
                fault.told = now;
                fault.over = false;
                Some(std::mem::take(&mut fault.untold))
            }
            None if full => None,
            None => {
                known.insert(
                    key,
                    Known {
                        told: now,
                        untold: 0,
                        over: false,
                    },
                );
                Some(0)
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Table> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port_map::{NodeId, Route};
    use crate::session::end::EndReason;
    use crate::upstream::ConnectError;

    fn key(node: i32) -> FaultKey {
        (
            "main".into(),
            "unmapped_node",
            Route::Node(NodeId(node)).into(),
        )
    }

    #[test]
    fn a_fault_is_told_at_once_and_then_once_a_minute_with_a_count() {
        let faults = Faults::default();
        let start = Instant::now();
        assert_eq!(faults.admit_at(key(1), start), Some(0));
        for second in 1..60 {
            let now = start + Duration::from_secs(second);
            assert_eq!(faults.admit_at(key(1), now), None);
        }
        assert_eq!(
            faults.admit_at(key(2), start),
            Some(0),
            "another node is another fault"
        );
        assert_eq!(faults.admit_at(key(1), start + QUIET), Some(59));
        let second = Duration::from_secs(1);
        assert_eq!(faults.admit_at(key(1), start + QUIET + second), None);
        assert_eq!(faults.admit_at(key(1), start + QUIET * 2), Some(1));
    }

    fn is_over(faults: &Faults, (cluster, way, door): &FaultKey) -> bool {
        faults.are_over(cluster, &[way], *door)
    }

    #[test]
    fn an_end_is_told_only_of_a_fault_that_was_told() {
        let faults = Faults::default();
        assert!(!is_over(&faults, &key(1)));
        faults.admit(key(1));
        assert!(!is_over(&faults, &key(2)));
        assert!(is_over(&faults, &key(1)));
        assert!(!is_over(&faults, &key(1)));
    }

    #[test]
    fn another_cause_is_told_at_once_and_all_end_as_one() {
        let faults = Faults::default();
        let door = Route::Node(NodeId(1)).into();
        let causes = ["refused", "timed_out", "unresolved"];
        let fails = |cause| faults.admit(("main".into(), cause, door));
        assert_eq!(fails("refused"), Some(0));
        assert_eq!(fails("refused"), None);
        assert_eq!(fails("timed_out"), Some(0));
        assert_eq!(fails("refused"), None, "no cause is told anew by turns");
        assert!(!faults.are_over("other", &causes, door));
        assert!(faults.are_over("main", &causes, door));
        assert!(!faults.are_over("main", &causes, door));
        assert_eq!(fails("refused"), None);
        assert_eq!(fails("unresolved"), Some(0));
        assert!(faults.are_over("main", &causes, door));
    }

    #[test]
    fn no_cause_of_a_failed_dial_is_called_like_the_end_of_a_session() {
        for reason in ConnectError::REASONS {
            assert!(!EndReason::LABELS.contains(&reason), "{reason}");
        }
    }

    #[test]
    fn a_fault_that_comes_and_goes_is_told_no_more_often_than_one_that_stays() {
        let faults = Faults::default();
        let start = Instant::now();
        assert_eq!(faults.admit_at(key(1), start), Some(0));
        assert!(is_over(&faults, &key(1)), "the end is told, once");
        for second in 1..60 {
            let now = start + Duration::from_secs(second);
            assert_eq!(faults.admit_at(key(1), now), None);
            assert!(!is_over(&faults, &key(1)));
        }
        assert_eq!(faults.admit_at(key(1), start + QUIET), Some(59));
        assert!(is_over(&faults, &key(1)));
    }

    #[test]
    fn a_flood_of_different_faults_is_bounded() {
        let faults = Faults::default();
        let now = Instant::now();
        for node in 0..10_000 {
            faults.admit_at(key(node), now);
        }
        assert_eq!(faults.lock().known.len(), MOST);
        assert_eq!(faults.admit_at(key(-1), now), None, "there is no room");
        assert_eq!(faults.admit_at(key(-1), now + QUIET), Some(0));
    }
}
