//! SNI mode: one port and a name for each node, alone and beside port mode.

use portolan::config::{Config, ParseOptions, VirtualCluster};
use portolan::port_map::{NodeId, Route};

use crate::{LEAST, config, least_with, refused};

/// SNI mode alone. The table of SNI is in lines 3 to 6.
const ALONE: &str = "\
[clusters.main]
bootstrap_servers = [\"kafka:9092\"]
[clusters.main.sni]
port = 9443
bootstrap_host = \"kafka.example.com\"
node_host = \"b-{node_id}.example.com\"
[clusters.main.tls]
certificate = \"tls.crt\"
key = \"tls.key\"
[[clusters.main.nodes]]
ids = \"0-2,1000\"
";

/// The same, beside ports.
fn both() -> String {
    let keys = "advertised_host = \"kafka.example.com\"\n[clusters.main.sni]";
    ALONE.replace("[clusters.main.sni]", keys) + "port = 9093\n"
}

fn main(text: &str) -> VirtualCluster {
    let mut config = config(text);
    config.clusters.remove("main").expect("it is there")
}

fn hosts(cluster: &VirtualCluster) -> Vec<(i32, String, u16)> {
    let ports = &cluster.sni.as_ref().expect("SNI mode is on").ports;
    let nodes = ports.nodes().map(|(id, _)| id);
    let told = nodes.map(|id| (id, ports.advertised(id).expect("it is in the map")));
    told.map(|(id, told)| (id.0, told.host.to_owned(), told.port))
        .collect()
}

#[test]
fn one_port_has_a_name_for_each_node() {
    let main = main(ALONE);
    assert_eq!(main.ports, None);
    assert_eq!(main.advertised_host, None);
    assert_eq!(
        hosts(&main),
        [0, 1, 2, 1000].map(|id| (id, format!("b-{id}.example.com"), 9443))
    );
    assert_eq!((main.nodes.len(), main.count_ports()), (4, 1));
    let entry = &main.entries[0];
    assert_eq!((entry.port, entry.advertised_port), (None, None));
    let ports = &main.sni.as_ref().expect("SNI mode is on").ports;
    assert_eq!(
        ports.route_of_name("kafka.example.com"),
        Some(Route::Bootstrap)
    );
    let node = Some(Route::Node(NodeId(1000)));
    assert_eq!(ports.route_of_name("B-1000.example.com"), node);
    assert_eq!(
        (ports.bootstrap().bound, ports.bootstrap().advertised),
        (9443, 9443)
    );
}

#[test]
fn the_port_that_clients_are_told_may_be_another() {
    let main = main(&ALONE.replace("port = 9443", "port = 9443\nadvertised_port = 443"));
    assert_eq!(hosts(&main)[3], (1000, "b-1000.example.com".into(), 443));
}

#[test]
fn ordinals_begin_anew_in_each_entry() {
    let ordinal = ALONE.replace("node_id", "ordinal");
    assert_eq!(
        hosts(&main(&ordinal))[3],
        (1000, "b-3.example.com".into(), 9443)
    );
    assert_eq!(
        refused(&format!(
            "{ordinal}[[clusters.main.nodes]]\nids = \"7-8\"\n"
        )),
        "line 6: clusters.main.sni.node_host: nodes 0 and 7 would have the same name, \"b-0.example.com\"\n    \
         put {node_id} into it, such as \"broker-{node_id}.kafka.example.com\""
    );
}

#[test]
fn both_modes_may_stand_side_by_side() {
    let main = main(&both());
    let ports = main.ports.as_ref().expect("port mode is on");
    let told = ports.advertised(NodeId(1000)).expect("it is in the map");
    assert_eq!((told.host, told.port), ("kafka.example.com", 9096));
    assert_eq!(main.count_ports(), 1 + 4 + 1);
    assert_eq!(hosts(&main)[3], (1000, "b-1000.example.com".into(), 9443));
}

#[test]
fn all_entries_have_a_port_or_none() {
    let more = "[[clusters.main.nodes]]\nids = \"7\"\n[[clusters.main.nodes]]\nids = \"8\"\n";
    let words = refused(&format!("{}{more}", both()));
    assert_eq!(
        words,
        "line 14: clusters.main.nodes[1].port: missing, and other entries have one\n    \
         add: port = 9093, or take it out of all entries\n\
         line 16: clusters.main.nodes[2].port: missing, and other entries have one\n    \
         add: port = 9093, or take it out of all entries"
    );
    assert_eq!(
        refused(&format!("{LEAST}[[clusters.main.nodes]]\nids = \"7\"\n")),
        "line 7: clusters.main.nodes[1].port: missing, and other entries have one\n    add: port = 9093"
    );
}

#[test]
fn what_belongs_to_port_mode_has_no_effect_without_it() {
    for (key, told) in [
        (
            "advertised_host = \"kafka.example.com\"",
            "clients are told sni.node_host",
        ),
        ("advertise = \"dialled\"", "clients are told sni.node_host"),
        ("bootstrap_port = 9092", "clients come to sni.port"),
        (
            "bootstrap_advertised_port = 9092",
            "clients come to sni.port",
        ),
    ] {
        let text = ALONE.replacen('\n', &format!("\n{key}\n"), 1);
        let name = key.split(' ').next().unwrap_or_default();
        assert_eq!(
            refused(&text),
            format!(
                "line 2: clusters.main.{name}: it has no effect: no node has a port, and {told}\n    \
                 take it out, or give the nodes a port"
            )
        );
    }
    assert_eq!(
        refused(&format!("{ALONE}advertised_port = 9093\n")),
        "line 12: clusters.main.nodes[0].advertised_port: it has no effect: no node has a port, and clients are told \
         sni.advertised_port\n    take it out, or give the nodes a port"
    );
    config(&ALONE.replacen('\n', "\nadvertise = \"configured\"\n", 1));
}

#[test]
fn without_tls_there_is_no_server_name() {
    let text = ALONE.replace(
        "[clusters.main.tls]\ncertificate = \"tls.crt\"\nkey = \"tls.key\"\n",
        "",
    );
    assert_eq!(
        refused(&text),
        "line 3: clusters.main.sni: clients have no TLS, and without it they send no server name\n    \
         add:\n    [clusters.main.tls]\n    certificate = \"tls.crt\"\n    key = \"tls.key\""
    );
}

#[test]
fn port_and_names_must_be_given() {
    let text = ALONE
        .replace("port = 9443\n", "")
        .replace("bootstrap_host", "#")
        .replace("node_host", "#");
    assert_eq!(
        refused(&text),
        "line 3: clusters.main.sni.port: missing\n    add: port = 9092\n\
         line 3: clusters.main.sni.bootstrap_host: missing\n    add: bootstrap_host = \"kafka.example.com\"\n\
         line 3: clusters.main.sni.node_host: missing\n    add: node_host = \"broker-{node_id}.kafka.example.com\""
    );
    let head = ALONE.split("[[").next().unwrap_or_default();
    assert_eq!(
        refused(head),
        "line 1: clusters.main.nodes: missing: there is no node\n    add:\n    [[clusters.main.nodes]]\n    ids = \"0-9\""
    );
    assert_eq!(
        refused(&least_with("sni = 9443")).lines().next(),
        Some(
            "line 2: clusters.main.sni: clients have no TLS, and without it they send no server name"
        )
    );
}

#[test]
fn names_are_host_names_and_differ() {
    let with = |key: &str, value: &str| {
        let lines = ALONE.lines().map(|line| match line.starts_with(key) {
            true => format!("{key} = \"{value}\"\n"),
            false => format!("{line}\n"),
        });
        refused(&lines.collect::<String>())
    };
    for (host, words) in [
        (
            "",
            "it is empty\n    write a host name, such as \"kafka.example.com\"",
        ),
        (
            "192.0.2.7",
            "\"192.0.2.7\" is an IP address, and TLS server names never are\n    \
             write a host name, such as \"kafka.example.com\"",
        ),
        (
            "kafka.example.com:9443",
            "\"kafka.example.com:9443\" has a port\n    write \"kafka.example.com\" alone",
        ),
        (
            "https://kafka.example.com",
            "\"https://kafka.example.com\" is a URL\n    write the host name alone, such as \"kafka.example.com\"",
        ),
        (
            "kafka.example.com.",
            "\"kafka.example.com.\" ends in a dot, and TLS server names never do\n    write \"kafka.example.com\"",
        ),
        (
            "*.example.com",
            "'*' does not belong into a host name\n    \
             host names have letters, digits, hyphens and dots, at most 253 characters, and 63 between two dots",
        ),
    ] {
        let head = "line 5: clusters.main.sni.bootstrap_host: ";
        assert_eq!(with("bootstrap_host", host), format!("{head}{words}"));
    }
    for (host, words) in [
        (
            "b.example.com",
            "4 nodes would have the same name\n    put {node_id} into it, such as \"broker-{node_id}.kafka.example.com\"",
        ),
        (
            "b-{id}.example.com",
            "\"{id}\" is no placeholder\n    write {node_id}, or {ordinal}, which is 0 for the first id of the entry",
        ),
        (
            "10.0.0.{node_id}",
            "for node 0 \"10.0.0.0\" is an IP address, and TLS server names never are\n    \
             write a host name, such as \"kafka.example.com\"",
        ),
    ] {
        assert_eq!(
            with("node_host", host),
            format!("line 6: clusters.main.sni.node_host: {words}")
        );
    }
    assert_eq!(
        with("bootstrap_host", "B-2.example.com"),
        "line 6: clusters.main.sni.node_host: node-2 would have the name of bootstrap_host, \"b-2.example.com\"\n    \
         write other names, such as \"broker-{node_id}.kafka.example.com\""
    );
    // With one node there is nothing to tell apart.
    config(&ALONE.replace("0-2,1000", "7").replace("b-{node_id}", "b"));
}

#[test]
fn a_name_that_fits_some_nodes_only_is_refused_with_the_node() {
    let label = "x".repeat(62);
    let text = ALONE.replace("b-{node_id}", &format!("{label}{{node_id}}"));
    config(&text.replace(",1000", ""));
    assert_eq!(
        refused(&text),
        "line 6: clusters.main.sni.node_host: for node 1000 the host name is too long\n    \
         host names have letters, digits, hyphens and dots, at most 253 characters, and 63 between two dots"
    );
}

#[test]
fn its_port_is_taken_like_any_other() {
    assert_eq!(
        refused(&both().replace("9443", "9094")),
        "line 5: clusters.main.sni.port: port 9094 is taken by clusters.main.nodes[0].port\n    choose another port"
    );
    assert_eq!(
        refused(&ALONE.replace("9443", "9644")),
        "line 4: clusters.main.sni.port: port 9644 is taken by admin.listen\n    choose another port"
    );
    let other = ALONE.replace("clusters.main", "clusters.other");
    let apart = other.replace("example.com", "example.org");
    assert_eq!(
        refused(&format!("{ALONE}{apart}")),
        "line 15: clusters.other.sni.port: port 9443 is taken by clusters.main.sni.port\n    choose another port"
    );
    config(&format!("{ALONE}{}", apart.replace("9443", "9444")));
    let same_names = other.replace("9443", "9444\nadvertised_port = 9443");
    assert_eq!(
        refused(&format!("{ALONE}{same_names}")),
        "line 16: clusters.other.sni.advertised_port: port 9443 is advertised at b-0.example.com by clusters.main.sni.port \
         already\n    choose another port, or other names"
    );
    // Nor may port mode be told at the same host and port.
    let told = both().replace("port = 9443", "port = 9443\nadvertised_port = 9092");
    assert_eq!(
        refused(&told),
        "line 6: clusters.main.sni.advertised_port: port 9092 is advertised at kafka.example.com by \
         clusters.main.bootstrap_port already\n    choose another port, or other names"
    );
    let loops = ALONE.replace("kafka:9092", "localhost:9443");
    assert_eq!(
        refused(&loops),
        "line 2: clusters.main.bootstrap_servers[0]: localhost:9443 leads back to this proxy, which listens there \
         (clusters.main.sni.port)\n    write the broker's address, or let the proxy listen on another port"
    );
}

#[test]
fn port_0_is_for_tests() {
    let text = ALONE.replace("9443", "0");
    assert_eq!(
        refused(&text),
        "line 4: clusters.main.sni.port: port 0 would be another port after each start\n    write a port from 1 to 65535"
    );
    let options = ParseOptions {
        allow_port_zero: true,
    };
    Config::from_toml(&text, &options).expect("it is accepted");
}

#[test]
fn nodes_that_kept_their_ports_beside_sni_are_told_of_both_ways() {
    assert_eq!(
        refused(&format!("{ALONE}port = 9093\n")),
        "line 1: clusters.main.advertised_host: missing, and nodes have ports beside sni\n    add: advertised_host = \
         \"kafka.example.com\"; or take port out of all nodes, if clients are to come to sni.port alone"
    );
}
