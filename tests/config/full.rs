//! `config/full.toml` has every key, each at its default. Tables that are off unless they are written are commented out.

use std::collections::BTreeSet;

use portolan::config::keys::{self, TABLES};
use portolan::config::{Config, ParseOptions};
use toml::{Table, Value};

use crate::config;

/// Keys without a default: what they stand for has to be said, or (an address) has no value when it is not given.
const WITHOUT_DEFAULT: [&str; 10] = [
    "clusters.main.bootstrap_servers",
    "clusters.main.advertised_host",
    "clusters.main.nodes.ids",
    "clusters.main.nodes.port",
    "clusters.main.nodes.address",
    "clusters.main.sni.port",
    "clusters.main.sni.bootstrap_host",
    "clusters.main.sni.node_host",
    "clusters.main.tls.certificate",
    "clusters.main.tls.key",
];

/// What stands instead of another key: it is commented out, and the two are refused together. Its value, and the other one.
const INSTEAD: [(&str, &str, &str); 1] = [(
    "clusters.main.advertised_from_service",
    "kafka/portolan",
    "clusters.main.advertised_host",
)];

/// The tables that are commented out.
const OFF: [&str; 3] = [
    "clusters.main.sni",
    "clusters.main.tls",
    "clusters.main.upstream_tls",
];

fn text() -> String {
    std::fs::read_to_string("config/full.toml").expect("it is there")
}

/// The file with all tables and without what stands instead of others.
fn full() -> Table {
    let mut full = written();
    for (path, value, _) in INSTEAD {
        let (parent, key) = table_of(&mut full, path);
        assert_eq!(parent.remove(key), Some(Value::from(value)), "{path}");
    }
    full
}

/// The file with all that it says: after a sign without a space stands what may be written.
fn written() -> Table {
    let uncomment = |line: &str| match line.strip_prefix('#') {
        Some(key) if !key.is_empty() && !key.starts_with(' ') => format!("{key}\n"),
        _ => format!("{line}\n"),
    };
    let text: String = text().lines().map(uncomment).collect();
    text.parse().expect("it is TOML")
}

fn parse(table: &Table) -> Config {
    config(&table.to_string())
}

/// The dotted paths of all keys that are no tables; of a list of tables, those of its first.
fn leaves(table: &Table, prefix: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (key, value) in table {
        let path = match prefix {
            "" => key.clone(),
            prefix => format!("{prefix}.{key}"),
        };
        match inner(value) {
            Some(table) => found.extend(leaves(table, &path)),
            None => found.push(path),
        }
    }
    found
}

fn inner(value: &Value) -> Option<&Table> {
    match value {
        Value::Table(table) => Some(table),
        Value::Array(list) => list.first()?.as_table(),
        _ => None,
    }
}

/// The table that a path's last key stands in, and that key.
fn table_of<'t, 'p>(mut table: &'t mut Table, path: &'p str) -> (&'t mut Table, &'p str) {
    let (parents, key) = path.rsplit_once('.').unwrap_or(("", path));
    for parent in parents.split('.').filter(|parent| !parent.is_empty()) {
        table = match &mut table[parent] {
            Value::Table(table) => table,
            Value::Array(list) => list[0].as_table_mut().expect("a list of tables"),
            other => panic!("{parent} is {other}"),
        };
    }
    (table, key)
}

fn without(path: &str) -> Table {
    let mut table = full();
    let (parent, key) = table_of(&mut table, path);
    assert!(parent.remove(key).is_some(), "{path}");
    table
}

fn optional() -> Vec<String> {
    let mut paths = leaves(&full(), "");
    paths.retain(|path| !WITHOUT_DEFAULT.contains(&path.as_str()));
    paths
}

#[test]
fn it_is_accepted() {
    let read = Config::from_file("config/full.toml".as_ref(), &ParseOptions::default());
    assert_eq!(read.expect("it is accepted"), config(&text()));
}

#[test]
fn what_is_commented_out_is_off() {
    let mut full = full();
    for path in OFF {
        let (cluster, table) = table_of(&mut full, path);
        assert!(cluster.remove(table).is_some(), "{path}");
    }
    assert_eq!(full, text().parse().expect("it is TOML"));
    let main = &config(&text()).clusters["main"];
    assert!(main.sni.is_none() && main.tls.is_none() && main.upstream_tls.is_none());
}

#[test]
fn it_has_every_key_that_is_read_and_no_other() {
    let full = written();
    let cluster = full["clusters"]["main"].as_table().expect("a table");
    let node = cluster["nodes"][0].as_table().expect("a table");
    for table in TABLES {
        let written = match table.header {
            header if header == keys::ROOT.header => &full,
            header if header == keys::CLUSTER.header => cluster,
            header if header == keys::NODES.header => node,
            header => {
                let header = header.trim_matches(['[', ']']);
                let table = match header.strip_prefix("clusters.<name>.") {
                    Some(of_cluster) => &cluster[of_cluster],
                    None => &full[header],
                };
                table.as_table().expect("a table")
            }
        };
        let written: BTreeSet<&str> = written.keys().map(String::as_str).collect();
        let known: BTreeSet<&str> = table.keys.iter().copied().collect();
        assert_eq!(written, known, "{}", table.header);
    }
}

#[test]
fn each_key_that_is_left_out_has_the_value_that_it_says() {
    let full = parse(&full());
    let optional = optional();
    assert_eq!(optional.len(), 47, "{optional:?}");
    for path in optional {
        assert_eq!(parse(&without(&path)), full, "{path} is not at its default");
    }
}

#[test]
fn all_keys_left_out_have_the_values_that_it_says() {
    let mut least = full();
    for path in optional() {
        let (parent, key) = table_of(&mut least, &path);
        parent.remove(key);
    }
    least.retain(|key, _| key == "clusters");
    assert_eq!(leaves(&least, "").len(), WITHOUT_DEFAULT.len());
    assert_eq!(parse(&least), parse(&full()));
}

#[test]
fn each_key_with_another_value_makes_another_configuration() {
    let default = parse(&full());
    let mut tried = BTreeSet::new();
    for (path, value) in [
        ("clusters.main.bootstrap_servers", "[\"other:9092\"]"),
        ("clusters.main.advertised_host", "\"other.example.com\""),
        ("clusters.main.advertise", "\"dialled\""),
        ("clusters.main.listen_address", "\"::\""),
        ("clusters.main.bootstrap_port", "9000"),
        ("clusters.main.bootstrap_advertised_port", "9000"),
        ("clusters.main.allow", "[\"192.0.2.0/24\"]"),
        ("clusters.main.deny", "[\"2001:db8::/32\"]"),
        ("clusters.main.unknown_apis", "\"forward\""),
        ("clusters.main.fetch_endpoints", "\"cap\""),
        ("clusters.main.nodes.ids", "\"1-10\""),
        ("clusters.main.nodes.port", "9193"),
        ("clusters.main.nodes.advertised_port", "9193"),
        ("clusters.main.nodes.address", "\"b-{ordinal}:9092\""),
        ("clusters.main.sni.port", "9444"),
        ("clusters.main.sni.advertised_port", "443"),
        ("clusters.main.sni.bootstrap_host", "\"b.example.com\""),
        ("clusters.main.sni.node_host", "\"b-{ordinal}.example.com\""),
        ("clusters.main.tls.certificate", "\"other.crt\""),
        ("clusters.main.tls.key", "\"other.key\""),
        ("clusters.main.tls.min_version", "\"1.3\""),
        ("clusters.main.tls.ticket_keys", "\"tickets\""),
        ("clusters.main.upstream_tls.ca", "\"ca.crt\""),
        ("clusters.main.upstream_tls.server_name", "\"b-{node_id}\""),
        ("admin.listen", "\"\""),
        ("admin.allowed_hosts", "[\"portolan.example.com\"]"),
        ("dns.servers", "[\"10.96.0.10\"]"),
        ("dns.hosts_file", "\"hosts\""),
        ("limits.connections", "10"),
        ("limits.connections_per_client", "10"),
        ("limits.connection_rate_per_client", "\"20/s\""),
        ("limits.tls_handshakes", "10"),
        ("limits.in_flight", "10"),
        ("limits.request_bytes", "\"1MiB\""),
        ("limits.response_rewrite_bytes", "\"2MiB\""),
        ("limits.sasl_bytes", "\"1MiB\""),
        ("timeouts.connect", "\"1s\""),
        ("timeouts.tls_handshake", "\"1s\""),
        ("timeouts.first_bytes", "\"1s\""),
        ("timeouts.stalled_write", "\"1s\""),
        ("timeouts.idle", "\"1s\""),
        ("timeouts.max_connection_age", "\"1h\""),
        ("timeouts.keepalive", "\"off\""),
        ("drain.lame_duck", "\"1s\""),
        ("drain.grace", "\"1s\""),
        ("health.interval", "\"1s\""),
        ("runtime.threads", "1"),
        ("runtime.splice", "false"),
        ("log.level", "\"warn\""),
        ("log.format", "\"json\""),
    ] {
        let table = with(&[(path, value)]);
        assert_ne!(parse(&table), default, "{path} is not read");
        tried.insert(path);
    }
    // These want others beside them.
    for values in [
        &[
            ("clusters.main.proxy_protocol", "\"required\""),
            ("clusters.main.proxy_protocol_from", "[\"10.0.0.0/8\"]"),
        ][..],
        &[
            ("clusters.main.tls.client_ca", "\"ca.crt\""),
            ("clusters.main.tls.client_auth", "\"optional\""),
            ("clusters.main.tls.crl", "\"crl\""),
        ],
        &[
            ("clusters.main.upstream_tls.certificate", "\"our.crt\""),
            ("clusters.main.upstream_tls.key", "\"our.key\""),
        ],
    ] {
        let all = parse(&with(values));
        for (path, _) in values {
            let mut table = with(values);
            let (parent, key) = table_of(&mut table, path);
            parent.insert(key.to_owned(), table_of(&mut full(), path).0[key].clone());
            let without = Config::from_toml(&table.to_string(), &ParseOptions::default());
            assert_ne!(without, Ok(all.clone()), "{path} is not read");
            tried.insert(path);
        }
    }
    let all = leaves(&full(), "");
    let all: BTreeSet<&str> = all.iter().map(String::as_str).collect();
    assert_eq!(all, tried, "a key is missing in this test");
}

#[test]
fn what_stands_instead_of_another_key_is_refused_beside_it_and_read_in_its_place() {
    for (path, value, other) in INSTEAD {
        let read = |table: &Table| {
            let read = Config::from_toml(&table.to_string(), &ParseOptions::default());
            read.map_err(|faults| faults.to_string())
        };
        let mut table = full();
        let (parent, key) = table_of(&mut table, path);
        parent.insert(key.to_owned(), Value::from(value));
        let both = read(&table).expect_err("both are there");
        assert!(both.contains("take one of the two out"), "{both}");
        let (parent, key) = table_of(&mut table, other);
        parent.remove(key);
        match cfg!(feature = "kubernetes") {
            true => assert_ne!(read(&table), Ok(parse(&full())), "{path} is not read"),
            false => {
                let faults = read(&table).expect_err("this build cannot");
                assert!(
                    faults.contains("this build cannot read Services"),
                    "{faults}"
                );
            }
        }
    }
}

/// The file with other values.
fn with(values: &[(&str, &str)]) -> Table {
    let mut table = full();
    for (path, value) in values {
        let value: Table = format!("v = {value}").parse().expect("it is TOML");
        let (parent, key) = table_of(&mut table, path);
        parent.insert(key.to_owned(), value["v"].clone());
    }
    table
}
