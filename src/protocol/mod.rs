//! The Kafka protocol as a proxy needs it: bytes in, decision out. No sockets, no clock, no metrics.
//!
//! Everything here reads network bytes with bounded cursors of our own: each length is compared with the bytes that are
//! really there before anything is sliced, skipped or allocated by it. kafka-protocol's decoders reserve memory by
//! lengths from the wire (its issues 152, 161, 200), so they serve as the tests' oracle only.
//!
//! - [`prefix`]: the first bytes of a frame, and what is no Kafka frame at all.
//! - [`api`]: which api keys and versions pass, which answers carry addresses, and what is to be done with each.
//! - [`acks`]: whether a Produce request will be answered.
//! - [`sasl`]: when a connection leaves Kafka's framing for raw SASL tokens, and when it comes back.
//! - [`software`]: what a client says of itself.
//! - [`rewrite`]: small answers, rewritten whole, and the head of Metadata answers.
//! - [`walker`]: large answers, walked and neutralised in place while they stream by.

pub mod acks;
pub mod api;
pub(crate) mod cursor;
pub mod prefix;
pub mod rewrite;
pub mod sasl;
mod schema;
pub mod software;
mod walk;
pub mod walker;

use std::fmt;

/// Bytes that do not follow the schema which their api key and version promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What was being read, in the schema's words ("brokers", "records").
    pub field: &'static str,
    /// What is wrong with it ("length beyond the frame").
    pub problem: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}

impl std::error::Error for Malformed {}
