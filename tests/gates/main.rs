//! Gates on the cost of the data path that do not depend on the clock: system calls, bytes copied, memory.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod load;
mod memory;
mod spliced;
mod strace;
mod system_calls;

#[path = "../common/mod.rs"]
mod common;
#[allow(
    dead_code,
    unreachable_pub,
    reason = "shared with the throughput benchmark, which needs more of it"
)]
#[path = "../../benches/throughput/parse.rs"]
mod parse;
#[allow(dead_code, reason = "what the tests of behaviour need besides")]
#[path = "../proxy/setup.rs"]
mod setup;
