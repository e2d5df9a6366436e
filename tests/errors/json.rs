//! What a running proxy really writes: lines for machines have the fields of the page, lines for people are the default.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde_json::Value;
use socket2::{Domain, Socket, Type};

use crate::common::client::Client;
use crate::common::frames;
use crate::common::proxy::{Proxy, wait_until};
use crate::page::rows;
use crate::pattern::fits;

/// A cluster whose broker, at this port, is not there.
fn config(port: u16) -> String {
    format!(
        "[clusters.main]\nbootstrap_servers = [\"127.0.0.1:{port}\"]\nadvertised_host = \"kafka.example.com\"\n\
         listen_address = \"127.0.0.1\"\nbootstrap_port = 0\n\
         [[clusters.main.nodes]]\nids = 0\nport = 0\naddress = \"127.0.0.1:{port}\"\n"
    )
}

/// A port that refuses, and that nobody else gets while the socket is there.
fn refusing() -> (Socket, u16) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any.into()).expect("a port");
    let address = socket.local_addr().ok().and_then(|own| own.as_socket());
    let port = address.expect("an address").port();
    (socket, port)
}

/// Lets a client speak TLS, and another one ask for a broker that is not there.
fn go_wrong(proxy: &Proxy) {
    for first in [
        b"\x16\x03\x01\x00".to_vec(),
        frames::raw_request(12, 0, 1, b""),
    ] {
        let mut client = Client::connect(proxy.bootstrap("main"));
        client.send(&first);
        client.end();
    }
    for reason in ["tls_on_plaintext_port", "connect_failed"] {
        proxy.wait_for_end("main", reason);
    }
    proxy.wait_for_log("session ended: ");
}

#[test]
fn each_line_for_machines_has_the_fields_and_the_words_of_the_page() {
    let (_refusing, port) = refusing();
    let mut proxy = Proxy::start(&config(port));
    go_wrong(&proxy);
    proxy.terminate();
    assert!(proxy.wait().success());
    let fields: BTreeSet<String> = rows("field").iter().map(|row| row.code()).collect();
    let lines = rows("log line");
    let mut seen = BTreeSet::new();
    for line in proxy.log() {
        let object = line.as_object().expect("an object");
        for key in object.keys() {
            assert!(fields.contains(key), "`{key}` in {line}");
        }
        for always in ["timestamp", "level", "message"] {
            assert!(object.contains_key(always), "no {always} in {line}");
        }
        let text = |key: &str| line[key].as_str().unwrap_or_default();
        if text("level") != "DEBUG" {
            let row = lines
                .iter()
                .find(|row| row.level() == text("level") && fits(&row.code(), text("message")));
            let row = row.unwrap_or_else(|| panic!("no row for {line}"));
            seen.insert(row.code());
        }
    }
    for message in ["session ended: …", "cannot connect: …", "ready", "drained"] {
        assert!(seen.contains(message), "{message} in {seen:?}");
    }
    assert_names_all(&proxy);
}

/// An abnormal end says once whose connection it was, where it led, what was asked for, why, and what to do.
fn assert_names_all(proxy: &Proxy) {
    let log = proxy.log();
    let ends: Vec<&Value> = log
        .iter()
        .filter(|line| line["reason"] == "tls_on_plaintext_port")
        .collect();
    assert_eq!(ends.len(), 1, "{ends:?}");
    for text in ["client", "cluster", "route", "broker", "api", "remedy"] {
        assert!(ends[0][text].is_string(), "{text} in {}", ends[0]);
    }
    for number in [
        "in_flight",
        "request_bytes",
        "response_bytes",
        "seconds",
        "repeats",
    ] {
        assert!(ends[0][number].is_number(), "{number} in {}", ends[0]);
    }
}

#[test]
fn lines_are_for_people_unless_they_are_to_be_for_machines() {
    let (_refusing, port) = refusing();
    // A section that says nothing of the format.
    let proxy = Proxy::spawn(&format!("{}[log]\nlevel = \"info\"\n", config(port)));
    wait_until("the proxy to be ready", || {
        proxy.log_text().contains("ready")
    });
    for line in proxy.log() {
        let line = line.as_str().expect("no object");
        assert!(line.contains(" INFO "), "{line}");
    }
}
