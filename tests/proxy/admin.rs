//! What is seen from outside: the admin endpoints, the log, and limits that hold.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use kafka_protocol::messages::MetadataRequest;

use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::frames;
use crate::common::proxy::{PATIENCE, Proxy, wait_until};
use crate::setup::{Setup, answer_heartbeat, heartbeat, open, talking};

/// The whole answer to a request without a body.
fn http(proxy: &Proxy, request: &str) -> String {
    http_with(proxy, request, "")
}

/// The whole answer to a request that may have a body.
pub(crate) fn http_with(proxy: &Proxy, request: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(proxy.admin()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = match body.len() {
        0 => String::new(),
        n => format!("content-length: {n}\r\n"),
    };
    write!(
        stream,
        "{request} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{length}\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_running_proxy_is_alive_and_ready() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    assert_eq!(proxy.get("/livez"), (200, "ok\n".to_owned()));
    assert_eq!(proxy.get("/readyz"), (200, "ok\n".to_owned()));
    assert_eq!(broker.connections(), 0, "neither is about the brokers");
}

#[test]
fn an_unknown_path_is_not_found_and_lists_the_known_ones() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (status, body) = proxy.get("/health");
    assert_eq!(status, 404);
    for path in [
        "/livez",
        "/readyz",
        "/lbz",
        "/status",
        "/metrics",
        "/log-level",
    ] {
        assert!(body.contains(path), "{body}");
    }
}

#[test]
fn only_get_and_head_are_allowed() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    for method in ["POST", "DELETE", "PATCH"] {
        let answer = http(&proxy, &format!("{method} /livez")).to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 405 "), "{answer}");
        assert!(answer.contains("\r\nallow: get, head\r\n"), "{answer}");
    }
    let answer = http(&proxy, "HEAD /livez");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "HEAD has no body: {answer}");
}

#[test]
fn metrics_are_prometheus_text_with_every_series_from_the_start() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let answer = http(&proxy, "GET /metrics");
    assert!(
        answer.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"),
        "{}",
        &answer[..200]
    );
    let (_, body) = proxy.get("/metrics");
    let mut series = 0;
    for line in body.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').expect("a name and a value");
        value.parse::<f64>().expect("a number");
        assert!(
            name.starts_with("portolan_") || name.starts_with("process_"),
            "{name}"
        );
        series += 1;
    }
    assert!(series > 100, "{series} series");
    for series in [
        "portolan_connection_ends_total{cluster=\"main\",reason=\"tls_on_plaintext_port\"}",
        "portolan_unmapped_nodes_total{cluster=\"main\"}",
        "portolan_addresses_rewritten_total{api=\"Metadata\",cluster=\"main\"}",
        "portolan_endpoints_neutralised_total{api=\"Fetch\",cluster=\"main\"}",
        "portolan_bytes_total{cluster=\"main\",direction=\"request\"}",
    ] {
        assert_eq!(proxy.metric(series), 0.0, "{series}");
    }
}

#[test]
fn the_admin_listener_can_be_turned_off() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[admin]\nlisten = \"\"")
        .start();
    assert!(!proxy.log_has("admin listening"));
    let (mut client, mut link) = open(&proxy, &broker, &heartbeat(1));
    answer_heartbeat(&mut client, &mut link, 1);
}

#[test]
fn every_log_line_is_json_whatever_the_peers_send() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[log]\nformat = \"json\"\nlevel = \"trace\"")
        .start();
    // A broker outside the map, whose name is to be logged, and looks like a log line.
    let mut answer = frames::metadata(1, &[0, 66]);
    answer.brokers[1].host =
        "evil\"}\n{\"level\":\"ERROR\",\"message\":\"\u{1b}[31mfake\u{0}\u{7f}"
            .to_owned()
            .into();
    let (mut client, mut link) = open(
        &proxy,
        &broker,
        &frames::request(1, 1, &MetadataRequest::default()),
    );
    let request = link.request();
    link.answer(&request, &answer);
    client.answer::<MetadataRequest>(1, 1);
    let line = proxy.wait_for_log("node 66 is not in the port map");
    assert_eq!(line["level"], "WARN");
    for first in [
        &b"\xff\xff\xff\xff"[..],
        b"GET / HTTP/1.1",
        b"\x16\x03\x01\x00",
    ] {
        let mut client = Client::connect(proxy.bootstrap("main"));
        client.send(first);
        client.rest();
    }
    proxy.wait_for_end("main", "tls_on_plaintext_port");
    proxy.wait_for_log("session ended: the client sent a TLS handshake to a plaintext port");
    let log = proxy.log();
    assert!(log.len() >= 8, "{}", proxy.log_text());
    for line in log {
        for key in ["timestamp", "level", "message"] {
            assert!(line[key].is_string(), "no {key} in {line}");
        }
        assert_ne!(line["level"], "ERROR", "{line}");
    }
}

#[test]
fn text_log_lines_have_no_colour_where_there_is_no_terminal() {
    let broker = Broker::start();
    let toml = Setup::with(&broker)
        .section("[log]\nformat = \"text\"\nlevel = \"info\"")
        .toml();
    let proxy = Proxy::spawn(&toml);
    wait_until("the proxy to be ready", || {
        proxy.log_text().contains("ready")
    });
    let log = proxy.log_text();
    assert!(log.contains("INFO listening cluster="), "{log}");
    assert!(!log.contains("\\u001b"), "{log}");
}

#[test]
fn the_end_of_a_session_is_logged_with_who_where_what_and_how_much() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (mut client, mut link) = talking(&proxy, &broker);
    let begin = Instant::now();
    client.send(&heartbeat(1));
    link.request();
    // Long enough to be seen in milliseconds.
    wait_until("a moment", || begin.elapsed() >= Duration::from_millis(5));
    link.send(&frames::framed(b"\0\0\0\x09wrong"));
    client.end();
    let line = proxy.wait_for_log("session ended: correlation id 9 where 1 was due");
    assert_eq!(line["level"], "WARN");
    assert_eq!(line["cluster"], "main");
    assert_eq!(line["route"], "bootstrap");
    assert_eq!(line["client"], client.local_address().to_string());
    assert_eq!(line["api"], "Heartbeat");
    assert_eq!(line["in_flight"], 1);
    assert_eq!(line["request_bytes"], 2 * heartbeat(1).len());
    assert_eq!(line["response_bytes"], 13);
    assert!(line["seconds"].as_f64().is_some_and(|n| n >= 0.005));
}

#[test]
fn a_fault_is_told_once_for_each_route() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let wrong = frames::raw_request(9999, 0, 1, b"");
    for address in [proxy.bootstrap("main"), proxy.node("main", 0)] {
        for _ in 0..2 {
            let mut client = Client::connect(address);
            client.send(&wrong);
            client.end();
        }
    }
    crate::setup::wait_for_ends(&proxy, "refused_request", 4);
    let told = || {
        let log = proxy.log().into_iter();
        let lines = log.filter(|line| line["reason"] == "refused_request");
        lines.map(|line| line["route"].clone()).collect::<Vec<_>>()
    };
    wait_until("both lines", || told().len() >= 2);
    assert_eq!(told(), ["bootstrap", "node-0"]);
}

#[test]
fn no_more_connections_are_served_than_allowed_and_the_next_one_waits() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[limits]\nconnections = 2")
        .start();
    let first = talking(&proxy, &broker);
    let mut second = talking(&proxy, &broker);
    // One at each port: a limit that each port had for itself would let them in.
    let mut waiting = [proxy.bootstrap("main"), proxy.node("main", 0)].map(|address| {
        let mut client = Client::connect(address);
        client.send(&heartbeat(3));
        client
    });
    let line = proxy.wait_for_log("as many connections are open as there may be");
    assert_eq!(line["connections"], 2);
    assert_eq!(broker.connections(), 2);
    // Those that are served go on.
    crate::setup::exchange(&mut second.0, &mut second.1, 4);
    drop(first);
    let mut link = broker.accept();
    let request = link.request();
    link.send(&request.answer_bytes(b"alive"));
    wait_until("one of them to be served", || {
        waiting.iter().any(|client| !client.is_silent())
    });
    assert_eq!(broker.connections(), 3);
    drop((second, link));
    let mut link = broker.accept();
    let request = link.request();
    link.send(&request.answer_bytes(b"alive"));
    for client in &mut waiting {
        client.frame();
    }
    assert!(!proxy.log_has("new connections are served again"));
    drop(waiting);
    // Told when one of them is, at its port.
    wait_until("room", || {
        let _client = Client::connect(proxy.node("main", 0));
        proxy.log_has("new connections are served again")
    });
    let over = proxy.wait_for_log("new connections are served again");
    assert_eq!(
        (&over["level"], &over["route"]),
        (&"INFO".into(), &"node-0".into())
    );
}
