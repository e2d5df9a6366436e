//! What can be seen only from a network of one's own: public addresses, private ones, a machine that is not this one. Each test runs
//! itself again in namespaces that it makes, where the loopback interface has these addresses and `/etc/hosts` these lines.

use std::fs;
use std::process::Command;

use crate::cluster::Cluster;
use crate::common::proxy::Proxy;
use crate::common::tools;
use crate::{command, finish, look};

/// Set within.
const INSIDE: &str = "PORTOLAN_TEST_NETWORK";

/// Runs `body` inside; `name` is the test's own.
fn inside(name: &str, addresses: &[&str], hosts: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    if !tools::available(&["unshare", "ip", "mount"]) {
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("hosts");
    fs::write(&file, format!("127.0.0.1 localhost\n{hosts}")).expect("it is ours");
    let mut script = "set -e; mount --bind \"$1\" /etc/hosts; ip link set lo up; ".to_owned();
    for address in addresses {
        script += &format!("ip address add {address}/32 dev lo; ");
    }
    script += "shift; exec \"$@\"";
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--mount", "sh", "-c"])
        .arg(script)
        .arg("sh")
        .arg(file)
        .arg(std::env::current_exe().expect("this binary"))
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("unshare runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    assert!(
        text.contains("1 passed"),
        "{name} is not this test's name: {text}{errors}"
    );
}

#[test]
fn loopback_is_told_where_the_bootstrap_is_elsewhere() {
    let name = "networks::loopback_is_told_where_the_bootstrap_is_elsewhere";
    inside(name, &["203.0.113.7"], "127.0.0.1 vm\n", || {
        for host in ["localhost", "127.0.0.1", "vm"] {
            let cluster = Cluster::start_at("203.0.113.7", "0.0.0.0", &[0, 1]);
            let (_, port) = cluster.told(1);
            cluster.state().brokers.insert(1, (host.into(), port));
            let report = look(&cluster.target(), &[]).faulty();
            let finding = report.provokes(
                "advertised-loopback",
                Some(1),
                "set advertised.listeners of node 1 to a name that clients can reach; with Portolan set advertised_host",
            );
            let seen = format!("it is advertised as {host}:{port}, and the bootstrap is elsewhere");
            assert_eq!(finding["seen"], seen);
            assert_eq!(cluster.connections(1), 0);
            assert_eq!(report.node(0)["identity"], "proven");
        }
    });
}

#[test]
fn a_private_address_behind_a_public_bootstrap_is_a_warning() {
    let name = "networks::a_private_address_behind_a_public_bootstrap_is_a_warning";
    inside(
        name,
        &["203.0.113.7", "10.1.2.3"],
        "10.1.2.3 broker.example.com\n",
        || {
            for host in ["10.1.2.3", "broker.example.com"] {
                let cluster = Cluster::start_at("203.0.113.7", "0.0.0.0", &[0, 1]);
                let (_, port) = cluster.told(1);
                cluster.state().brokers.insert(1, (host.into(), port));
                let report = look(&cluster.target(), &[]).fine();
                assert_eq!(report.codes(), ["private-address"]);
                let finding =
                    report.provokes("private-address", Some(1), "fine if all clients are inside");
                assert_eq!(finding["severity"], "warning");
                assert_eq!(report.node(1)["identity"], "proven");
            }
        },
    );
}

#[test]
fn one_bad_address_of_several_is_a_warning() {
    let name = "networks::one_bad_address_of_several_is_a_warning";
    let hosts = "203.0.113.7 broker.example.com\n203.0.113.8 broker.example.com\n";
    inside(name, &["203.0.113.7", "203.0.113.8"], hosts, || {
        let cluster = Cluster::start_at("203.0.113.7", "203.0.113.7", &[0, 1]);
        let (_, port) = cluster.told(1);
        cluster
            .state()
            .brokers
            .insert(1, ("broker.example.com".into(), port));
        let report = look(&cluster.target(), &[]).fine();
        assert_eq!(report.codes(), ["address-unreachable"]);
        let finding = report.provokes(
            "address-unreachable",
            Some(1),
            "remove the address from the DNS record of broker.example.com, or make node 1 listen there too",
        );
        assert_eq!(
            finding["seen"],
            format!("203.0.113.8:{port}: connection refused")
        );
        assert_eq!(report.node(1)["resolved"].as_array().map(Vec::len), Some(2));
    });
}

#[test]
fn the_example_in_the_readme_is_what_is_printed() {
    let name = "networks::the_example_in_the_readme_is_what_is_printed";
    inside(
        name,
        &["203.0.113.7"],
        "203.0.113.7 kafka.example.com\n",
        || {
            let mut cluster = Cluster::start(&[0, 1, 2, 3]);
            let mut config = format!(
                "[clusters.main]\nlisten_address = \"203.0.113.7\"\nbootstrap_servers = [\"{}\"]\nadvertised_host = \"kafka.example.com\"\n",
                cluster.target()
            );
            // Node 3 is not in the map.
            for id in 0..3 {
                let (port, address) = (9093 + id, cluster.address(id));
                config += &format!(
                    "[[clusters.main.nodes]]\nids = \"{id}\"\nport = {port}\naddress = \"{address}\"\n"
                );
            }
            cluster.stop(1);
            let _proxy = Proxy::start(&config);
            let outcome = finish(&mut command(&["kafka.example.com:9092"]));
            assert_eq!(
                (outcome.code, outcome.stderr.as_str()),
                (Some(1), ""),
                "{outcome:?}"
            );
            let readme = include_str!("../../README.md");
            let example = format!(
                "```\n$ portolan check kafka.example.com:9092\n{}```\n",
                outcome.stdout
            );
            assert!(readme.contains(&example), "README lacks this:\n{example}");
        },
    );
}
