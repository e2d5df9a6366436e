//! `portolan bench` against real brokers, through the proxy and past it.

use std::process::Command;

use serde_json::Value;

use crate::admin::patiently;
use crate::cluster::{self, Cluster, Listener, USER};
use crate::front::Front;

/// Runs it with JSON as its output, and fails unless it went well and left no topic.
fn bench(cluster: &Cluster, arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_portolan"))
        // The tap looks at every byte for internal names: not too many of them.
        .args([
            "bench",
            "--output",
            "json",
            "--duration",
            "1s",
            "--fetch-size",
            "64KiB",
        ])
        .args(arguments)
        .env("PORTOLAN_SASL_PASSWORD", USER.1)
        .output()
        .expect("the portolan binary runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    assert_eq!(stderr, "", "{arguments:?}");
    // Deletion is the controller's; the other nodes hear of it.
    for &id in cluster.ids() {
        patiently("no topic of bench is left", || {
            let metadata = cluster.metadata(id).expect("it answers");
            let mut topics = metadata
                .topics
                .iter()
                .filter_map(|topic| topic.name.as_ref());
            topics.all(|topic| !topic.starts_with("portolan-bench-"))
        });
    }
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn assert_all_answered(result: &Value, sides: &[&str]) {
    let workloads = result["workloads"].as_array().expect("a list");
    assert!(!workloads.is_empty());
    for workload in workloads {
        for side in sides {
            let figures = &workload[side];
            assert!(figures["requests"].as_u64() > Some(0), "{workload}");
            assert_eq!(figures["errors"], serde_json::json!({}), "{workload}");
        }
    }
}

#[test]
fn bench_compares_the_proxy_with_the_brokers_at_all_acks() {
    for cluster in [cluster::newest(), cluster::previous()]
        .into_iter()
        .flatten()
    {
        let front = Front::start(cluster, Listener::Plaintext);
        let (server, direct) = (front.bootstrap(), cluster.direct(cluster.ids()[0]));
        // The load of all kinds once, and the two other kinds of acks beside it.
        let all = ["produce", "fetch", "ping"];
        for (acks, workloads) in [("all", &all[..]), ("1", &all[..1]), ("0", &all[..1])] {
            let result = bench(
                cluster,
                &[
                    &server,
                    "--direct",
                    &direct.to_string(),
                    "--rounds",
                    "1",
                    "--acks",
                    acks,
                    "--workload",
                    &workloads.join(","),
                ],
            );
            assert_all_answered(&result, &["proxied", "direct"]);
            let names = result["workloads"].as_array().expect("a list").iter();
            let names: Vec<&Value> = names.map(|workload| &workload["workload"]).collect();
            assert_eq!(names, workloads);
        }
        // Each node was reached by the address that the proxy told.
        for &id in cluster.ids() {
            assert!(front.connections_to(id) > 0.0, "{id}");
        }
        front.assert_no_leak();
        front.assert_understood();
    }
}

#[test]
fn bench_authenticates_by_plain_and_scram() {
    let Some(cluster) = cluster::newest() else {
        return;
    };
    let front = Front::start(cluster, Listener::Sasl);
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let server = front.bootstrap();
        let result = bench(
            cluster,
            &[
                &server,
                "--rounds",
                "1",
                "--sasl-mechanism",
                mechanism,
                "--sasl-username",
                USER.0,
                "--workload",
                "produce,fetch",
                "--rate",
                "50/s",
            ],
        );
        assert_all_answered(&result, &["proxied"]);
        let produce = &result["workloads"][0]["proxied"];
        let all = [&produce["requests"], &produce["unsent"]].map(Value::as_u64);
        assert_eq!(
            all[0].zip(all[1]).map(|(sent, unsent)| sent + unsent),
            Some(50)
        );
    }
    front.assert_no_leak();
    front.assert_understood();
}
