//! The connections that are open, of which there are so many at most. Browsers, scrapers and balancers keep theirs open between
//! two requests, and a probe must get through all the same: the one that was silent longest makes room.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

/// Connections at one time.
pub(super) const MOST: usize = 64;

/// All that are open. Dropping it closes them.
#[derive(Debug, Default)]
pub(super) struct Visits {
    /// How many requests came in all, which is as good as a clock.
    requests: Arc<AtomicU64>,
    running: JoinSet<()>,
    open: HashMap<Id, Visit>,
}

#[derive(Debug)]
struct Visit {
    last: Arc<AtomicU64>,
    handle: AbortHandle,
}

/// For a connection to say that it is not silent.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    requests: Arc<AtomicU64>,
    last: Arc<AtomicU64>,
}

impl Heard {
    /// A request came.
    pub(super) fn request(&self) {
        let now = self.requests.fetch_add(1, Ordering::Relaxed);
        self.last.store(now, Ordering::Relaxed);
    }
}

impl Visits {
    /// Begins one more; where there are too many, the one that was silent longest is over.
    pub(super) async fn begin<F>(&mut self, visit: impl FnOnce(Heard) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        while let Some(ended) = self.running.try_join_next_with_id() {
            self.forget(&ended);
        }
        while self.open.len() >= MOST {
            let visits = self.open.values();
            // It may be answering a request: of as many it is the one that takes longest, or whose peer does not read.
            if let Some(silent) = visits.min_by_key(|visit| visit.last.load(Ordering::Relaxed)) {
                silent.handle.abort();
            }
            match self.running.join_next_with_id().await {
                Some(ended) => self.forget(&ended),
                None => self.open.clear(),
            }
        }
        let heard = Heard {
            requests: self.requests.clone(),
            last: Arc::default(),
        };
        // To have come counts as much as a request.
        heard.request();
        let last = heard.last.clone();
        let handle = self.running.spawn(visit(heard));
        self.open.insert(handle.id(), Visit { last, handle });
    }

    fn forget(&mut self, ended: &Result<(Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        self.open.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    /// Somebody who stays. Its end shows at the receiver.
    async fn stay(visits: &mut Visits) -> (Heard, oneshot::Receiver<()>) {
        let (ended, end) = oneshot::channel();
        let (tell, told) = oneshot::channel();
        visits
            .begin(|heard| async move {
                let _ended = ended;
                let _ = tell.send(heard);
                std::future::pending().await
            })
            .await;
        (told.await.expect("it began"), end)
    }

    fn is_over(end: &mut oneshot::Receiver<()>) -> bool {
        !matches!(end.try_recv(), Err(oneshot::error::TryRecvError::Empty))
    }

    #[tokio::test]
    async fn whoever_was_silent_longest_makes_room() {
        let mut visits = Visits::default();
        let mut all = Vec::new();
        for _ in 0..MOST {
            all.push(stay(&mut visits).await);
        }
        assert!(!all.iter_mut().any(|(_, end)| is_over(end)), "all fit");
        all[0].0.request();
        all[2].0.request();
        for _ in 0..2 {
            all.push(stay(&mut visits).await);
        }
        let over: Vec<usize> = all
            .iter_mut()
            .enumerate()
            .filter_map(|(n, (_, end))| is_over(end).then_some(n))
            .collect();
        assert_eq!(over, [1, 3]);
        assert_eq!(visits.open.len(), MOST);
    }

    #[tokio::test]
    async fn who_has_left_is_nobody_to_make_room_for() {
        let mut visits = Visits::default();
        let (_, mut first) = stay(&mut visits).await;
        for _ in 0..3 * MOST {
            visits.begin(|_| async {}).await;
            tokio::task::yield_now().await;
        }
        assert!(!is_over(&mut first));
    }
}
