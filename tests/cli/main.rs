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

use std::io::Write;

pub use common::command::{Outcome, collect, finish_reading as finish, portolan, wait};

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

/// Runs a command to its end with nothing to read.
pub fn run<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Outcome {
    finish(&mut portolan(arguments), "")
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
