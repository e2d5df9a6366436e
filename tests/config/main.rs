//! The configuration file: what is accepted, what is refused and with which words, what is so by default.

#![allow(
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod addresses;
mod arbitrary;
mod clients;
mod dialled;
mod documents;
mod full;
mod keys;
mod nodes;
mod ports;
mod show;
mod sni;
mod tls;
mod values;

use portolan::config::{Config, Fault, ParseOptions};

/// The least that is accepted.
pub const LEAST: &str = "\
[clusters.main]
bootstrap_servers = [\"kafka:9092\"]
advertised_host = \"kafka.example.com\"
[[clusters.main.nodes]]
ids = \"0-2\"
port = 9093
";

/// Reads text that must be accepted.
pub fn config(text: &str) -> Config {
    match Config::from_toml(text, &ParseOptions::default()) {
        Ok(config) => config,
        Err(faults) => panic!("refused:\n{faults}\n--- file ---\n{text}"),
    }
}

/// The words for text that must be refused.
pub fn refused(text: &str) -> String {
    match Config::from_toml(text, &ParseOptions::default()) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(faults) => {
            assert!(!faults.0.is_empty(), "no reason is given for:\n{text}");
            for Fault {
                problem, remedy, ..
            } in &faults.0
            {
                assert!(!problem.is_empty() && !remedy.is_empty(), "{faults}");
            }
            faults.to_string()
        }
    }
}

/// [`LEAST`] with one line replaced or, where no line begins like it, added to the cluster.
pub fn least_with(line: &str) -> String {
    let key = line.split(['=', ' ']).next().unwrap_or_default();
    let mut found = false;
    let mut out = String::new();
    for old in LEAST.lines() {
        let is_same = old.split(['=', ' ']).next() == Some(key);
        found |= is_same;
        out.push_str(if is_same { line } else { old });
        out.push('\n');
    }
    match found {
        true => out,
        false => LEAST.replacen("\n", &format!("\n{line}\n"), 1),
    }
}
