//! Other protocols on a Kafka port: recognised by their first bytes, told with a remedy, counted.

use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::setup::{Setup, heartbeat, open, talking, told_end, wait_for_ends};

const CLIENT_HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a client hello";

fn recognised(first: &[u8], reason: &str, message: &str, remedy: &str) {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    for piece in [first.len(), 1] {
        let mut client = Client::connect(proxy.bootstrap("main"));
        for bytes in first.chunks(piece) {
            // It may be recognised, and cut off, before the last piece.
            if client.try_send(bytes).is_err() {
                break;
            }
        }
        client.end();
    }
    wait_for_ends(&proxy, reason, 2);
    assert_eq!(
        told_end(&proxy, reason),
        (format!("session ended: {message}"), remedy.to_owned())
    );
    let told = proxy.log().into_iter().filter(|l| l["level"] == "WARN");
    assert_eq!(
        told.count(),
        1,
        "the second within a minute is only counted"
    );
    assert_eq!(broker.connections(), 0);
}

// Trap 7
#[test]
fn tls_on_a_plaintext_port_is_recognised() {
    recognised(
        CLIENT_HELLO,
        "tls_on_plaintext_port",
        "the client sent a TLS handshake to a plaintext port",
        "set security.protocol=PLAINTEXT (or SASL_PLAINTEXT) in the client: this port does not speak TLS",
    );
}

// Trap 7
#[test]
fn http_on_a_kafka_port_is_recognised() {
    for first in [
        &b"GET /healthz HTTP/1.1\r\nhost: kafka\r\n\r\n"[..],
        b"POST / HTTP/1.1\r\n\r\n",
        b"HEAD / HTTP/1.0\r\n\r\n",
    ] {
        recognised(
            first,
            "http_on_kafka_port",
            "the client sent an HTTP request to a Kafka port",
            "this port speaks the Kafka protocol; point HTTP health checks at the admin listener (admin.listen)",
        );
    }
}

// Trap 7
#[test]
fn a_proxy_protocol_header_is_recognised_in_both_versions() {
    for first in [
        &b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 9092\r\n"[..],
        b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x9c\x40\x23\x84",
    ] {
        recognised(
            first,
            "proxy_protocol_on_kafka_port",
            "a PROXY protocol header came before the first request",
            "turn PROXY protocol off in the load balancer in front of this port, or else set proxy_protocol here and put the load \
             balancer's address into proxy_protocol_from",
        );
    }
}

// Trap 7
#[test]
fn a_broker_that_answers_with_a_tls_alert_wants_tls() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (mut client, mut link) = open(&proxy, &broker, &heartbeat(1));
    link.request();
    link.send(&[0x15, 0x03, 0x03, 0, 2, 2, 80]);
    drop(link);
    client.end();
    proxy.wait_for_end("main", "broker_wants_tls");
    assert_eq!(
        told_end(&proxy, "broker_wants_tls"),
        (
            "session ended: the broker answered with a TLS alert".to_owned(),
            "add [clusters.<name>.upstream_tls], or point this cluster's addresses at a listener of the brokers without TLS"
                .to_owned()
        )
    );
}

// Trap 7
#[test]
fn other_protocols_are_recognised_where_requests_may_be_as_large_as_their_first_bytes_say() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[limits]\nrequest_bytes = \"2047MiB\"")
        .start();
    for (first, reason) in [
        (CLIENT_HELLO, "tls_on_plaintext_port"),
        (b"GET / HTTP/1.1\r\n\r\n", "http_on_kafka_port"),
        (
            b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
            "proxy_protocol_on_kafka_port",
        ),
    ] {
        let mut client = Client::connect(proxy.bootstrap("main"));
        client.send(first);
        client.end();
        proxy.wait_for_end("main", reason);
    }
    assert_eq!(broker.connections(), 0);
}

// Trap 7
#[test]
fn only_a_brokers_first_answer_may_be_a_tls_alert() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (mut client, mut link) = talking(&proxy, &broker);
    client.send(&heartbeat(2));
    link.request();
    // A size of 353 MB that begins as an alert does.
    let head = [0x15, 0x03, 0x03, 0, 0, 0, 0, 2];
    link.send(&head);
    assert_eq!(client.read(8), head);
}
