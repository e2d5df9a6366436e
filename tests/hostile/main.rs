//! Hostile peers: what each kind of attack costs the proxy in memory and processor time, and what a client that behaves
//! notices of it.
//!
//! Each case is bounded in time, and judged by counts, by memory, and by whether everybody who behaved got all answers;
//! never by the clock, which is for the table alone. The cases run one after the other. By default they are small;
//! `PORTOLAN_HOSTILE=full` makes them as large as they are meant, and
//! `cargo test --release --test hostile -- --nocapture` shows the table.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod floods;
mod greedy;
mod handshakes;
mod silent;
mod slow;
mod stage;
mod watch;

#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code, reason = "what the tests of behaviour need besides")]
#[path = "../proxy/headers.rs"]
mod headers;
#[allow(dead_code, reason = "what the tests of behaviour need besides")]
#[path = "../proxy/setup.rs"]
mod setup;
