//! Where it was measured.

use std::fs;
use std::process::Command;

use serde::Serialize;

/// The machine, as far as it matters to the figures.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    pub kernel: String,
    pub processor: String,
    pub cpus: usize,
    pub memory_gib: f64,
    /// Runnable threads in the last minute, before the first round: above a few tenths somebody else was at work.
    pub load_before: f64,
    pub command: String,
    /// The tree that was measured.
    pub commit: String,
}

impl Machine {
    pub fn look() -> Self {
        Machine {
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            processor: field("/proc/cpuinfo", "model name"),
            cpus: crate::process::cpus().len(),
            memory_gib: kilobytes(&field("/proc/meminfo", "MemTotal")) / f64::from(1 << 20),
            load_before: load(),
            command: command(),
            commit: commit(),
        }
    }
}

/// The load average of the last minute.
pub fn load() -> f64 {
    let text = read("/proc/loadavg");
    let first = text.split_whitespace().next();
    first.and_then(|load| load.parse().ok()).unwrap_or(f64::NAN)
}

fn command() -> String {
    let arguments = std::env::args().skip(1).filter(|one| one != "--bench");
    let quoted = arguments.map(|one| match one.contains(' ') {
        true => format!("'{one}'"),
        false => one,
    });
    let arguments: Vec<String> = quoted.collect();
    match arguments.is_empty() {
        true => "cargo bench --bench throughput".to_owned(),
        false => format!("cargo bench --bench throughput -- {}", arguments.join(" ")),
    }
}

fn commit() -> String {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_default()
}

fn field(file: &str, name: &str) -> String {
    let text = read(file);
    let mut lines = text.lines();
    let value = lines.find_map(|line| {
        let rest = line.strip_prefix(name)?.trim_start();
        Some(rest.strip_prefix(':')?.trim().to_owned())
    });
    value.unwrap_or_else(|| "unknown".to_owned())
}

fn kilobytes(value: &str) -> f64 {
    let number = value.trim_end_matches(" kB").parse();
    number.unwrap_or(f64::NAN)
}

fn read(file: &str) -> String {
    fs::read_to_string(file).unwrap_or_default()
}
