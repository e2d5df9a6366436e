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
mod first_bytes;
mod foreign;
mod order;
mod setup;
mod sizes;

#[path = "../common/mod.rs"]
mod common;
