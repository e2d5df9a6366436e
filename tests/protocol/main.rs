//! The protocol rooms (`protocol`, `port_map`) as a library: no sockets. kafka-protocol is the oracle for what it encoded
//! itself; what a peer made up is read by `lenient`, which is bounded.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers fail as loudly as the tests that they serve"
)]

mod acks;
mod api_versions;
mod arbitrary;
mod cluster;
mod coordinator;
mod crafted;
mod drive;
mod endpoints;
mod first_bytes;
mod hostile;
mod lenient;
mod metadata;
mod mutations;
mod oracle;
mod port_map;
mod samples;
mod sasl;
mod seeds;
mod walkers;
