//! The container image in front of a real cluster, as unprivileged as Kubernetes can make it, and with little memory.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};

use crate::client::Program;
use crate::cluster::{self, Cluster, Listener};
use crate::common::container::{Container, MEMORY};
use crate::common::image;
use crate::common::proxy::Proxy;
use crate::front::{Front, NAME, Options};
use crate::round_trip::round_trip_through;
use crate::toolchain::KAFKA_4;

/// At least so many bytes go each way.
const MEGABYTES: f64 = 8e6;

#[test]
fn the_image_serves_real_clients_without_any_right_and_drains() {
    let Some(cluster) = cluster::newest() else {
        return;
    };
    let Some(image) = image::built() else { return };
    let hosts = cluster.hosts_file();
    let directories = [hosts.parent().expect("it lies in a directory")];
    let arguments = ["run", "--config", "-"];
    let Some(container) = Container::new(image, &arguments, &directories) else {
        return;
    };
    let mut front = front(cluster, &container);
    round_trip_through(
        &front,
        &Program::java(KAFKA_4),
        None,
        "through-the-container",
    );
    bench(&front);
    for direction in ["request", "response"] {
        let series =
            format!("portolan_bytes_total{{cluster=\"{NAME}\",direction=\"{direction}\"}}");
        let bytes = front.proxy.metric(&series);
        assert!(bytes > MEGABYTES, "{direction}: {bytes}");
    }
    check(&container, &front, cluster.ids());
    look_at_memory(&container, &front);
    front.assert_no_leak();
    front.assert_understood();
    front.proxy.terminate();
    let status = front.proxy.wait();
    assert_eq!(status.code(), Some(0), "{}", front.proxy.log_text());
    assert!(front.proxy.log_has("drained"), "{}", front.proxy.log_text());
}

fn front(cluster: &Cluster, container: &Container) -> Front {
    let start = |config: &str| Proxy::start_by(&container.line(), config);
    let ids = cluster.ids();
    Front::by(start, cluster, Listener::Plaintext, ids, Options::default())
}

/// Large batches there and back, until some megabytes have gone each way.
fn bench(front: &Front) {
    let output = Command::new(env!("CARGO_BIN_EXE_portolan"))
        .args(["bench", &front.bootstrap(), "--output", "json"])
        .args([
            "--workload",
            "produce,fetch",
            "--rounds",
            "1",
            "--duration",
            "3s",
        ])
        .args(["--batch-size", "64KiB", "--fetch-size", "256KiB"])
        .output()
        .expect("the portolan binary runs");
    assert!(output.status.success(), "{output:?}");
    let result: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for workload in result["workloads"].as_array().expect("a list") {
        assert_eq!(workload["proxied"]["errors"], json!({}), "{workload}");
        assert!(
            workload["proxied"]["requests"].as_u64() > Some(0),
            "{workload}"
        );
    }
}

/// The command that a Helm test runs, inside of the container: all is in order.
fn check(container: &Container, front: &Front, ids: &[i32]) {
    let server = front.bootstrap();
    let output = container.exec(&["check", "--output", "json", "--timeout", "20s", &server]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["findings"], json!([]), "{report:#}");
    let nodes = report["nodes"].as_array().expect("a list").iter();
    let nodes: BTreeSet<i64> = nodes.filter_map(|node| node["node"].as_i64()).collect();
    let expected = ids.iter().map(|&id| i64::from(id)).collect();
    assert_eq!(nodes, expected, "{report:#}");
}

/// It never came near its limit, or the kernel would have taken it away.
fn look_at_memory(container: &Container, front: &Front) {
    let resident = front.proxy.resident_bytes();
    eprintln!("{resident} bytes are resident");
    assert!(resident < MEMORY / 2, "{resident}");
    if container.limited {
        let usage = container.usage();
        assert_eq!(
            usage["data"]["memory"]["usage"]["limit"], MEMORY,
            "{usage:#}"
        );
    }
}
