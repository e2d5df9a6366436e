//! Ports: what is none, what overlaps on this machine, what overlaps in the eyes of clients.

use portolan::config::{Config, ParseOptions};

use crate::{LEAST, config, least_with, refused};

/// Another cluster that shares nothing with the least one but what `lines` say.
fn with_other(lines: &str, first: u16) -> String {
    let keys = if lines.contains("advertised_host") {
        ""
    } else {
        "advertised_host = \"other.example.com\"\n"
    };
    format!(
        "{LEAST}[clusters.other]\nbootstrap_servers = [\"kafka:9092\"]\n{keys}{lines}\n\
         [[clusters.other.nodes]]\nids = \"0-2\"\nport = {first}\n"
    )
}

#[test]
fn what_is_no_port_is_refused() {
    for (port, words) in [
        (
            "65536",
            "65536 is no port\n    write a port from 1 to 65535",
        ),
        ("-1", "-1 is no port\n    write a port from 1 to 65535"),
        (
            "0",
            "port 0 would be another port after each start\n    write a port from 1 to 65535",
        ),
        (
            "\"9092\"",
            "a string where a port number is wanted\n    write it like 9092, without quotes",
        ),
        (
            "9092.0",
            "a number with a fraction where a port number is wanted\n    write it like 9092, without quotes",
        ),
    ] {
        for (key, path, line) in [
            ("bootstrap_port", "clusters.main.bootstrap_port", 2),
            (
                "bootstrap_advertised_port",
                "clusters.main.bootstrap_advertised_port",
                2,
            ),
            ("port", "clusters.main.nodes[0].port", 6),
        ] {
            assert_eq!(
                refused(&least_with(&format!("{key} = {port}"))),
                format!("line {line}: {path}: {words}")
            );
        }
    }
}

#[test]
fn port_0_is_for_tests_and_may_repeat() {
    let text = LEAST
        .replace("9093", "0")
        .replace("[[", "bootstrap_port = 0\n[[")
        + "[admin]\nlisten = \"127.0.0.1:0\"\n";
    assert_eq!(refused(&text).matches("port 0 would be").count(), 3);
    let options = ParseOptions {
        allow_port_zero: true,
    };
    let config = Config::from_toml(&text, &options).expect("it is accepted");
    assert!(
        config.clusters["main"]
            .ports
            .as_ref()
            .unwrap()
            .nodes()
            .all(|(_, port)| port.bound == 0)
    );
}

#[test]
fn a_range_may_end_at_the_last_port_and_not_beyond() {
    config(&least_with("port = 65533"));
    assert_eq!(
        refused(&least_with("port = 65534")),
        "line 6: clusters.main.nodes[0].port: 3 ids from port 65534 on run past port 65535\n    \
         choose a lower port, or fewer ids"
    );
    assert_eq!(
        refused(&least_with("port = 9093\nadvertised_port = 65535")),
        "line 7: clusters.main.nodes[0].advertised_port: 3 ids from port 65535 on run past port 65535\n    \
         choose a lower port, or fewer ids"
    );
}

#[test]
fn a_node_must_not_have_the_bootstrap_port() {
    assert_eq!(
        refused(&least_with("port = 9090")),
        "line 6: clusters.main.nodes[0].port: port 9092 is taken by clusters.main.bootstrap_port\n    \
         choose a port from which on 3 ports are free"
    );
}

#[test]
fn entries_of_a_cluster_must_not_overlap() {
    let text = format!("{LEAST}[[clusters.main.nodes]]\nids = \"3-9\"\nport = 9094\n");
    assert_eq!(
        refused(&text),
        "line 9: clusters.main.nodes[1].port: ports 9094 to 9095 are taken by clusters.main.nodes[0].port\n    \
         choose a port from which on 7 ports are free"
    );
}

#[test]
fn clusters_must_not_overlap() {
    // A default that overlaps has no line of its own, so the cluster's is given.
    assert_eq!(
        refused(&with_other("", 9095)),
        "line 7: clusters.other.bootstrap_port: port 9092 is taken by clusters.main.bootstrap_port\n    \
         choose another port\n\
         line 13: clusters.other.nodes[0].port: port 9095 is taken by clusters.main.nodes[0].port\n    \
         choose a port from which on 3 ports are free"
    );
    config(&with_other("bootstrap_port = 9192", 9193));
}

#[test]
fn the_admin_listener_must_not_overlap() {
    let text = format!("{LEAST}[admin]\nlisten = \"127.0.0.1:9093\"\n");
    assert_eq!(
        refused(&text),
        "line 6: clusters.main.nodes[0].port: port 9093 is taken by admin.listen\n    \
         choose a port from which on 3 ports are free"
    );
    assert_eq!(
        refused(&least_with("bootstrap_port = 9644")),
        "line 2: clusters.main.bootstrap_port: port 9644 is taken by admin.listen\n    \
         choose another port"
    );
    config(&format!("{LEAST}[admin]\nlisten = \"\"\n").replace("9093", "9644"));
}

#[test]
fn the_same_port_on_another_address_is_another_port() {
    let main = LEAST.replace("[[", "listen_address = \"127.0.0.2\"\n[[");
    let other = |address: &str| {
        let text = with_other(&format!("listen_address = \"{address}\""), 9093);
        text.replace(LEAST, &main)
    };
    config(&other("127.0.0.3"));
    config(&other("::1"));
    for overlapping in ["127.0.0.2", "0.0.0.0", "::", "[::]", "::ffff:127.0.0.2"] {
        let words = refused(&other(overlapping));
        assert!(
            words.contains("port 9092 is taken"),
            "{overlapping}: {words}"
        );
        assert!(
            words.contains("ports 9093 to 9095 are taken"),
            "{overlapping}: {words}"
        );
    }
}

#[test]
fn all_addresses_of_one_family_leave_the_other_family_alone() {
    config(&with_other("listen_address = \"::1\"", 9093));
}

#[test]
fn two_entries_must_not_be_advertised_at_the_same_port() {
    let second = "[[clusters.main.nodes]]\nids = \"3\"\nport = 9200\nadvertised_port = 9094\n";
    assert_eq!(
        refused(&format!("{LEAST}{second}")),
        "line 10: clusters.main.nodes[1].advertised_port: port 9094 is advertised at kafka.example.com by \
         clusters.main.nodes[0].port already\n    \
         choose another port"
    );
}

#[test]
fn a_bound_port_that_another_entry_is_advertised_at_is_refused_too() {
    let text = least_with("port = 9193\nadvertised_port = 9093")
        + "[[clusters.main.nodes]]\nids = \"3\"\nport = 9093\n";
    assert_eq!(
        refused(&text),
        "line 10: clusters.main.nodes[1].port: port 9093 is advertised at kafka.example.com by \
         clusters.main.nodes[0].advertised_port already\n    \
         choose another port"
    );
}

#[test]
fn two_clusters_must_not_be_advertised_at_the_same_host_and_port() {
    let keys = "advertised_host = \"Kafka.example.com\"\nbootstrap_port = 19092\nbootstrap_advertised_port = 9092";
    assert_eq!(
        refused(&with_other(keys, 19093)),
        "line 11: clusters.other.bootstrap_advertised_port: port 9092 is advertised at Kafka.example.com by \
         clusters.main.bootstrap_port already\n    \
         choose another port"
    );
    let elsewhere = keys.replace("Kafka.", "other.");
    config(&with_other(&elsewhere, 19093));
}

#[test]
fn advertised_ports_may_differ_from_bound_ones() {
    let text = least_with("port = 9093\nadvertised_port = 30000").replacen(
        '\n',
        "\nbootstrap_advertised_port = 443\n",
        1,
    );
    let config = config(&text);
    let ports = config.clusters["main"].ports.as_ref().unwrap();
    assert_eq!(
        (ports.bootstrap().bound, ports.bootstrap().advertised),
        (9092, 443)
    );
    let nodes: Vec<_> = ports
        .nodes()
        .map(|(_, port)| (port.bound, port.advertised))
        .collect();
    assert_eq!(nodes, [(9093, 30000), (9094, 30001), (9095, 30002)]);
}
