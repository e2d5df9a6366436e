//! What a client waits for: a bounded queue in Kafka's own order, which is the order of the requests.

use std::collections::VecDeque;
use std::time::Instant;

use crate::protocol::api::ResponsePlan;
use crate::protocol::sasl::Mechanism;

/// One thing that a client waits for.
#[derive(Debug)]
pub enum Expected {
    /// The broker's answer to a request.
    Answer {
        /// What the answer must carry.
        correlation_id: i32,
        /// The request's api.
        api_key: i16,
        /// The request's and so the answer's version.
        api_version: i16,
        /// What is to be done with the answer.
        plan: ResponsePlan,
        /// When the last byte of the request was read.
        read_at: Instant,
    },
    /// The broker's answer to SaslHandshake v0; raw tokens follow a good one.
    Handshake {
        /// What the answer must carry.
        correlation_id: i32,
        /// What the client asked for.
        mechanism: Mechanism,
        /// When the last byte of the request was read.
        read_at: Instant,
    },
    /// The broker's raw SASL token: a size field and bytes, no correlation id.
    Token {
        /// The mechanism does not answer every token (GSSAPI leaves the client's last one unanswered).
        may_stay_unanswered: bool,
    },
    /// An answer of our own, with its size field.
    Ours(Vec<u8>),
}

impl Expected {
    fn is_optional(&self) -> bool {
        matches!(
            self,
            Expected::Token {
                may_stay_unanswered: true
            }
        )
    }
}

/// The queue. Its order is Kafka's order, its capacity the pipelining limit, its fullness back-pressure.
#[derive(Debug)]
pub struct InFlight {
    queue: VecDeque<Expected>,
    limit: usize,
    /// The request of the last entry is still being read.
    is_open: bool,
}

/// An emptied queue keeps room for this many entries; more is given back, so that a burst leaves no memory behind.
const KEPT: usize = 16;

impl InFlight {
    /// An empty queue for at most `limit` entries.
    pub fn new(limit: usize) -> Self {
        InFlight {
            queue: VecDeque::new(),
            limit,
            is_open: false,
        }
    }

    /// Whether no more requests may be read for now. A token that may stay unanswered takes no place where it is next:
    /// with a limit of one nothing could follow it.
    pub fn is_full(&self) -> bool {
        let free = self.next().is_some_and(Expected::is_optional);
        self.queue.len() >= self.limit + usize::from(free)
    }

    /// Whether nobody waits for anything that is certain to come.
    pub fn is_empty(&self) -> bool {
        self.behind_tokens().is_none()
    }

    /// How many are waiting.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Notes a request that was read. The caller has looked at [`InFlight::is_full`].
    pub fn push(&mut self, expected: Expected) {
        self.queue.push_back(expected);
        self.is_open = true;
    }

    /// The request that was being read is read to its last byte, which came by this time. It need not be in the queue:
    /// nobody waits for its answer, or that has come already.
    pub fn is_read(&mut self, by: Instant) {
        if std::mem::take(&mut self.is_open)
            && let Some(Expected::Answer { read_at, .. } | Expected::Handshake { read_at, .. }) =
                self.queue.back_mut()
        {
            *read_at = by;
        }
    }

    /// What is due next.
    pub fn next(&self) -> Option<&Expected> {
        self.queue.front()
    }

    /// The correlation id of the first entry that has one, if nothing but tokens that may stay unanswered stands before
    /// it. An answer that carries it says that those tokens were not answered.
    pub fn id_behind_tokens(&self) -> Option<i32> {
        match self.behind_tokens()? {
            Expected::Answer { correlation_id, .. }
            | Expected::Handshake { correlation_id, .. } => Some(*correlation_id),
            Expected::Token { .. } | Expected::Ours(_) => None,
        }
    }

    /// Whether an answer of ours is due, behind nothing but tokens that may stay unanswered: a client that goes on to
    /// other requests does not wait for them.
    pub fn ours_is_due(&self) -> bool {
        matches!(self.behind_tokens(), Some(Expected::Ours(_)))
    }

    fn behind_tokens(&self) -> Option<&Expected> {
        self.queue.iter().find(|expected| !expected.is_optional())
    }

    /// The tokens at the front were not answered and will not be.
    pub fn drop_tokens(&mut self) {
        while self.next().is_some_and(Expected::is_optional) {
            self.pop();
        }
    }

    /// Takes what is due next: its answer has begun.
    pub fn pop(&mut self) -> Option<Expected> {
        let expected = self.queue.pop_front();
        self.is_open &= !self.queue.is_empty();
        if self.queue.is_empty() && self.queue.capacity() > KEPT {
            self.queue.shrink_to(KEPT);
        }
        expected
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn token(may_stay_unanswered: bool) -> Expected {
        Expected::Token {
            may_stay_unanswered,
        }
    }

    fn answer(correlation_id: i32) -> Expected {
        Expected::Answer {
            correlation_id,
            api_key: 3,
            api_version: 1,
            plan: ResponsePlan::Stream,
            read_at: Instant::now(),
        }
    }

    fn read_at(expected: Option<Expected>) -> Instant {
        match expected {
            Some(Expected::Answer { read_at, .. }) => read_at,
            other => panic!("no answer is due but {other:?}"),
        }
    }

    #[test]
    fn each_request_has_the_time_of_its_own_last_byte() {
        let begin = Instant::now();
        let at = |n| begin + Duration::from_secs(n);
        let mut in_flight = InFlight::new(10);
        for n in 1..=3 {
            in_flight.push(answer(n as i32));
            in_flight.is_read(at(n));
        }
        // One that nobody waits for.
        in_flight.is_read(at(4));
        for n in 1..=3 {
            assert_eq!(read_at(in_flight.pop()), at(n));
        }
        // One whose answer came before it was read.
        in_flight.push(answer(5));
        assert!(read_at(in_flight.pop()) < at(5));
        in_flight.is_read(at(5));
        in_flight.push(token(false));
        in_flight.is_read(at(6));
        in_flight.push(answer(7));
        in_flight.is_read(at(7));
        in_flight.pop();
        assert_eq!(read_at(in_flight.pop()), at(7));
    }

    #[test]
    fn only_tokens_that_may_stay_unanswered_are_looked_past() {
        let mut in_flight = InFlight::new(10);
        in_flight.push(token(true));
        in_flight.push(token(true));
        assert_eq!(in_flight.id_behind_tokens(), None);
        in_flight.push(answer(7));
        assert_eq!(in_flight.id_behind_tokens(), Some(7));
        in_flight.drop_tokens();
        assert_eq!(in_flight.len(), 1);

        let mut in_flight = InFlight::new(10);
        in_flight.push(Expected::Ours(Vec::new()));
        assert!(in_flight.ours_is_due());
        let mut in_flight = InFlight::new(10);
        in_flight.push(token(true));
        assert!(!in_flight.ours_is_due());
        in_flight.push(Expected::Ours(Vec::new()));
        assert!(in_flight.ours_is_due());

        let mut in_flight = InFlight::new(10);
        in_flight.push(token(false));
        in_flight.push(Expected::Ours(Vec::new()));
        assert!(!in_flight.ours_is_due());
        assert_eq!(in_flight.id_behind_tokens(), None);
        in_flight.drop_tokens();
        assert_eq!(in_flight.len(), 2);
        in_flight.pop();
        assert!(in_flight.ours_is_due());
    }

    #[test]
    fn a_token_that_may_stay_unanswered_holds_nothing_up() {
        let mut in_flight = InFlight::new(1);
        in_flight.push(token(true));
        assert!(in_flight.is_empty());
        assert!(!in_flight.is_full());
        in_flight.push(answer(5));
        assert!(!in_flight.is_empty());
        assert!(in_flight.is_full());
        let mut in_flight = InFlight::new(1);
        in_flight.push(token(false));
        assert!(!in_flight.is_empty());
        assert!(in_flight.is_full());
    }

    #[test]
    fn the_queue_is_full_at_its_limit_and_gives_memory_back_when_emptied() {
        let mut in_flight = InFlight::new(100);
        for _ in 0..100 {
            assert!(!in_flight.is_full());
            in_flight.push(token(false));
        }
        assert!(in_flight.is_full());
        while in_flight.pop().is_some() {}
        assert!(in_flight.is_empty());
        assert!(in_flight.queue.capacity() < 100);
    }
}
