//! Nodes without a configured address: where they are is learned from brokers' answers, or asked for.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::metadata_response::MetadataResponseBroker;
use kafka_protocol::messages::{
    BrokerId, DescribeClusterRequest, DescribeClusterResponse, FindCoordinatorRequest,
    FindCoordinatorResponse, MetadataRequest, MetadataResponse,
};

use crate::common::broker::{Broker, Received};
use crate::common::client::Client;
use crate::common::frames;
use crate::common::proxy::Proxy;
use crate::setup::{Setup, answer_heartbeat, heartbeat, wait_for_ends};
use crate::time::deaf;

/// A Metadata answer that says where these nodes are.
pub(crate) fn located(nodes: &[(i32, &Broker)]) -> MetadataResponse {
    let brokers = nodes.iter().map(|(id, broker)| at(*id, broker.address()));
    MetadataResponse::default().with_brokers(brokers.collect())
}

fn at(id: i32, address: SocketAddr) -> MetadataResponseBroker {
    MetadataResponseBroker::default()
        .with_node_id(BrokerId(id))
        .with_host(address.ip().to_string().into())
        .with_port(address.port().into())
}

/// A bootstrap server that gives every request this answer.
pub(crate) fn bootstrap(answer: MetadataResponse) -> Broker {
    Broker::answering(move |request| Some(request.answer(&answer)))
}

/// A client comes to a node's port and to that broker.
fn reach(proxy: &Proxy, id: i32, broker: &Broker) {
    let mut client = Client::connect(proxy.node("main", id));
    client.send(&heartbeat(1));
    answer_heartbeat(&mut client, &mut broker.accept(), 1);
}

fn fail(proxy: &Proxy, id: i32) -> serde_json::Value {
    let mut client = Client::connect(proxy.node("main", id));
    client.send(&heartbeat(1));
    client.end();
    proxy.wait_for_log("cannot connect")
}

// Trap 12
#[test]
fn addresses_are_learned_from_metadata_that_passes() {
    let nodes = [Broker::start(), Broker::start()];
    let bootstrap = bootstrap(located(&[(0, &nodes[0]), (1, &nodes[1])]));
    let proxy = Setup::bootstrap(bootstrap.address())
        .nodes("0-1", None)
        .start();
    let mut client = Client::connect(proxy.bootstrap("main"));
    client.ask(1, &MetadataRequest::default());
    reach(&proxy, 0, &nodes[0]);
    reach(&proxy, 1, &nodes[1]);
    assert_eq!(bootstrap.connections(), 1, "nobody had to be asked");
    proxy.assert_calm();
}

// Trap 12
#[test]
fn addresses_are_learned_from_find_coordinator_and_describe_cluster() {
    let nodes = [Broker::start(), Broker::start()];
    let ports = [0, 1].map(|n: usize| i32::from(nodes[n].address().port()));
    let bootstrap = Broker::answering(move |request: &Received| {
        Some(match request.api_key {
            10 => request.answer(
                &FindCoordinatorResponse::default()
                    .with_node_id(BrokerId(0))
                    .with_host("127.0.0.1".into())
                    .with_port(ports[0]),
            ),
            _ => request.answer(&DescribeClusterResponse::default().with_brokers(vec![
                DescribeClusterBroker::default()
                    .with_broker_id(BrokerId(1))
                    .with_host("127.0.0.1".into())
                    .with_port(ports[1]),
            ])),
        })
    });
    let proxy = Setup::bootstrap(bootstrap.address())
        .nodes("0-1", None)
        .start();
    let mut client = Client::connect(proxy.bootstrap("main"));
    client.ask(2, &FindCoordinatorRequest::default());
    client.ask(0, &DescribeClusterRequest::default());
    reach(&proxy, 0, &nodes[0]);
    reach(&proxy, 1, &nodes[1]);
    assert_eq!(bootstrap.connections(), 1, "nobody had to be asked");
}

// Trap 12
#[test]
fn a_node_dialled_first_is_asked_for_at_the_bootstrap_servers() {
    let node = Broker::start();
    let bootstrap = bootstrap(located(&[(1001, &node)]));
    let proxy = Setup::bootstrap(bootstrap.address())
        .nodes("1001", None)
        .start();
    reach(&proxy, 1001, &node);
    reach(&proxy, 1001, &node);
    assert_eq!(bootstrap.connections(), 1, "it is asked for once");
    proxy.assert_calm();
}

// Trap 12
#[test]
fn a_rush_of_clients_asks_once() {
    let node = Broker::answering(|request| Some(request.answer_bytes(b"alive")));
    let bootstrap = bootstrap(located(&[(0, &node)]));
    let proxy = Setup::bootstrap(bootstrap.address())
        .nodes("0", None)
        .start();
    let mut clients: Vec<Client> = (0..50)
        .map(|_| Client::connect(proxy.node("main", 0)))
        .collect();
    for client in &mut clients {
        client.send(&heartbeat(1));
    }
    for client in &mut clients {
        client.frame();
    }
    assert_eq!(bootstrap.connections(), 1);
    assert_eq!(node.connections(), 50);
}

// Trap 12
#[test]
fn a_learned_address_that_went_stale_is_asked_for_again() {
    let mut old = Broker::start();
    let new = Broker::start();
    let moved = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let bootstrap = Broker::answering({
        let (before, after) = (located(&[(0, &old)]), located(&[(0, &new)]));
        let moved = moved.clone();
        move |request| {
            let now = moved.load(std::sync::atomic::Ordering::SeqCst);
            Some(request.answer(if now { &after } else { &before }))
        }
    });
    let proxy = Setup::bootstrap(bootstrap.address())
        .nodes("0", None)
        .start();
    reach(&proxy, 0, &old);
    old.stop();
    moved.store(true, std::sync::atomic::Ordering::SeqCst);
    reach(&proxy, 0, &new);
    assert_eq!(bootstrap.connections(), 2);
    proxy.assert_calm();
}

// Trap 12
#[test]
fn a_learned_address_that_went_silent_leaves_time_to_ask() {
    let (_socket, _waiting, silent) = deaf();
    let node = Broker::start();
    let bootstrap = Broker::answering({
        let asked = AtomicUsize::new(0);
        let before = MetadataResponse::default().with_brokers(vec![at(0, silent)]);
        let after = located(&[(0, &node)]);
        move |request| {
            let first = asked.fetch_add(1, Ordering::SeqCst) == 0;
            Some(request.answer(if first { &before } else { &after }))
        }
    });
    let proxy = Setup::bootstrap(bootstrap.address())
        .nodes("0", None)
        .section("[timeouts]\nconnect = \"4s\"")
        .start();
    let mut client = Client::connect(proxy.bootstrap("main"));
    client.ask(1, &MetadataRequest::default());
    reach(&proxy, 0, &node);
    proxy.assert_calm();
}

// Trap 12
#[test]
fn brokers_that_want_sasl_cannot_be_asked_and_the_log_says_what_to_do() {
    let bootstrap = Broker::serving(|mut link| {
        link.try_request();
    });
    let proxy = Setup::bootstrap(bootstrap.address())
        .nodes("0", None)
        .start();
    let line = fail(&proxy, 0);
    assert_eq!(
        line["message"],
        format!(
            "cannot connect: cannot learn the address of node 0: {} closed the connection instead of answering; \
             if the brokers want SASL they cannot be asked: set `address` in the [[nodes]] entry",
            bootstrap.address()
        )
    );
    assert_eq!(line["reason"], "cannot_learn");
    wait_for_ends(&proxy, "connect_failed", 1);
}

// Trap 12
#[test]
fn a_node_that_the_brokers_do_not_know_is_told_so() {
    let node = Broker::start();
    let bootstrap = bootstrap(located(&[(0, &node)]));
    let proxy = Setup::bootstrap(bootstrap.address())
        .nodes("0-1", None)
        .start();
    let line = fail(&proxy, 1);
    assert_eq!(
        line["message"],
        "cannot connect: node 1 is in the port map, but the brokers know no node with that id now: it is down or starting, or else take it out of `ids`"
    );
    assert_eq!(line["reason"], "unknown_node");
    reach(&proxy, 0, &node);
}

// Trap 12
#[test]
fn a_node_that_the_brokers_know_no_more_is_told_so_and_not_dialled_where_it_was() {
    let mut node = Broker::start();
    let other = Broker::start();
    let left = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let bootstrap = Broker::answering({
        let (before, after) = (located(&[(0, &node)]), located(&[(5, &other)]));
        let left = left.clone();
        move |request| {
            let now = left.load(std::sync::atomic::Ordering::SeqCst);
            Some(request.answer(if now { &after } else { &before }))
        }
    });
    let proxy = Setup::bootstrap(bootstrap.address())
        .nodes("0", None)
        .start();
    reach(&proxy, 0, &node);
    node.stop();
    left.store(true, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(fail(&proxy, 0)["reason"], "unknown_node");
}

// Trap 12
#[test]
fn where_addresses_are_learned_an_unmapped_node_needs_none_in_the_configuration() {
    let node = Broker::start();
    let bootstrap = bootstrap(located(&[(0, &node), (7, &node)]));
    let proxy = Setup::bootstrap(bootstrap.address())
        .nodes("0", None)
        .start();
    let mut client = Client::connect(proxy.bootstrap("main"));
    client.ask(1, &MetadataRequest::default());
    let line = proxy.wait_for_log("node 7 is not in the port map");
    let text = line["message"].as_str().unwrap();
    assert!(text.contains("ids = \"7\", port = "), "{text}");
    assert!(!text.contains("address = "), "{text}");
}

// Trap 12
#[test]
fn what_is_no_answer_to_the_question_is_told_as_what_it_is() {
    type Answer = fn(&Received) -> Vec<u8>;
    let answers: [(Answer, &str); 3] = [
        (
            |_| frames::response(4711, 1, &located(&[])),
            "gave no answer that can be read: the correlation id differs",
        ),
        (
            |request| {
                let size = (1i32 << 20) + 1;
                let id = request.correlation_id;
                [size.to_be_bytes(), id.to_be_bytes()].concat()
            },
            "gave no answer that can be read: 1048577 bytes",
        ),
        (
            |request| {
                let whole = request.answer(&located(&[]));
                whole[..whole.len() - 1].to_vec()
            },
            "closed the connection instead of answering",
        ),
    ];
    for (answer, told) in answers {
        let bootstrap = Broker::serving(move |mut link| {
            if let Some(request) = link.try_request() {
                link.send(&answer(&request));
            }
        });
        let proxy = Setup::bootstrap(bootstrap.address())
            .nodes("0", None)
            .start();
        let line = fail(&proxy, 0);
        let expected = format!("{} {told};", bootstrap.address());
        assert!(
            line["message"].as_str().unwrap().contains(&expected),
            "{line}"
        );
    }
}

// Trap 12
#[test]
fn a_hostile_answer_to_the_question_is_a_fault_and_not_a_crash() {
    for body in [
        &b"\x7f\xff\xff\xff"[..],
        b"\xff\xff\xff\xfe",
        b"\0\0\0\x01\0\0\0\0\x7f\xff",
        b"",
    ] {
        let body = body.to_vec();
        let bootstrap = Broker::answering(move |request| Some(request.answer_bytes(&body)));
        let proxy = Setup::bootstrap(bootstrap.address())
            .nodes("0", None)
            .start();
        let line = fail(&proxy, 0);
        assert_eq!(line["reason"], "cannot_learn", "{line}");
    }
}

// Trap 12
#[test]
fn brokers_that_advertise_the_proxy_itself_end_after_one_hop() {
    let own = std::sync::Arc::new(std::sync::OnceLock::new());
    let bootstrap = Broker::answering({
        let own = own.clone();
        move |request| {
            let broker = MetadataResponseBroker::default()
                .with_host("127.0.0.1".into())
                .with_port(*own.get()?);
            let answer = MetadataResponse::default().with_brokers(vec![broker]);
            Some(request.answer(&answer))
        }
    });
    let proxy = Setup::bootstrap(bootstrap.address())
        .nodes("0", None)
        .start();
    own.set(i32::from(proxy.node("main", 0).port())).unwrap();
    let mut client = Client::connect(proxy.node("main", 0));
    client.send(&heartbeat(1));
    client.end();
    wait_for_ends(&proxy, "loop", 1);
    let opened = "portolan_connections_total{cluster=\"main\",route=\"node-0\"}";
    assert_eq!(proxy.metric(opened), 2.0, "the client's and one of its own");
}

// Trap 12
#[test]
fn a_bootstrap_server_that_accepts_and_says_nothing_does_not_keep_the_next_from_being_asked() {
    let node = Broker::start();
    let silent = Broker::start();
    let closing = Broker::serving(drop);
    let knowing = bootstrap(located(&[(7, &node)]));
    let proxy = Setup::bootstrap(silent.address())
        .or(closing.address())
        .or(knowing.address())
        .nodes("7", None)
        .section("[timeouts]\nconnect = \"3s\"")
        .start();
    reach(&proxy, 7, &node);
    proxy.assert_calm();
}
