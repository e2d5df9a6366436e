//! `portolan check` against scripted clusters: everything that it can find is provoked here, and told as promised.

#![allow(
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

#[path = "../common/mod.rs"]
mod common;

mod addresses;
mod answers;
mod brokers;
mod cluster;
mod complete;
mod identity;
mod networks;
mod output;
mod ports;
mod sasl;
mod state;
mod tls;
mod trust;
mod users;

use std::process::Command;

pub use common::command::finish;
use common::command::portolan;
use serde_json::Value;

/// `portolan check` with these arguments and without any variable of ours in its environment. No step takes long here, but where
/// that is what is tested.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = portolan(["check"]);
    command.args(arguments);
    if !arguments.contains(&"--timeout") {
        command.args(["--timeout", "20s"]);
    }
    command
}

/// What was found, as JSON.
#[derive(Debug)]
pub struct Report {
    /// The exit code.
    pub code: Option<i32>,
    /// All of it.
    pub json: Value,
}

/// Looks at a cluster.
pub fn look(target: &str, arguments: &[&str]) -> Report {
    let mut all = vec![target];
    all.extend(arguments);
    report(&mut command(&all))
}

/// Looks by this command.
pub fn report(command: &mut Command) -> Report {
    let outcome = finish(command.args(["--output", "json"]));
    assert_eq!(outcome.stderr, "", "{outcome:?}");
    let json: Value = serde_json::from_str(&outcome.stdout)
        .unwrap_or_else(|error| panic!("{error}: {outcome:?}"));
    let code = outcome.code;
    assert_eq!(
        json["ok"],
        Value::Bool(code == Some(0)),
        "{code:?} {json:#}"
    );
    Report { code, json }
}

impl Report {
    /// There is a cluster, and faults.
    pub fn faulty(self) -> Self {
        assert_eq!(self.code, Some(1), "{:#}", self.json);
        self
    }

    /// There was nothing to look at.
    pub fn blind(self) -> Self {
        assert_eq!(self.code, Some(2), "{:#}", self.json);
        assert_eq!(self.json["nodes"], Value::Array(Vec::new()));
        self
    }

    /// There is a cluster, without faults.
    pub fn fine(self) -> Self {
        assert_eq!(self.code, Some(0), "{:#}", self.json);
        self
    }

    /// All that was found, in their order.
    pub fn codes(&self) -> Vec<&str> {
        let findings = self.json["findings"].as_array().expect("an array");
        findings
            .iter()
            .map(|finding| finding["code"].as_str().expect("a code"))
            .collect()
    }

    /// This was found, at this node, once, with these words in what to do about it.
    pub fn provokes(&self, code: &str, node: Option<i32>, remedy: &str) -> &Value {
        let findings = self.json["findings"].as_array().expect("an array");
        let is_it =
            |finding: &&Value| finding["code"] == code && finding["node"] == Value::from(node);
        let found: Vec<&Value> = findings.iter().filter(is_it).collect();
        assert_eq!(found.len(), 1, "{code} at {node:?} in {:#}", self.json);
        for text in ["seen", "means", "remedy"] {
            let text = found[0][text].as_str().expect("a text");
            assert!(
                !text.is_empty() && !text.contains('\n') && !text.contains("{who"),
                "{text}"
            );
        }
        let told = found[0]["remedy"].as_str().expect("a text");
        assert!(told.contains(remedy), "{code}: {told}");
        found[0]
    }

    /// What is said of a node.
    pub fn node(&self, id: i32) -> &Value {
        let nodes = self.json["nodes"].as_array().expect("an array");
        let mut nodes = nodes.iter();
        nodes.find(|node| node["node"] == id).expect("the node")
    }
}
