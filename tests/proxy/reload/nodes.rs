//! Nodes and clusters that come and go, and ports that change hands.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};

use kafka_protocol::messages::MetadataRequest;

use super::{Reloading, named, who, who_is_at};
use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::frames;
use crate::common::wire::End;
use crate::learned::{bootstrap, located};
use crate::setup::{ADVERTISED_HOST, Setup, exchange, heartbeat};

/// A loopback address of this test process alone, so that fixed ports on it are free.
fn own_address(n: u8) -> String {
    let [low, high, ..] = std::process::id().to_le_bytes();
    format!("127.{}.{low}.{n}", 140 + high % 100)
}

/// A cluster with fixed ports: 9092 and one for each node.
fn cluster(name: &str, listen: &str, ports: &[(i32, u16, &Broker)]) -> String {
    let broker = ports[0].2.address();
    let mut toml = format!(
        "[clusters.{name}]\nbootstrap_servers = [\"{broker}\"]\nadvertised_host = \"{ADVERTISED_HOST}\"\n\
         listen_address = \"{listen}\"\n"
    );
    for (id, port, broker) in ports {
        let address = broker.address();
        toml += &format!(
            "[[clusters.{name}.nodes]]\nids = \"{id}\"\nport = {port}\naddress = \"{address}\"\n"
        );
    }
    toml
}

#[test]
fn a_node_that_is_added_is_served_and_told_to_clients_that_are_there() {
    let broker = Broker::answering(|request| {
        Some(match request.api_key {
            3 => request.answer(&frames::metadata(1, &[0, 1])),
            _ => request.answer_bytes(b"alive"),
        })
    });
    let setup = Setup::with(&broker);
    let reloading = Reloading::start(&setup.toml());
    let mut client = Client::connect(reloading.proxy.bootstrap("main"));
    let mut told = || {
        let answer = client.ask(1, &MetadataRequest::default());
        let brokers = answer.brokers.iter().map(|broker| broker.node_id.0);
        brokers.collect::<Vec<_>>()
    };
    assert_eq!(told(), [0]);
    // The file that changed is enough, nobody has to ask.
    reloading.write(&setup.clone().node(1, broker.address()).toml());
    reloading.wait_for_successes(1.0);
    assert_eq!(told(), [0, 1]);
    assert_eq!(who_is_at(reloading.port("main", "node-1")), "alive");
    reloading.proxy.wait_for_log("reloaded");
    assert_eq!(
        reloading.last("reloaded", "changes"),
        "clusters.main: nodes 1 added"
    );
    let series = "portolan_connections_total{cluster=\"main\",route=\"node-1\"}";
    assert_eq!(reloading.proxy.metric(series), 1.0);
    assert_eq!(reloading.proxy.ends("main", "route_removed"), 0.0);
}

#[test]
fn a_node_that_is_removed_ends_its_connections_once_they_are_answered_and_no_others() {
    let (stays, goes) = (Broker::start(), Broker::start());
    let setup = Setup::with(&stays);
    let reloading = Reloading::start(&setup.clone().node(1, goes.address()).toml());
    let port = reloading.proxy.node("main", 1);
    let mut leaving = Client::connect(port);
    leaving.send(&heartbeat(7));
    let mut link = goes.accept();
    let request = link.request();
    let mut staying = Client::connect(reloading.proxy.node("main", 0));
    staying.send(&heartbeat(1));
    let mut other = stays.accept();
    let answer = other.request().answer_bytes(b"alive");
    other.send(&answer);
    staying.frame();
    // It has said nothing yet, so it has nothing to wait for.
    let mut silent = Client::connect(port);

    reloading.reload(&setup.toml());
    assert_eq!(silent.rest().0, b"");
    assert!(leaving.is_silent(), "its request is in flight");
    link.send(&request.answer_bytes(b"answered"));
    assert_eq!(leaving.frame()[4..], *b"answered");
    assert_eq!(leaving.end(), End::Closed);
    exchange(&mut staying, &mut other, 2);
    assert!(TcpStream::connect(port).is_err(), "the port is closed");
    assert_eq!(
        reloading.last("reloaded", "changes"),
        "clusters.main: nodes 1 removed"
    );
    reloading.proxy.wait_for_metric(
        "portolan_connection_ends_total{cluster=\"main\",reason=\"route_removed\"}",
        2.0,
    );
    reloading.proxy.assert_calm();
}

#[test]
fn ports_that_change_hands_never_close() {
    let (one, two) = (named("one"), named("two"));
    let listen = own_address(1);
    let config = |first: (i32, u16), second: (i32, u16)| {
        let nodes = [(first.0, first.1, &one), (second.0, second.1, &two)];
        cluster("main", &listen, &nodes)
    };
    let (now, then) = (config((1, 9093), (2, 9094)), config((1, 9094), (2, 9093)));
    let reloading = Reloading::start(&now);
    let port: SocketAddr = format!("{listen}:9093").parse().unwrap();
    let mut open = Client::connect(port);
    assert_eq!(who(&mut open), "one");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let seen = scope.spawn(|| {
            let mut seen = Vec::new();
            while !over.load(Ordering::Relaxed) {
                seen.push(who_is_at(port));
            }
            seen
        });
        for n in 0..10 {
            reloading.reload(match n % 2 {
                0 => &then,
                _ => &now,
            });
            let expected = ["two", "one"][n % 2];
            assert_eq!(who_is_at(port), expected);
        }
        over.store(true, Ordering::Relaxed);
        let seen = seen.join().unwrap();
        assert!(seen.iter().all(|name| name == "one" || name == "two"));
    });
    // A connection leads where it led, for the node is still there.
    assert_eq!(who(&mut open), "one");
    reloading.proxy.assert_calm();
}

#[test]
fn clusters_come_and_go_and_come_back_and_may_inherit_ports() {
    let (one, two) = (named("one"), named("two"));
    let listen = own_address(2);
    let first = cluster("first", &listen, &[(1, 9093, &one)]);
    let second = cluster("second", &listen, &[(1, 9093, &two), (2, 9094, &two)]);
    let reloading = Reloading::start(&first);
    let port = |port: u16| -> SocketAddr { format!("{listen}:{port}").parse().unwrap() };
    let mut client = Client::connect(port(9093));
    assert_eq!(who(&mut client), "one");
    reloading.reload(&second);
    assert_eq!(client.end(), End::Closed);
    reloading.proxy.wait_for_end("first", "route_removed");
    assert_eq!(who_is_at(port(9093)), "two");
    assert_eq!(who_is_at(port(9094)), "two");
    reloading.reload(&first);
    assert_eq!(who_is_at(port(9093)), "one");
    assert_eq!(who_is_at(port(9092)), "one");
    assert!(TcpStream::connect(port(9094)).is_err());
    // It goes on counting where it was, in one series.
    let series = "portolan_connections_total{cluster=\"first\",route=\"node-1\"} 2";
    let (_, metrics) = reloading.proxy.get("/metrics");
    assert_eq!(metrics.matches(series).count(), 1, "{metrics}");
    reloading.proxy.assert_calm();
}

#[test]
fn a_port_that_others_have_refuses_the_whole_file() {
    let broker = named("broker");
    let listen = own_address(3);
    let taken = TcpListener::bind((listen.as_str(), 9099)).expect("it is ours");
    let now = cluster("main", &listen, &[(1, 9093, &broker)]);
    let all = [(2, 9094, &broker), (3, 9099, &broker)];
    let reloading = Reloading::start(&now);
    let mut client = Client::connect(reloading.proxy.node("main", 1));
    assert_eq!(who(&mut client), "broker");
    let faults = reloading.refuse(&cluster("main", &listen, &all));
    let words = format!("cannot listen on {listen}:9099 (cluster main, node-3)");
    assert!(faults.contains(&words), "{faults}");
    assert_eq!(who(&mut client), "broker");
    assert_eq!(who_is_at(reloading.proxy.node("main", 1)), "broker");
    let other = (listen.as_str(), 9094);
    assert!(TcpStream::connect(other).is_err(), "none of it is in force");
    // With the same file, once the port is free.
    drop(taken);
    reloading.reload(&cluster("main", &listen, &all));
    assert_eq!(client.end(), End::Closed);
    assert_eq!(
        who_is_at(format!("{listen}:9099").parse().unwrap()),
        "broker"
    );
}

#[test]
fn nodes_that_were_learned_of_other_brokers_are_forgotten_with_these() {
    let nodes = [named("old"), named("new")];
    let [old, new] = [0, 1].map(|n: usize| bootstrap(located(&[(0, &nodes[n])])));
    let config = |broker: &Broker| {
        let setup = Setup::bootstrap(broker.address()).nodes("0", None);
        setup.toml()
    };
    let reloading = Reloading::start(&config(&old));
    let node = reloading.proxy.node("main", 0);
    let mut open = Client::connect(reloading.proxy.bootstrap("main"));
    open.ask(1, &MetadataRequest::default());
    assert_eq!(who_is_at(node), "old");
    reloading.reload(&config(&new));
    assert_eq!(who_is_at(node), "new");
    // It still is with a broker of before, whose nodes are not those of the new ones.
    open.ask(1, &MetadataRequest::default());
    assert_eq!(who_is_at(node), "new");
    reloading.proxy.assert_calm();
}
