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

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Instant;

use common::proxy::PATIENCE;
use serde_json::Value;

/// What a run left behind.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code.
    pub code: Option<i32>,
    /// The results.
    pub stdout: String,
    /// Everything else.
    pub stderr: String,
}

/// `portolan bench` with these arguments and without any variable of ours in its environment.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portolan"));
    command.arg("bench").args(arguments);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PORTOLAN_") {
            command.env_remove(name);
        }
    }
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

/// Runs to the end.
pub fn finish(command: &mut Command) -> Outcome {
    Running::start(command).finish()
}

/// A run whose result is JSON.
pub fn json(command: &mut Command) -> Value {
    let outcome = finish(command.args(["--output", "json"]));
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(outcome.stderr, "");
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {outcome:?}"))
}

/// A run that goes on.
pub struct Running {
    child: Child,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
}

impl Running {
    /// Starts it.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the portolan binary runs");
        let stdout = child.stdout.take().map(collect);
        let stderr = child.stderr.take().map(collect);
        Running {
            child,
            stdout,
            stderr,
        }
    }

    /// The process.
    pub fn child(&self) -> &Child {
        &self.child
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Outcome {
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                break status;
            }
            assert!(begin.elapsed() < PATIENCE, "bench does not end");
            std::thread::sleep(std::time::Duration::from_millis(2));
        };
        let text = |reader: Option<JoinHandle<String>>| {
            let reader = reader.expect("it is piped");
            reader.join().expect("it was read")
        };
        Outcome {
            code: status.code(),
            stdout: text(self.stdout.take()),
            stderr: text(self.stderr.take()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(mut stream: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("it is text");
        text
    })
}
