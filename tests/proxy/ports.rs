//! Which port leads where: a pure function of the node id, bound at start, told as advertised.

use std::io::Read;
use std::net::SocketAddr;

use kafka_protocol::messages::MetadataRequest;

use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::frames;
use crate::common::proxy::Proxy;
use crate::setup::{ADVERTISED_HOST, Setup, heartbeat};

/// A broker that says who it is.
fn named(name: &'static str) -> Broker {
    Broker::answering(move |request| Some(request.answer_bytes(name.as_bytes())))
}

/// Who answers at a port.
fn who(address: SocketAddr) -> String {
    let mut client = Client::connect(address);
    client.send(&heartbeat(1));
    String::from_utf8_lossy(&client.frame()[4..]).into_owned()
}

/// A loopback address of this test process alone, so that fixed ports on it are free.
fn own_address(n: u8) -> String {
    let [low, high, ..] = std::process::id().to_le_bytes();
    format!("127.{}.{low}.{n}", 100 + high % 100)
}

/// A proxy with fixed ports: bootstrap 9092 and then one a node.
fn fixed(listen: &str, broker: SocketAddr) -> String {
    let port = broker.port();
    format!(
        "[clusters.main]\nbootstrap_servers = [\"{broker}\"]\nadvertised_host = \"{ADVERTISED_HOST}\"\n\
         listen_address = \"{listen}\"\n\
         [[clusters.main.nodes]]\nids = \"100-102,200\"\nport = 9093\naddress = \"b{{ordinal}}.localhost:{port}\"\n\
         [[clusters.main.nodes]]\nids = \"1001\"\nport = 9200\naddress = \"{broker}\"\n"
    )
}

/// A template whose names all lead to this broker.
fn alike(broker: SocketAddr) -> String {
    format!("b{{ordinal}}.localhost:{}", broker.port())
}

// Trap 9
#[test]
fn sparse_ids_lead_each_to_its_own_broker() {
    let brokers = [named("b7"), named("b100"), named("b300"), named("b1001")];
    let proxy = Setup::bootstrap(brokers[1].address())
        .node(1001, brokers[3].address())
        .node(7, brokers[0].address())
        .node(100, brokers[1].address())
        .node(300, brokers[2].address())
        .start();
    for (id, name) in [(7, "b7"), (100, "b100"), (300, "b300"), (1001, "b1001")] {
        assert_eq!(who(proxy.node("main", id)), name);
    }
    assert_eq!(who(proxy.bootstrap("main")), "b100");
    proxy.assert_calm();
}

// Trap 9
#[test]
fn a_nodes_port_is_the_same_at_every_start_and_on_every_replica() {
    let broker = named("broker");
    let expected = [
        (100, 9093),
        (101, 9094),
        (102, 9095),
        (200, 9096),
        (1001, 9200),
    ];
    for replica in [1, 2] {
        let proxy = Proxy::start(&fixed(&own_address(replica), broker.address()));
        assert_eq!(proxy.bootstrap("main").port(), 9092);
        for (id, port) in expected {
            assert_eq!(proxy.node("main", id).port(), port);
        }
    }
}

#[test]
fn a_restart_does_not_wait_for_the_last_runs_connections_to_time_out() {
    let broker = named("broker");
    let toml = fixed(&own_address(77), broker.address());
    let mut proxy = Proxy::start(&toml);
    let mut client = Client::connect(proxy.bootstrap("main"));
    client.send(&heartbeat(1));
    client.frame();
    // The proxy closes first, so that its end lives on in the kernel (TIME_WAIT).
    proxy.terminate();
    client.end();
    drop(client);
    assert_eq!(proxy.wait().code(), Some(0));
    let proxy = Proxy::start(&toml);
    assert_eq!(who(proxy.bootstrap("main")), "broker");
}

// Trap 10
#[test]
fn a_node_learned_of_through_one_replica_is_reached_through_another() {
    let broker = Broker::answering(|request| {
        Some(match request.api_key {
            3 => request.answer(&frames::metadata(1, &[200])),
            _ => request.answer_bytes(b"node 200"),
        })
    });
    let first = Proxy::start(&fixed(&own_address(11), broker.address()));
    let second = Proxy::start(&fixed(&own_address(12), broker.address()));
    let mut client = Client::connect(first.bootstrap("main"));
    let told = client.ask(1, &MetadataRequest::default()).brokers;
    let port = u16::try_from(told[0].port).unwrap();
    assert_eq!(port, 9096);
    let there = SocketAddr::new(second.bootstrap("main").ip(), port);
    assert_eq!(who(there), "node 200");
}

// Trap 10
#[test]
fn all_ports_accept_from_the_start_without_any_broker() {
    let mut broker = Broker::start();
    broker.stop();
    let proxy = Setup::bootstrap(broker.address())
        .nodes("0-19", Some(&alike(broker.address())))
        .nodes("500", None)
        .start();
    for id in (0..20).chain([500]) {
        drop(Client::connect(proxy.node("main", id)));
    }
    drop(Client::connect(proxy.bootstrap("main")));
    crate::setup::wait_for_ends(&proxy, "bare_connect", 22);
    proxy.assert_calm();
}

// Trap 9
#[test]
fn clients_are_told_the_advertised_port_where_it_differs_from_the_bound_one() {
    let broker =
        Broker::answering(|request| Some(request.answer(&frames::metadata(1, &[5, 6, 7]))));
    let address = broker.address();
    let toml = Setup::bootstrap(address)
        .nodes("5-7", Some(&alike(address)))
        .toml()
        .replace("\nport = 0", "\nport = 0\nadvertised_port = 30000");
    let proxy = Proxy::start(&toml);
    let mut client = Client::connect(proxy.bootstrap("main"));
    let told = client.ask(1, &MetadataRequest::default()).brokers;
    let ports: Vec<_> = told.iter().map(|b| (b.node_id.0, b.port)).collect();
    assert_eq!(ports, [(5, 30000), (6, 30001), (7, 30002)]);
    assert_ne!(proxy.node("main", 5).port(), 30000);
}

#[test]
fn several_clusters_with_the_same_ids_do_not_mix() {
    let brokers = [named("red"), named("blue")];
    let toml: String = ["red", "blue"]
        .iter()
        .zip(&brokers)
        .map(|(name, broker)| Setup::with(broker).cluster_toml(name))
        .collect();
    let proxy = Proxy::start(&toml);
    for name in ["red", "blue"] {
        assert_eq!(who(proxy.bootstrap(name)), name);
        assert_eq!(who(proxy.node(name, 0)), name);
    }
    assert_eq!(who(proxy.node("red", 0)), "red");
    for (name, connections) in [("red", 2.0), ("blue", 1.0)] {
        let series = format!("portolan_connections_total{{cluster=\"{name}\",route=\"node-0\"}}");
        assert_eq!(proxy.metric(&series), connections);
    }
    proxy.assert_calm();
}

#[test]
fn a_port_that_is_taken_is_told_with_what_it_was_for() {
    let broker = named("broker");
    let listen = own_address(21);
    // With several threads the sockets of a port share it with each other, and with nobody else.
    let with_threads = |threads| {
        let config = fixed(&listen, broker.address());
        format!("{config}[runtime]\nthreads = {threads}\n")
    };
    let expected =
        format!("cannot listen on {listen}:9092 (cluster main, bootstrap): Address already in use");
    for (threads, others) in [(1, 1), (1, 4), (4, 1), (4, 4)] {
        let first = Proxy::start(&with_threads(threads));
        let mut second = Proxy::spawn(&with_threads(others));
        assert_eq!(second.wait().code(), Some(1));
        let log = second.log_text();
        assert!(log.contains(&expected), "{log}");
        assert!(
            log.contains("another process has this port: stop it"),
            "{log}"
        );
        for _ in 0..8 {
            assert_eq!(who(first.node("main", 1001)), "broker");
        }
    }
}

// Trap 15
#[test]
fn a_wildcard_address_is_never_advertised() {
    for host in ["0.0.0.0", "::", "[::]"] {
        let broker = named("broker");
        let toml = Setup::with(&broker).toml().replace(ADVERTISED_HOST, host);
        let mut proxy = Proxy::spawn(&toml);
        assert_eq!(proxy.wait().code(), Some(78), "{host}");
        let log = proxy.log_text();
        assert!(log.contains("clusters.main.advertised_host"), "{log}");
    }
}

#[test]
fn connections_are_counted_by_route() {
    let broker = named("broker");
    let proxy = Setup::with(&broker).start();
    let gauge = "portolan_connections{cluster=\"main\",route=\"node-0\"}";
    assert_eq!(proxy.metric(gauge), 0.0);
    let clients: Vec<_> = (0..3)
        .map(|_| Client::connect(proxy.node("main", 0)))
        .collect();
    proxy.wait_for_metric(gauge, 3.0);
    drop(clients);
    crate::common::proxy::wait_until("the gauge to fall", || proxy.metric(gauge) == 0.0);
    assert_eq!(
        proxy.metric("portolan_connections_total{cluster=\"main\",route=\"node-0\"}"),
        3.0
    );
    assert_eq!(
        proxy.metric("portolan_connections_total{cluster=\"main\",route=\"bootstrap\"}"),
        0.0
    );
    let connected = "portolan_upstream_connect_seconds_count{cluster=\"main\"}";
    assert_eq!(proxy.metric(connected), 0.0, "they asked for nothing");
    who(proxy.node("main", 0));
    assert_eq!(proxy.metric(connected), 1.0);
}

#[test]
fn bytes_are_counted_in_both_directions() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (client, _link) = crate::setup::talking(&proxy, &broker);
    let sent = heartbeat(1000).len() as f64;
    let bytes = |direction: &str| {
        proxy.metric(&format!(
            "portolan_bytes_total{{cluster=\"main\",direction=\"{direction}\"}}"
        ))
    };
    assert_eq!(bytes("request"), sent);
    assert_eq!(bytes("response"), 13.0);
    let mut stream = client.stream();
    stream.set_nonblocking(true).unwrap();
    assert!(stream.read(&mut [0]).is_err(), "nothing more came");
}
