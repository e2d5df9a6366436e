//! The proxy between scripted peers: a raw client in front, a scripted broker behind, and every way in which they misbehave.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod acks;
mod admin;
mod age;
mod api_versions;
mod apis;
mod bootstrap;
mod closing;
mod crowd;
mod descriptors;
mod dns;
mod drain;
mod endpoints;
mod fairness;
mod first_bytes;
mod foreign;
mod garbage;
mod haproxy;
mod headers;
mod health;
mod lame_duck;
mod large;
mod late;
mod latency;
mod leaks;
mod learned;
mod limits;
mod log_level;
mod metrics;
mod order;
mod ports;
mod process;
mod proxy_protocol;
mod reload;
mod sasl;
mod scrape;
mod setup;
mod sizes;
mod status;
mod streaming;
mod time;
mod tls;
mod tls_limits;
mod turns;
mod unanswered;
mod visitors;

#[path = "../common/mod.rs"]
mod common;
