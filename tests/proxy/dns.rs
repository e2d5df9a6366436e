//! Where a broker is, is asked for at each dial: pods move, and their addresses are reused within seconds.

use std::net::SocketAddr;

use crate::common::broker::{Broker, Link};
use crate::common::client::Client;
use crate::common::dns::Dns;
use crate::common::proxy::Proxy;
use crate::common::wire::End;
use crate::setup::{Setup, answer_heartbeat, exchange, heartbeat, wait_for_ends};

const NAME: &str = "kafka-0.brokers.test";

/// A proxy whose node 0 is to be found by that name server.
fn by_name(dns: &Dns, port: u16) -> Setup {
    Setup::bootstrap(format!("{NAME}:{port}"))
        .nodes("0", Some(&format!("kafka-{{node_id}}.brokers.test:{port}")))
        .section(&format!("[dns]\nservers = [\"{}\"]", dns.address()))
}

/// A client at the port of node 0 that has sent its first request.
fn dial(proxy: &Proxy) -> Client {
    let mut client = Client::connect(proxy.node("main", 0));
    client.send(&heartbeat(1));
    client
}

/// A client at node 0, and the broker that it came to.
fn reach(proxy: &Proxy, broker: &Broker) -> (Client, Link) {
    let mut client = dial(proxy);
    let mut link = broker.accept();
    answer_heartbeat(&mut client, &mut link, 1);
    (client, link)
}

/// Another broker with the same port at another address.
fn beside(broker: &Broker, address: [u8; 4]) -> Broker {
    Broker::start_at(SocketAddr::from((address, broker.address().port())))
}

// Trap 12
#[test]
fn the_name_is_resolved_at_each_dial() {
    let dns = Dns::start();
    let broker = Broker::start();
    dns.set(NAME, &["127.0.0.1"]);
    let proxy = by_name(&dns, broker.address().port()).start();
    assert_eq!(dns.asked(NAME), 0, "nothing is asked before it is needed");
    for n in 1..=5 {
        reach(&proxy, &broker);
        assert_eq!(dns.asked(NAME), n);
    }
    proxy.assert_calm();
}

#[test]
fn names_of_containers_have_underscores() {
    let dns = Dns::start();
    let broker = Broker::start();
    dns.set("my_stack_kafka_1.test", &["127.0.0.1"]);
    let proxy = Setup::bootstrap("my_stack_kafka_1.test:1")
        .nodes(
            "0",
            Some(&format!(
                "My_stack_kafka_1.test:{}",
                broker.address().port()
            )),
        )
        .section(&format!("[dns]\nservers = [\"{}\"]", dns.address()))
        .section("[timeouts]\nconnect = \"2s\"")
        .start();
    reach(&proxy, &broker);
    proxy.assert_calm();
}

// Trap 12
#[test]
fn a_moved_broker_is_found_at_the_next_dial_and_open_connections_stay() {
    let dns = Dns::start();
    let old = Broker::start();
    let new = beside(&old, [127, 0, 0, 2]);
    dns.set(NAME, &["127.0.0.1"]);
    let proxy = by_name(&dns, old.address().port()).start();
    let (mut client, mut link) = reach(&proxy, &old);
    dns.set(NAME, &["127.0.0.2"]);
    reach(&proxy, &new);
    exchange(&mut client, &mut link, 2);
    assert_eq!((old.connections(), new.connections()), (1, 1));
    proxy.assert_calm();
}

// Trap 12
#[test]
fn all_addresses_of_a_name_are_tried() {
    let dns = Dns::start();
    let broker = Broker::start();
    // Nobody listens at the first three.
    dns.set(NAME, &["127.0.0.7", "127.0.0.8", "127.0.0.9", "127.0.0.1"]);
    let proxy = by_name(&dns, broker.address().port()).start();
    for _ in 0..4 {
        reach(&proxy, &broker);
    }
    proxy.assert_calm();
}

// Trap 12
#[test]
fn a_name_that_is_not_there_yet_is_asked_for_again_within_the_connect_timeout() {
    let dns = Dns::start();
    let broker = Broker::start();
    let proxy = by_name(&dns, broker.address().port())
        .section("[timeouts]\nconnect = \"30s\"")
        .start();
    let mut client = dial(&proxy);
    dns.wait_until_asked(NAME, 2);
    assert_eq!(broker.connections(), 0);
    dns.set(NAME, &["127.0.0.1"]);
    let mut link = broker.accept();
    answer_heartbeat(&mut client, &mut link, 1);
    proxy.assert_calm();
}

// Trap 12
#[test]
fn a_name_that_stays_away_is_a_fault_that_is_told_once_and_its_end_too() {
    let dns = Dns::start();
    let broker = Broker::start();
    let port = broker.address().port();
    let proxy = by_name(&dns, port)
        .section("[timeouts]\nconnect = \"1s\"")
        .start();
    for _ in 0..2 {
        dial(&proxy).end();
    }
    wait_for_ends(&proxy, "connect_failed", 2);
    let told: Vec<_> = proxy.log();
    let told: Vec<_> = told.iter().filter(|l| l["level"] == "WARN").collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        told[0]["message"],
        format!(
            "cannot connect: {NAME}:{port} does not resolve: no such name (NXDOMAIN or no address records); \
             check the name, or set dns.servers or dns.hosts_file"
        )
    );
    let failures = "portolan_upstream_connect_failures_total{cluster=\"main\",node=\"0\",reason=\"unresolved\"}";
    assert_eq!(proxy.metric(failures), 2.0);
    dns.set(NAME, &["127.0.0.1"]);
    reach(&proxy, &broker);
    proxy.wait_for_log("connected again");
}

#[test]
fn another_cause_does_not_hide_behind_the_first() {
    let dns = Dns::start();
    let mut broker = Broker::start();
    let address = broker.address();
    broker.stop();
    let proxy = by_name(&dns, address.port())
        .section("[timeouts]\nconnect = \"1s\"")
        .start();
    for _ in 0..2 {
        dial(&proxy).end();
    }
    dns.set(NAME, &["127.0.0.1"]);
    for _ in 0..2 {
        dial(&proxy).end();
    }
    wait_for_ends(&proxy, "connect_failed", 4);
    reach(&proxy, &Broker::start_at(address));
    proxy.wait_for_log("connected again");
    let log = proxy.log();
    let told = log
        .iter()
        .filter(|line| line["level"] == "WARN" || line["message"] == "connected again");
    let told: Vec<_> = told.map(|line| line["reason"].as_str()).collect();
    assert_eq!(told, [Some("unresolved"), Some("refused"), None]);
}

// Trap 12
#[test]
fn silence_about_aaaa_does_not_keep_a_from_being_used() {
    let dns = Dns::start();
    let broker = Broker::start();
    dns.set(NAME, &["127.0.0.1"]);
    dns.be_silent_about_aaaa();
    let proxy = by_name(&dns, broker.address().port()).start();
    reach(&proxy, &broker);
    proxy.assert_calm();
}

// Trap 12
#[test]
fn a_broker_that_refuses_is_told_with_every_address_that_was_tried() {
    let dns = Dns::start();
    let mut broker = Broker::start();
    let port = broker.address().port();
    broker.stop();
    dns.set(NAME, &["127.0.0.1", "127.0.0.2"]);
    let proxy = by_name(&dns, port).start();
    dial(&proxy).end();
    let line = proxy.wait_for_log("cannot connect");
    let message = line["message"].as_str().unwrap();
    let start = format!("cannot connect: {NAME}:{port} does not accept connections (");
    assert!(message.starts_with(&start), "{message}");
    for address in ["127.0.0.1", "127.0.0.2"] {
        assert!(
            message.contains(&format!("{address}:{port} refused")),
            "{message}"
        );
    }
    assert!(message.ends_with("); check that the broker runs and listens on that port"));
    assert_eq!(line["reason"], "refused");
}

#[test]
fn ordinals_count_from_the_first_id_of_the_entry() {
    let dns = Dns::start();
    let broker = Broker::start();
    let port = broker.address().port();
    for name in ["pool-a-0.test", "pool-b-0.test", "pool-b-1.test"] {
        dns.set(name, &["127.0.0.1"]);
    }
    let proxy = Setup::bootstrap("127.0.0.1:1")
        .nodes("7", Some(&format!("pool-a-{{ordinal}}.test:{port}")))
        .nodes("100-101", Some(&format!("pool-b-{{ordinal}}.test:{port}")))
        .section(&format!("[dns]\nservers = [\"{}\"]", dns.address()))
        .start();
    for (id, name) in [
        (7, "pool-a-0.test"),
        (100, "pool-b-0.test"),
        (101, "pool-b-1.test"),
    ] {
        assert_eq!(dns.asked(name), 0);
        let mut client = Client::connect(proxy.node("main", id));
        client.send(&heartbeat(1));
        answer_heartbeat(&mut client, &mut broker.accept(), 1);
        assert_eq!(dns.asked(name), 1);
    }
}

// Trap 12
#[test]
fn a_changed_hosts_file_counts_at_the_next_dial() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let old = Broker::start();
    let new = beside(&old, [127, 0, 0, 2]);
    std::fs::write(file.path(), format!("127.0.0.1 {NAME}\n")).unwrap();
    let dns = Dns::start();
    let proxy = Proxy::start(&with_hosts_file(&dns, &old, file.path()));
    reach(&proxy, &old);
    std::fs::write(file.path(), format!("# moved\n127.0.0.2 {NAME}\n")).unwrap();
    reach(&proxy, &new);
    assert_eq!(dns.asked(NAME), 0, "the file is looked into first");
    proxy.assert_calm();
}

// Trap 12
#[test]
fn a_hosts_file_of_the_same_length_that_takes_its_place_counts() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hosts");
    let old = Broker::start();
    let new = beside(&old, [127, 0, 0, 2]);
    std::fs::write(&path, format!("127.0.0.1 {NAME}\n")).unwrap();
    let dns = Dns::start();
    let proxy = Proxy::start(&with_hosts_file(&dns, &old, &path));
    reach(&proxy, &old);
    let next = directory.path().join("next");
    std::fs::write(&next, format!("127.0.0.2 {NAME}\n")).unwrap();
    std::fs::rename(&next, &path).unwrap();
    reach(&proxy, &new);
    proxy.assert_calm();
}

// Trap 12
#[test]
fn a_hosts_file_that_is_away_for_a_moment_keeps_its_content() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hosts");
    let broker = Broker::start();
    std::fs::write(&path, format!("127.0.0.1 {NAME}\n")).unwrap();
    let dns = Dns::start();
    let proxy = Proxy::start(&with_hosts_file(&dns, &broker, &path));
    // Each worker thread reads the file for itself.
    let _busy: Vec<_> = (0..4).map(|_| reach(&proxy, &broker)).collect();
    std::fs::remove_file(&path).unwrap();
    for _ in 0..4 {
        let (mut client, link) = reach(&proxy, &broker);
        drop(link);
        assert_eq!(client.end(), End::Closed);
    }
    assert_eq!(dns.asked(NAME), 0);
}

fn with_hosts_file(dns: &Dns, broker: &Broker, path: &std::path::Path) -> String {
    let port = broker.address().port();
    Setup::bootstrap(format!("{NAME}:{port}"))
        .nodes("0", Some(&format!("kafka-{{node_id}}.brokers.test:{port}")))
        .section(&format!(
            "[dns]\nservers = [\"{}\"]\nhosts_file = \"{}\"",
            dns.address(),
            path.display()
        ))
        .toml()
}

#[test]
fn localhost_needs_no_name_server() {
    let broker = Broker::start();
    let dns = Dns::start();
    let proxy = Setup::bootstrap("127.0.0.1:1")
        .nodes("0", Some(&format!("localhost:{}", broker.address().port())))
        .section(&format!("[dns]\nservers = [\"{}\"]", dns.address()))
        .start();
    reach(&proxy, &broker);
    assert_eq!(dns.asked("localhost"), 0);
}

#[test]
fn ipv6_is_listened_on_and_dialled() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        eprintln!("SKIPPED: this machine has no IPv6 loopback address");
        return;
    }
    let broker = Broker::start_at("[::1]:0".parse().unwrap());
    let dns = Dns::start();
    dns.set(NAME, &["::1"]);
    let toml = by_name(&dns, broker.address().port())
        .toml()
        .replace("\"127.0.0.1\"\n", "\"::1\"\n");
    assert!(toml.contains("listen_address = \"::1\""));
    let proxy = Proxy::start(&toml);
    assert!(proxy.node("main", 0).is_ipv6());
    reach(&proxy, &broker);
    proxy.assert_calm();
}
