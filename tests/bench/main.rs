//! `portolan bench` against scripted brokers: what it sends, what it tells, how it fails, and that it cleans up.

#![allow(
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

#[path = "../common/mod.rs"]
mod common;

mod arguments;
mod endings;
mod faults;
mod load;
mod mock;
mod progress;
mod reports;
mod sasl;
mod state;
mod tls;

use std::process::Command;

use common::command::portolan;
pub use common::command::{Outcome, Running, finish};
use serde_json::Value;

/// `portolan bench` with these arguments and without any variable of ours in its environment.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = portolan(["bench"]);
    command.args(arguments);
    command
}

/// A short run: one round of a fifth of a second, two connections, two partitions.
pub fn short(server: &str, more: &[&str]) -> Command {
    let mut command = command(&[server]);
    let mut defaults = vec![
        ("--duration", "200ms"),
        ("--rounds", "1"),
        ("--connections", "2"),
        ("--partitions", "2"),
        ("--batch-size", "2KiB"),
        ("--record-size", "500"),
        ("--fetch-size", "8KiB"),
        ("--timeout", "20s"),
    ];
    defaults.retain(|(flag, _)| !more.contains(flag));
    for (flag, value) in defaults {
        command.args([flag, value]);
    }
    command.args(more);
    command
}

/// A run whose result is JSON.
pub fn json(command: &mut Command) -> Value {
    let outcome = finish(command.args(["--output", "json"]));
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(outcome.stderr, "");
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {outcome:?}"))
}
