//! Ports that are closed, silent, or something else than Kafka.

use std::net::TcpStream;

use socket2::{Domain, Socket, Type};

use crate::cluster::Cluster;
use crate::common::broker::Broker;
use crate::look;

#[test]
fn a_refused_bootstrap_is_nothing_to_look_at() {
    let mut broker = Broker::start();
    broker.stop();
    let report = look(&broker.address().to_string(), &[]).blind();
    assert_eq!(report.codes(), ["port-refused"]);
    let words = format!(
        "add port {} to the Service or the load balancer",
        broker.address().port()
    );
    report.provokes("port-refused", None, &words);
    assert_eq!(report.json["bootstrap"]["port"], "refused");
}

#[test]
fn a_refused_node_is_told_with_what_it_leads_and_the_others_are_looked_at() {
    let mut cluster = Cluster::start(&[0, 1, 2]);
    cluster.stop(1);
    let report = look(&cluster.target(), &[]).faulty();
    assert_eq!(report.codes(), ["port-refused", "leader-unreachable"]);
    let words = format!(
        "add port {} to the Service or the load balancer",
        cluster.address(1).port()
    );
    let finding = report.provokes("port-refused", Some(1), &words);
    assert_eq!(finding["seen"], "connection refused");
    let finding = report.provokes("leader-unreachable", Some(1), "mend what is said of node 1");
    assert_eq!(finding["seen"], "it leads 1 partition (orders-1)");
    assert_eq!(report.node(1)["port"], "refused");
    for id in [0, 2] {
        assert_eq!(report.node(id)["identity"], "proven");
    }
}

/// A port that drops every attempt to connect: its queue is full, and nobody takes from it.
fn silent_port() -> (Socket, Vec<TcpStream>, u16) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let address: std::net::SocketAddr = "127.0.0.1:0".parse().expect("an address");
    socket.bind(&address.into()).expect("a free port");
    socket.listen(0).expect("a bound socket");
    let address = socket
        .local_addr()
        .expect("it is bound")
        .as_socket()
        .expect("by IP");
    let mut queue = Vec::new();
    // Until the first that is dropped.
    while let Ok(stream) =
        TcpStream::connect_timeout(&address, std::time::Duration::from_millis(500))
    {
        queue.push(stream);
        assert!(queue.len() < 100, "the queue is never full");
    }
    (socket, queue, address.port())
}

#[test]
fn a_port_that_drops_packets_is_told_apart_from_one_that_refuses() {
    let cluster = Cluster::start(&[0, 1]);
    let (_socket, _queue, port) = silent_port();
    cluster
        .state()
        .brokers
        .insert(1, ("127.0.0.1".into(), port));
    let report = look(&cluster.target(), &["--timeout", "5s"]).faulty();
    let words = format!("open {port} from here in firewalls and security groups");
    let finding = report.provokes("port-silent", Some(1), &words);
    assert_eq!(finding["seen"], "no connection within 5s");
    assert_eq!(report.node(1)["port"], "silent");
    assert_eq!(report.node(0)["identity"], "proven");
}

#[test]
fn an_address_without_a_route_is_told() {
    let cluster = Cluster::start(&[0, 1]);
    // Nobody can connect to a broadcast address.
    cluster
        .state()
        .brokers
        .insert(1, ("255.255.255.255".into(), 9093));
    let report = look(&cluster.target(), &[]).faulty();
    report.provokes(
        "host-unreachable",
        Some(1),
        "look at routes, VPN and address family",
    );
}

#[test]
fn what_is_no_kafka_is_told() {
    let http = Broker::serving(|mut link| {
        let _ = link.try_request();
        let _ = link.try_send(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let report = look(&http.address().to_string(), &[]).blind();
    assert_eq!(report.codes(), ["not-kafka"]);
    let finding = report.provokes("not-kafka", None, "give the port of a Kafka listener");
    assert_eq!(finding["seen"], "it speaks HTTP");
    let babble = Broker::answering(|request| {
        Some(request.answer_bytes(&[0x00, 0x00, 0xff, 0xff, 0xff, 0xff]))
    });
    let report = look(&babble.address().to_string(), &[]).blind();
    report.provokes("not-kafka", None, "give the port of a Kafka listener");
}
