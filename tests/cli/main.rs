//! The command line as a user meets it: exit codes, streams, help, flags, environment, signals.

#![allow(
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

#[path = "../common/mod.rs"]
mod common;

mod certificates;
mod colour;
mod config;
mod flags;
mod help;
mod manual;
mod map;
mod notes;
mod service;
mod serving;
mod version;

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::proxy::PATIENCE;

/// A configuration that is accepted, with the ports 9092 to 9095.
pub const GOOD: &str = "\
[clusters.main]
bootstrap_servers = [\"kafka:9092\"]
advertised_host = \"kafka.example.com\"
[[clusters.main.nodes]]
ids = \"0-2\"
port = 9093
address = \"kafka-{node_id}.kafka:9092\"
";

/// What a command left behind.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// The results.
    pub stdout: String,
    /// Everything else.
    pub stderr: String,
}

/// The program with these arguments and without any variable of ours in its environment.
pub fn portolan<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portolan"));
    command.args(arguments);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PORTOLAN_") {
            command.env_remove(name);
        }
    }
    command.env_remove("NO_COLOR");
    command
}

/// Runs a command to its end with nothing to read.
pub fn run<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Outcome {
    finish(&mut portolan(arguments), "")
}

/// Runs a command to its end with text on its standard input.
pub fn finish(command: &mut Command, stdin: &str) -> Outcome {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the portolan binary runs");
    let mut input = child.stdin.take().expect("stdin is piped");
    // A command that does not read its input may be gone already.
    let _ = input.write_all(stdin.as_bytes());
    drop(input);
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let code = wait(&mut child);
    Outcome {
        code,
        stdout: stdout.join().expect("it was read"),
        stderr: stderr.join().expect("it was read"),
    }
}

/// Reads a stream to its end, beside whatever else is done.
pub fn collect(stream: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    let mut stream = stream.expect("it is piped");
    std::thread::spawn(move || {
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("it is text");
        text
    })
}

/// Waits for the end of a process, and kills it where that does not come.
pub fn wait(child: &mut Child) -> Option<i32> {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return status.code();
        }
        if begin.elapsed() > PATIENCE {
            child.kill().expect("it can be killed");
            panic!("the command does not end");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A file with a text.
pub fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("it is written");
    file
}

/// The path of a file as an argument.
pub fn path(file: &tempfile::NamedTempFile) -> &str {
    file.path().to_str().expect("a path of plain characters")
}
