//! The proxy between scripted peers: a raw client in front, a scripted broker behind, and every way in which they misbehave.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod acks;
mod api_versions;
mod apis;
mod bootstrap;
mod dns;
mod endpoints;
mod first_bytes;
mod foreign;
mod leaks;
mod learned;
mod order;
mod sasl;
mod setup;
mod sizes;

#[path = "../common/mod.rs"]
mod common;
