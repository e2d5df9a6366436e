//! Hosts and addresses: what clients are told, where brokers are, and what would lead back to the proxy.

use portolan::config::NodeAddress;

use crate::{config, least_with, refused};

const OUTSIDE: &str =
    "write the name or address that clients outside use, such as \"kafka.example.com\"";

fn host_refused(host: &str) -> String {
    let words = refused(&least_with(&format!("advertised_host = {host}")));
    let head = "line 3: clusters.main.advertised_host: ";
    words
        .strip_prefix(head)
        .unwrap_or_else(|| panic!("{words}"))
        .to_owned()
}

fn servers_refused(servers: &str) -> String {
    let words = refused(&least_with(&format!("bootstrap_servers = {servers}")));
    let head = "line 2: clusters.main.bootstrap_servers";
    words
        .strip_prefix(head)
        .unwrap_or_else(|| panic!("{words}"))
        .to_owned()
}

#[test]
fn a_wildcard_is_never_advertised() {
    for host in [
        "0.0.0.0",
        "::",
        "[::]",
        "*",
        "::ffff:0.0.0.0",
        "0:0:0:0:0:0:0:0",
    ] {
        assert_eq!(
            host_refused(&format!("\"{host}\"")),
            format!("\"{host}\" is a wildcard, which no client can connect to\n    {OUTSIDE}")
        );
    }
}

#[test]
fn what_is_no_host_is_not_advertised() {
    let names = "host names have letters, digits, hyphens and dots, at most 253 characters, and 63 between two dots";
    for (host, words) in [
        ("", format!("it is empty\n    {OUTSIDE}")),
        ("255.255.255.255", format!("\"255.255.255.255\" is not the address of a host\n    {OUTSIDE}")),
        ("ff02::1", format!("\"ff02::1\" is not the address of a host\n    {OUTSIDE}")),
        ("fe80::1%eth0", format!("\"fe80::1%eth0\" is no IPv6 address\n    {OUTSIDE}")),
        ("[kafka]", format!("\"kafka\" is no IPv6 address\n    {OUTSIDE}")),
        (
            "https://kafka.example.com",
            "\"https://kafka.example.com\" is a URL\n    \
             write the host name alone, such as \"kafka.example.com\"".to_owned(),
        ),
        (
            "kafka.example.com:9092",
            "\"kafka.example.com:9092\" has a port\n    \
             write \"kafka.example.com\" alone; its ports are set by bootstrap_port and nodes[].port, or where a load \
             balancer's differ by bootstrap_advertised_port and nodes[].advertised_port".to_owned(),
        ),
        ("kafka example", format!("' ' does not belong into a host name\n    {names}")),
        ("kafka..example", format!("\"kafka..example\" has nothing between two dots\n    {names}")),
        (
            "127.1",
            "\"127.1\" is neither a host name nor an IP address\n    \
             write an IPv4 address with four numbers".to_owned(),
        ),
        (
            "0",
            "\"0\" is neither a host name nor an IP address\n    \
             write an IPv4 address with four numbers".to_owned(),
        ),
    ] {
        assert_eq!(host_refused(&format!("\"{host}\"")), words);
    }
    assert_eq!(
        host_refused(&format!("\"{}\"", "x".repeat(64))),
        format!("the host name is too long\n    {names}")
    );
    assert_eq!(
        host_refused("9092"),
        "a number where a string is wanted\n    write it like \"text\""
    );
}

#[test]
fn names_and_addresses_of_both_families_are_advertised_as_written_without_brackets() {
    for (written, advertised) in [
        ("kafka.example.com", "kafka.example.com"),
        ("kafka.example.com.", "kafka.example.com."),
        ("localhost", "localhost"),
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("k8s_kafka-0", "k8s_kafka-0"),
    ] {
        let config = config(&least_with(&format!("advertised_host = \"{written}\"")));
        assert_eq!(
            config.clusters["main"].advertised_host.as_deref(),
            Some(advertised)
        );
    }
}

#[test]
fn bootstrap_servers_in_one_string_as_kafka_has_them_are_taken_apart() {
    assert_eq!(
        servers_refused("[\"a:1, b:2\"]"),
        "[0]: \"a:1, b:2\" is more than one address in one string\n    \
         write each in quotes of its own: \"a:1\", \"b:2\""
    );
}

#[test]
fn each_bad_bootstrap_server_is_reported() {
    let like = "write it like \"kafka-headless.kafka.svc.cluster.local:9092\"";
    for (server, words) in [
        ("kafka", "\"kafka\" has no port"),
        ("kafka:0", "\"0\" in \"kafka:0\" is no port"),
        ("kafka:+1", "\"+1\" in \"kafka:+1\" is no port"),
        ("kafka:65536", "\"65536\" in \"kafka:65536\" is no port"),
        ("kafka:", "\"\" in \"kafka:\" is no port"),
        (
            "PLAINTEXT://kafka:9092",
            "\"PLAINTEXT://kafka:9092\" begins with \"PLAINTEXT://\", which is not part of an address",
        ),
        (
            "2001:db8::7",
            "\"2001:db8::7\" has no port, or no brackets: an IPv6 address and a port are written \"[2001:db8::7]:9092\"",
        ),
        ("[x]:9092", "\"x\" in \"[x]:9092\" is no IPv6 address"),
        (
            "0.0.0.0:9092",
            "\"0.0.0.0:9092\" has a wildcard for a host, which nobody can connect to",
        ),
    ] {
        let good = "kafka-0:9092";
        let list = format!("[\"{good}\", \"{server}\"]");
        assert_eq!(servers_refused(&list), format!("[1]: {words}\n    {like}"));
    }
    let both = servers_refused("[\"a\", \"b:1\", \"c\"]");
    assert!(both.contains("[0]: \"a\" has no port") && both.contains("[2]: \"c\" has no port"));
}

#[test]
fn bootstrap_servers_are_a_list_that_is_not_empty() {
    assert_eq!(
        servers_refused("\"kafka:9092\""),
        ": a string where a list of strings is wanted\n    \
         write it like [\"kafka-headless.kafka.svc.cluster.local:9092\"]"
    );
    assert_eq!(
        servers_refused("[]"),
        ": the list is empty\n    \
         name one broker at least, such as [\"kafka-headless.kafka.svc.cluster.local:9092\"]"
    );
    assert_eq!(
        servers_refused("[9092]"),
        "[0]: a number where a string is wanted\n    \
         write it like \"kafka-headless.kafka.svc.cluster.local:9092\""
    );
}

#[test]
fn a_broker_at_one_of_our_own_ports_leads_back_to_the_proxy() {
    for (server, owner) in [
        ("127.0.0.1:9092", "clusters.main.bootstrap_port"),
        ("127.0.0.9:9094", "clusters.main.nodes[0].port"),
        ("localhost:9095", "clusters.main.nodes[0].port"),
        ("LOCALHOST.:9092", "clusters.main.bootstrap_port"),
        ("localhost:9644", "admin.listen"),
    ] {
        assert_eq!(
            servers_refused(&format!("[\"{server}\"]")),
            format!(
                "[0]: {server} leads back to this proxy, which listens there ({owner})\n    \
                 write the broker's address, or let the proxy listen on another port"
            )
        );
    }
}

#[test]
fn a_node_at_one_of_our_own_ports_leads_back_to_the_proxy() {
    let text = least_with("ids = 7\naddress = \"localhost:9092\"");
    assert_eq!(
        refused(&text),
        "line 6: clusters.main.nodes[0].address: localhost:9092 leads back to this proxy, which listens there \
         (clusters.main.bootstrap_port)\n    \
         write the broker's address, or let the proxy listen on another port"
    );
}

#[test]
fn an_address_that_the_proxy_itself_listens_on_leads_back_to_it() {
    let text = least_with("listen_address = \"192.0.2.7\"").replace("kafka:9092", "192.0.2.7:9093");
    let words = refused(&text);
    assert!(
        words.contains("192.0.2.7:9093 leads back to this proxy"),
        "{words}"
    );
}

#[test]
fn brokers_on_this_machine_at_other_ports_or_addresses_are_fine() {
    for server in [
        "127.0.0.1:19092",
        "localhost:9091",
        "[::1]:9092",
        "192.0.2.7:9092",
        "kafka:9644",
    ] {
        config(&least_with(&format!("bootstrap_servers = [\"{server}\"]")));
    }
    let elsewhere = least_with("listen_address = \"127.0.0.2\"");
    config(&elsewhere.replace("kafka:9092", "127.0.0.1:9092"));
}

#[test]
fn a_template_is_filled_in_for_each_node() {
    let text =
        least_with("ids = \"100-101,7\"\naddress = \"b-{ordinal}.kafka-{node_id}.svc:9092\"");
    let main = &config(&text).clusters["main"];
    let addresses: Vec<_> = main
        .nodes
        .iter()
        .map(|(id, address)| match address {
            NodeAddress::Configured(address) => (id.0, address.to_string()),
            NodeAddress::Learned => panic!("node {id} has an address"),
        })
        .collect();
    let expected = [
        (7, "b-2.kafka-7.svc:9092"),
        (100, "b-0.kafka-100.svc:9092"),
        (101, "b-1.kafka-101.svc:9092"),
    ];
    assert_eq!(
        addresses,
        expected.map(|(id, address)| (id, address.to_owned()))
    );
}

#[test]
fn without_an_address_it_is_learned() {
    let main = &config(crate::LEAST).clusters["main"];
    assert_eq!(main.nodes.len(), 3);
    assert!(main.nodes.values().all(|a| *a == NodeAddress::Learned));
}

#[test]
fn an_entry_of_one_id_may_have_a_plain_address() {
    let text = least_with("ids = \"1001\"\naddress = \"[2001:db8::7]:9092\"");
    let main = &config(&text).clusters["main"];
    let address = main.nodes.values().next();
    let Some(NodeAddress::Configured(address)) = address else {
        panic!("{address:?}");
    };
    assert_eq!((address.host.as_str(), address.port), ("2001:db8::7", 9092));
}

#[test]
fn a_bad_template_is_refused() {
    let like = "write it like \"kafka-headless.kafka.svc.cluster.local:9092\"";
    let placeholders = "write {node_id}, or {ordinal}, which is 0 for the first id of the entry";
    for (address, words) in [
        (
            "kafka-{id}:9092",
            format!("\"{{id}}\" is no placeholder\n    {placeholders}"),
        ),
        (
            "kafka-{node_id:9092",
            format!("\"{{node_id:9092\" is no placeholder\n    {placeholders}"),
        ),
        (
            "kafka-}node_id:9092",
            format!("\"}}\" is no placeholder\n    {placeholders}"),
        ),
        (
            "kafka-{node_id}",
            format!("for node 0 \"kafka-0\" has no port\n    {like}"),
        ),
        (
            "kafka:9092",
            "3 nodes would have the same address\n    \
             put {node_id} or {ordinal} into it, or make an entry of each id"
                .to_owned(),
        ),
    ] {
        let text = least_with(&format!("ids = \"0-2\"\naddress = \"{address}\""));
        assert_eq!(
            refused(&text),
            format!("line 6: clusters.main.nodes[0].address: {words}")
        );
    }
}

#[test]
fn a_template_that_fits_some_nodes_only_is_refused_with_the_node() {
    let text = |ids| {
        least_with(&format!(
            "ids = \"{ids}\"\naddress = \"kafka:{{node_id}}0919\""
        ))
    };
    config(&text("0-6"));
    assert_eq!(
        refused(&text("6-8")),
        "line 6: clusters.main.nodes[0].address: for node 7 \"70919\" in \"kafka:70919\" is no port\n    \
         write it like \"kafka-headless.kafka.svc.cluster.local:9092\""
    );
}
