//! Which worker thread serves a connection: the one that accepted it, unless another has noticeably less to do.
//!
//! The kernel spreads connections over the listening sockets of a port by a hash of their addresses. For many alike that
//! is even enough. A few heavy ones it spreads as coins fall: of four connections and two threads, all four are on one
//! thread once in eight times, and three on one half of the time. So each thread looks at the numbers of sessions when it
//! has accepted, and hands the connection over to the thread with the fewest if the difference is more than a 32nd of its
//! own number.
//!
//! So with up to 31 sessions a thread any difference counts: what comes together, as the connections of one client do, is
//! spread evenly. With many it is seldom that one is handed over (of connections that come and go, 2 in 100 with 1,000
//! sessions on each of eight threads), for the hash does well by itself and a hand-over costs a wake-up.
//!
//! Numbers know nothing of weight. How busy a thread is was tried beside them, in a simulation, and brought next to
//! nothing: which of the new connections will be heavy nobody knows when they are accepted, and later they stay where they
//! are, with their broker's.

/// Of which part of its own number a worker may have more sessions than another without handing new ones over.
const TOLERANCE: usize = 32;

/// The worker to hand a connection over to; `None` is the one that accepted it. `sessions` are the workers' numbers
/// without this connection, `None` for a worker that is gone.
pub(super) fn elsewhere(
    here: usize,
    sessions: impl ExactSizeIterator<Item = Option<usize>> + Clone,
) -> Option<usize> {
    let own = sessions.clone().nth(here).flatten().unwrap_or(0);
    let count = sessions.len();
    // Of several with the fewest the next one: were it the first, a rush would be handed to that before it can count.
    let behind = |worker: usize| (worker + count - here) % count;
    let (worker, fewest) = sessions
        .enumerate()
        .filter_map(|(worker, sessions)| Some((worker, sessions?)))
        .min_by_key(|&(worker, sessions)| (sessions, behind(worker)))?;
    (own > fewest + own / TOLERANCE).then_some(worker)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(here: usize, sessions: &[usize]) -> Option<usize> {
        elsewhere(here, sessions.iter().map(|&n| Some(n)))
    }

    #[test]
    fn among_few_sessions_any_difference_counts() {
        assert_eq!(from(0, &[0, 0]), None);
        assert_eq!(from(0, &[1, 0]), Some(1));
        assert_eq!(from(1, &[3, 4, 2]), Some(2));
        assert_eq!(from(0, &[3, 4, 3]), None);
    }

    #[test]
    fn among_many_sessions_small_differences_stay() {
        assert_eq!(from(0, &[31, 30]), Some(1));
        assert_eq!(from(0, &[32, 31]), None);
        assert_eq!(from(0, &[320, 310]), None);
        assert_eq!(from(0, &[320, 309]), Some(1));
    }

    #[test]
    fn of_several_with_the_fewest_it_is_the_next_one() {
        assert_eq!(from(0, &[2, 0, 0]), Some(1));
        assert_eq!(from(1, &[0, 2, 0]), Some(2));
        assert_eq!(from(2, &[0, 0, 2]), Some(0));
    }

    #[test]
    fn a_worker_that_is_gone_gets_none() {
        assert_eq!(elsewhere(0, [Some(5), None].into_iter()), None);
        assert_eq!(elsewhere(0, [Some(5), None, Some(1)].into_iter()), Some(2));
    }

    #[test]
    fn a_single_worker_keeps_all() {
        assert_eq!(from(0, &[1_000_000]), None);
    }

    /// Whatever the hash does, connections that stay end up even.
    #[test]
    fn connections_that_stay_are_spread_evenly() {
        for threads in [2, 3, 8] {
            for connections in [4, 8, 40, 1000] {
                // The worst hash: all on one.
                let mut sessions = vec![0; threads];
                for _ in 0..connections {
                    let worker = from(0, &sessions).unwrap_or(0);
                    sessions[worker] += 1;
                }
                let (most, least) = (sessions.iter().max(), sessions.iter().min());
                let difference = most.unwrap() - least.unwrap();
                assert!(difference <= 1 + most.unwrap() / TOLERANCE, "{sessions:?}");
            }
        }
    }
}
