//! Peers that speak something else than the port does: recognised, told once with a remedy, counted.

use std::io::Write;

use super::{NAME, Pki, is_served};
use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::frames;
use crate::common::proxy::Proxy;
use crate::setup::{Setup, heartbeat, told_end, wait_for_ends};

fn start(pki: &Pki) -> (Proxy, Broker) {
    let broker = super::alive();
    let setup = Setup::with(&broker).section(&pki.tls(&[NAME], ""));
    (setup.start(), broker)
}

/// Sends these first bytes to a TLS port, at once and byte by byte.
fn recognised(first: &[u8], reason: &str, message: &str, remedy: &str) {
    let pki = Pki::new();
    let (proxy, broker) = start(&pki);
    for piece in [first.len(), 1] {
        let mut client = Client::connect(proxy.bootstrap("main"));
        for bytes in first.chunks(piece) {
            // It may be recognised, and cut off, before the last piece.
            if client.try_send(bytes).is_err() {
                break;
            }
        }
        let (bytes, _) = client.rest();
        // At most an alert.
        assert!(bytes.len() <= 7, "{}", bytes.escape_ascii());
    }
    wait_for_ends(&proxy, reason, 2);
    let (told, advice) = told_end(&proxy, reason);
    assert_eq!(told, format!("session ended: {message}"));
    assert!(advice.contains(remedy), "{advice}");
    let told = proxy.log().into_iter().filter(|l| l["level"] == "WARN");
    assert_eq!(
        told.count(),
        1,
        "the second within a minute is only counted"
    );
    assert_eq!(broker.connections(), 0);
    let client = Client::connect(proxy.bootstrap("main"));
    is_served(&mut client.secured(&pki.client(), NAME));
}

// Trap 7
#[test]
fn plaintext_on_a_tls_port_is_recognised() {
    for first in [
        heartbeat(1).as_slice(),
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
        &[0; 64],
        // An alert instead of a handshake.
        &[0x15, 3, 3, 0, 2, 2, 80],
        &[0xff; 300],
    ] {
        recognised(
            first,
            "plaintext_on_tls_port",
            "the client sent plaintext to a TLS port",
            "security.protocol=SSL (or SASL_SSL)",
        );
    }
}

// Trap 7
#[test]
fn http_on_a_tls_port_is_recognised() {
    recognised(
        b"GET /healthz HTTP/1.1\r\nhost: kafka\r\n\r\n",
        "http_on_kafka_port",
        "the client sent an HTTP request to a Kafka port",
        "admin.listen",
    );
}

// Trap 7
#[test]
fn a_proxy_protocol_header_on_a_tls_port_is_recognised() {
    recognised(
        b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 9092\r\n",
        "proxy_protocol_on_kafka_port",
        "a PROXY protocol header came before the first request",
        "turn PROXY protocol off",
    );
}

#[test]
fn what_only_begins_as_tls_does_is_refused() {
    let pki = Pki::new();
    let (proxy, broker) = start(&pki);
    let garbage = [&[22, 3, 1, 0, 64], [0xa5; 64].as_slice()].concat();
    // A record that is too long, another message than a ClientHello, an empty ClientHello.
    let too_long = [22, 3, 1, 0xff, 0xff];
    let finished = [22, 3, 1, 0, 4, 20, 0, 0, 0];
    let empty = [22, 3, 1, 0, 4, 1, 0, 0, 0];
    let all: [&[u8]; 4] = [&garbage, &too_long, &finished, &empty];
    for (n, first) in all.into_iter().enumerate() {
        let mut client = Client::connect(proxy.bootstrap("main"));
        client.send(first);
        let (alert, _) = client.rest();
        assert!(
            alert.is_empty() || alert[0] == 21,
            "{}",
            alert.escape_ascii()
        );
        wait_for_ends(&proxy, "tls_handshake_failed", n + 1);
    }
    assert_eq!(broker.connections(), 0);
    let client = Client::connect(proxy.bootstrap("main"));
    is_served(&mut client.secured(&pki.client(), NAME));
}

// Trap 7
#[test]
fn a_tls_client_at_a_plaintext_port_is_recognised() {
    let pki = Pki::new();
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let mut client = Client::connect(proxy.bootstrap("main"));
    client
        .secure(Client::tls(&pki.client(), NAME))
        .expect_err("there is no TLS");
    let (_, remedy) = told_end(&proxy, "tls_on_plaintext_port");
    assert!(remedy.contains("security.protocol=PLAINTEXT"), "{remedy}");
    assert_eq!(broker.connections(), 0);
}

#[test]
fn a_look_at_a_tls_port_is_no_fault() {
    let pki = Pki::new();
    let (proxy, broker) = start(&pki);
    for n in 0..10 {
        let client = Client::connect(proxy.bootstrap("main"));
        if n % 2 == 0 {
            client.into_wire().reset();
        }
    }
    // A look that goes as far as TLS does, as monitors of certificates do.
    for _ in 0..5 {
        let client = Client::connect(proxy.bootstrap("main")).secured(&pki.client(), NAME);
        client.half_close();
    }
    wait_for_ends(&proxy, "bare_connect", 10);
    let open = "portolan_connections{cluster=\"main\",route=\"bootstrap\"}";
    crate::common::proxy::wait_until("all to end", || proxy.metric(open) == 0.0);
    proxy.assert_calm();
    let ended =
        |line: &serde_json::Value| line["message"] == "session ended" && line["level"] != "DEBUG";
    assert!(!proxy.log().iter().any(ended));
    assert_eq!(broker.connections(), 0);
}

#[test]
fn other_protocols_within_tls_are_recognised() {
    let pki = Pki::new();
    let (proxy, broker) = start(&pki);
    for (first, reason) in [
        (
            &b"GET / HTTP/1.1\r\nhost: kafka\r\n\r\n"[..],
            "http_on_kafka_port",
        ),
        (
            b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
            "proxy_protocol_on_kafka_port",
        ),
        (&[0xff; 64], "bad_request_size"),
    ] {
        let client = Client::connect(proxy.bootstrap("main"));
        let mut client = client.secured(&pki.client(), NAME);
        client.send(first);
        client.end();
        proxy.wait_for_end("main", reason);
    }
    assert_eq!(broker.connections(), 0);
}

#[test]
fn a_client_that_hangs_up_within_the_handshake_is_told() {
    let pki = Pki::new();
    let (proxy, _broker) = start(&pki);
    let mut hello = Vec::new();
    let mut tls = Client::tls(&pki.client(), NAME);
    tls.write_tls(&mut hello).unwrap();
    for cut in [1, 5, 50, hello.len()] {
        let client = Client::connect(proxy.bootstrap("main"));
        client.stream().write_all(&hello[..cut]).unwrap();
        client.half_close();
    }
    wait_for_ends(&proxy, "tls_handshake_failed", 4);
    let (message, _) = told_end(&proxy, "tls_handshake_failed");
    assert_eq!(message, "session ended: TLS handshake: the client hung up");
    frames::assert_no_leak(proxy.log_text().as_bytes());
}
