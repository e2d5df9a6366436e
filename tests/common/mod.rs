//! What the test binaries share: the proxy as a child process, and the peers around it.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses another part of this module"
)]

pub mod proxy;
