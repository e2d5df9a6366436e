//! PROXY protocol over sockets: who a client is said to be, who may say so, and what becomes of headers that are none.

mod believed;
mod refused;

use std::net::{IpAddr, Ipv4Addr};

use serde_json::Value;

use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::proxy::{Proxy, wait_until};
use crate::headers::{v1, v2, v2_local, v2_raw};
use crate::setup::{Setup, answer_heartbeat, heartbeat, wait_for_ends};

/// A peer that is not in [`TRUSTED`].
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

const TRUSTED: &str = "proxy_protocol_from = [\"127.0.0.1\"]";

/// A proxy in front of a broker, with a mode of PROXY protocol.
pub(crate) fn setup(broker: &Broker, mode: &str) -> Setup {
    Setup::with(broker)
        .line(&format!("proxy_protocol = {mode:?}"))
        .line(TRUSTED)
}

/// The client's request reaches the broker, and the answer the client; then the client closes.
fn serves(broker: &Broker, mut client: Client) {
    let mut link = broker.accept();
    answer_heartbeat(&mut client, &mut link, 1);
    drop(client);
    link.end();
}

/// The lines of sessions that ended for a reason.
fn ended(proxy: &Proxy, reason: &str) -> Vec<Value> {
    let mut log = proxy.log();
    log.retain(|line| line["reason"] == reason);
    log
}

/// The client of the session that ended first for a reason, as logged.
fn client_of(proxy: &Proxy, reason: &str) -> String {
    let mut found = None;
    wait_until(reason, || {
        let line = ended(proxy, reason).into_iter().next();
        found = line.and_then(|line| line["client"].as_str().map(str::to_owned));
        found.is_some()
    });
    found.unwrap()
}

/// Headers that say who the client is, and as whom it is logged.
fn telling() -> Vec<(Vec<u8>, &'static str)> {
    let tlvs: [(u8, &[u8]); 4] = [
        (0x01, b"kafka"),
        (0x20, &[0; 5]),
        (0x04, &[0; 300]),
        (0xee, b"?"),
    ];
    let (v4, v6) = ("203.0.113.7:4711", "[2001:db8::7]:4711");
    vec![
        (v1(v4, "192.0.2.1:9092"), v4),
        (v1(v6, "[2001:db8::1]:9092"), v6),
        (v2(v4, "192.0.2.1:9092", &[]), v4),
        (v2(v6, "[2001:db8::1]:9092", &[]), v6),
        (v2(v4, "192.0.2.1:9092", &tlvs), v4),
        (
            v2("[::ffff:203.0.113.7]:4711", "[2001:db8::1]:9092", &[]),
            v4,
        ),
    ]
}

#[test]
fn the_client_in_a_header_is_the_one_in_the_log_whether_it_comes_at_once_or_byte_by_byte() {
    let broker = Broker::start();
    for mode in ["required", "optional"] {
        for (header, expected) in telling() {
            let proxy = setup(&broker, mode).start();
            for piece in [usize::MAX, header.len(), 1] {
                let mut client = Client::connect(proxy.bootstrap("main"));
                client.send_in_pieces(&[header.clone(), heartbeat(1)].concat(), piece);
                serves(&broker, client);
            }
            wait_for_ends(&proxy, "client_closed", 3);
            wait_until("three lines", || ended(&proxy, "client_closed").len() == 3);
            for line in ended(&proxy, "client_closed") {
                assert_eq!(line["client"], expected, "{}", header.escape_ascii());
            }
            proxy.assert_calm();
        }
    }
}

#[test]
fn a_header_that_tells_no_address_leaves_the_peers_own() {
    let broker = Broker::start();
    for header in [
        v2_local(),
        // LOCAL with addresses, which are to be skipped.
        v2_raw(0x20, 0x11, &[9; 12]),
        // UNSPEC with something in it, and a UNIX socket.
        v2_raw(0x21, 0x00, &[0x04, 0, 1, 0]),
        v2_raw(0x21, 0x31, &[b'a'; 216]),
        b"PROXY UNKNOWN\r\n".to_vec(),
        b"PROXY UNKNOWN whatever else\r\n".to_vec(),
    ] {
        let proxy = setup(&broker, "required").start();
        let mut client = Client::connect(proxy.bootstrap("main"));
        client.send(&[header, heartbeat(1)].concat());
        let own = client.local_address().to_string();
        serves(&broker, client);
        assert_eq!(client_of(&proxy, "client_closed"), own);
        proxy.assert_calm();
    }
}

#[test]
fn a_health_check_is_no_fault_with_a_header_or_without() {
    let broker = Broker::start();
    for mode in ["required", "optional"] {
        let proxy = setup(&broker, mode).start();
        drop(Client::connect(proxy.bootstrap("main")));
        for header in [v2_local(), v1("203.0.113.7:1", "192.0.2.1:9092")] {
            let mut client = Client::connect(proxy.bootstrap("main"));
            client.send(&header);
            client.half_close();
            client.end();
        }
        drop(Client::connect_from(STRANGER, proxy.bootstrap("main")));
        wait_for_ends(&proxy, "bare_connect", 4);
        proxy.assert_calm();
    }
    assert_eq!(broker.connections(), 0);
}

#[test]
fn where_headers_are_optional_a_client_may_come_without() {
    let broker = Broker::start();
    let proxy = setup(&broker, "optional").start();
    for source in [IpAddr::V4(Ipv4Addr::LOCALHOST), STRANGER] {
        let mut client = Client::connect_from(source, proxy.bootstrap("main"));
        client.send_in_pieces(&heartbeat(1), 1);
        serves(&broker, client);
    }
    proxy.assert_calm();
}
