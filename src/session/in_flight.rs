//! What a client waits for: a bounded queue in Kafka's own order, which is the order of the requests.

use std::collections::VecDeque;

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
    },
    /// The broker's answer to SaslHandshake v0; raw tokens follow a good one.
    Handshake {
        /// What the answer must carry.
        correlation_id: i32,
        /// What the client asked for.
        mechanism: Mechanism,
    },
    /// The broker's raw SASL token: a size field and bytes, no correlation id.
    Token,
    /// An answer of our own, with its size field.
    Ours(Vec<u8>),
}

/// The queue. Its order is Kafka's order, its capacity the pipelining limit, its fullness back-pressure.
#[derive(Debug)]
pub struct InFlight {
    queue: VecDeque<Expected>,
    limit: usize,
}

/// An emptied queue keeps room for this many entries; more is given back, so that a burst leaves no memory behind.
const KEPT: usize = 16;

impl InFlight {
    /// An empty queue for at most `limit` entries.
    pub fn new(limit: usize) -> Self {
        InFlight {
            queue: VecDeque::new(),
            limit,
        }
    }

    /// Whether no more requests may be read for now.
    pub fn is_full(&self) -> bool {
        self.queue.len() >= self.limit
    }

    /// Whether nobody waits for anything.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many are waiting.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Notes a request that was read. The caller has looked at [`InFlight::is_full`].
    pub fn push(&mut self, expected: Expected) {
        self.queue.push_back(expected);
    }

    /// What is due next.
    pub fn next(&self) -> Option<&Expected> {
        self.queue.front()
    }

    /// Takes what is due next: its answer has begun.
    pub fn pop(&mut self) -> Option<Expected> {
        let expected = self.queue.pop_front();
        if self.queue.is_empty() && self.queue.capacity() > KEPT {
            self.queue.shrink_to(KEPT);
        }
        expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_is_full_at_its_limit_and_gives_memory_back_when_emptied() {
        let mut in_flight = InFlight::new(100);
        for _ in 0..100 {
            assert!(!in_flight.is_full());
            in_flight.push(Expected::Token);
        }
        assert!(in_flight.is_full());
        while in_flight.pop().is_some() {}
        assert!(in_flight.is_empty());
        assert!(in_flight.queue.capacity() < 100);
    }
}
