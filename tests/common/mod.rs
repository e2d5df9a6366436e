//! What the test binaries share: the proxy as a child process, and the peers around it.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses another part of this module"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

pub mod broker;
pub mod cache;
pub mod certificates;
pub mod client;
pub mod command;
pub mod container;
pub mod dns;
pub mod frames;
pub mod from_service;
pub mod haproxy;
pub mod helm;
pub mod image;
pub mod kubelet;
pub mod mount;
pub mod objects;
pub mod proxy;
pub mod python;
pub mod received;
pub mod rendered;
pub mod seccomp;
pub mod secure;
pub mod tls_client;
pub mod toolbox;
pub mod tools;
pub mod wire;
