//! What only the newest Java client can do, with nothing but `bootstrap.servers`, against the newest brokers.

use serde_json::{Value, json};

use crate::client::Program;
use crate::cluster::{self, Listener};
use crate::front::Front;
use crate::toolchain::KAFKA_4;

/// Runs a scenario through a proxy of its own; `None`: tools are missing.
fn run(scenario: &str) -> Option<(Value, Front)> {
    let cluster = cluster::newest()?;
    let front = Front::start(cluster, Listener::Plaintext);
    let result = Program::java(KAFKA_4).run(scenario, &front, scenario, None);
    front.assert_no_leak();
    front.proxy.assert_calm();
    Some((result, front))
}

#[test]
fn transactions_are_committed_and_aborted() {
    let Some((result, _)) = run("transactions") else {
        return;
    };
    assert_eq!(
        result,
        json!({"committed": 200, "uncommitted": 300, "offset": 7})
    );
}
