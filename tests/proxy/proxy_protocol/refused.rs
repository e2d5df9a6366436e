//! Headers that are none, that are missing, and that come from peers who are not believed.

use super::{STRANGER, client_of, ended, setup};
use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::proxy::Proxy;
use crate::headers::{v2, v2_raw};
use crate::setup::{heartbeat, told_end, wait_for_ends};

#[test]
fn where_headers_are_required_a_client_without_one_is_told_once_and_counted_each_time() {
    let broker = Broker::start();
    let proxy = setup(&broker, "required").start();
    for _ in 0..3 {
        let mut client = Client::connect(proxy.bootstrap("main"));
        client.send(&heartbeat(1));
        client.end();
    }
    wait_for_ends(&proxy, "proxy_header_missing", 3);
    assert_eq!(
        told_end(&proxy, "proxy_header_missing"),
        (
            "session ended: no PROXY protocol header: the first bytes are something else".to_owned(),
            "turn PROXY protocol on in the load balancer and put its network into proxy_protocol_from, or set proxy_protocol = \"optional\"".to_owned()
        )
    );
    assert_eq!(ended(&proxy, "proxy_header_missing").len(), 1);
    assert_eq!(broker.connections(), 0);
}

#[test]
fn a_stranger_that_is_silent_counts_by_its_own_address() {
    let broker = Broker::start();
    let proxy = setup(&broker, "required")
        .section("[limits]\nconnections_per_client = 3")
        .start();
    let connect = || Client::connect_from(STRANGER, proxy.bootstrap("main"));
    let silent: Vec<Client> = (0..3).map(|_| connect()).collect();
    let mut more = connect();
    more.end();
    wait_for_ends(&proxy, "connections_per_client", 1);
    drop(silent);
}

#[test]
fn a_stranger_is_not_believed() {
    let broker = Broker::start();
    let header = v2("10.1.1.1:4711", "192.0.2.1:9092", &[]);
    let bytes = [header, heartbeat(1)].concat();
    // Nobody would be admitted by their own address.
    let access = "allow = [\"10.0.0.0/8\"]";
    let proxy = setup(&broker, "required").line(access).start();
    let mut client = Client::connect_from(STRANGER, proxy.bootstrap("main"));
    client.send(&bytes);
    client.end();
    let (told, _) = told_end(&proxy, "proxy_header_missing");
    assert_eq!(
        told,
        "session ended: no PROXY protocol header: 127.0.0.2 is not in proxy_protocol_from"
    );

    let proxy = setup(&broker, "optional").line(access).start();
    let mut client = Client::connect_from(STRANGER, proxy.bootstrap("main"));
    client.send(&bytes);
    client.end();
    assert!(client_of(&proxy, "not_allowed").starts_with("127.0.0.2:"));

    let proxy = setup(&broker, "optional").start();
    let mut client = Client::connect_from(STRANGER, proxy.bootstrap("main"));
    client.send(&bytes);
    client.end();
    told_end(&proxy, "proxy_protocol_on_kafka_port");
    assert_eq!(broker.connections(), 0);
}

#[test]
fn headers_that_are_none_are_refused_and_counted() {
    let mut crc = v2("10.1.1.1:1", "10.1.1.2:2", &[(0x03, &[1, 2, 3, 4])]);
    crc.extend(heartbeat(1));
    let bad: Vec<Vec<u8>> = vec![
        b"PROXY TCP4 10.1.1.1 10.1.1.2 1\r\n".to_vec(),
        b"PROXY TCP4 10.1.1.1 ::1 1 2\r\n".to_vec(),
        b"PROXY TCP4 10.1.1.1 10.1.1.2 1 70000\r\n".to_vec(),
        b"PROXY TCP4 10.1.1.1 10.1.1.2 1 2\n".to_vec(),
        b"PROXYTCP4 ".to_vec(),
        // Without an end.
        [b"PROXY TCP4 ".to_vec(), vec![b'1'; 200]].concat(),
        // Another version, command, family; too short for its addresses; a TLV that runs over; too long for any.
        v2_raw(0x11, 0x11, &[0; 12]),
        v2_raw(0x22, 0x11, &[0; 12]),
        v2_raw(0x21, 0x41, &[0; 12]),
        v2_raw(0x21, 0x11, &[0; 11]),
        v2_raw(0x21, 0x11, &[&[0; 12][..], &[4, 0, 9, 1]].concat()),
        v2_raw(0x21, 0x11, &[0; 5000]),
        crc,
    ];
    let broker = Broker::start();
    for mode in ["required", "optional"] {
        let proxy = setup(&broker, mode).start();
        for bytes in &bad {
            for piece in [bytes.len(), 1] {
                refused(&proxy, bytes, piece, |_| {});
            }
        }
        wait_for_ends(&proxy, "bad_proxy_header", 2 * bad.len());
        let lines = ended(&proxy, "bad_proxy_header");
        assert_eq!(lines.len(), 1, "told once");
        let (told, remedy) = told_end(&proxy, "bad_proxy_header");
        assert!(told.contains("PROXY protocol header: "), "{told}");
        assert_eq!(
            remedy,
            "see that what is in front of this port sends PROXY protocol version 1 or 2"
        );
    }
    assert_eq!(broker.connections(), 0);
}

/// Sends these bytes, as far as they are wanted, with something to do after each piece, and waits for the end.
fn refused(proxy: &Proxy, bytes: &[u8], piece: usize, after: impl Fn(&Client)) {
    let mut client = Client::connect(proxy.bootstrap("main"));
    for piece in bytes.chunks(piece) {
        if client.try_send(piece).is_err() {
            break;
        }
        after(&client);
    }
    client.rest();
}

#[test]
fn a_header_that_stays_unfinished_runs_out_of_time() {
    let broker = Broker::start();
    let proxy = setup(&broker, "optional")
        .section("[timeouts]\nfirst_bytes = \"300ms\"")
        .start();
    for begun in [&b"PROXY TCP4 10.1"[..], b"\r\n\r\n\0\r\nQUI"] {
        let mut client = Client::connect(proxy.bootstrap("main"));
        client.send(begun);
        client.end();
    }
    wait_for_ends(&proxy, "first_bytes_timeout", 2);
    assert_eq!(broker.connections(), 0);
}

#[test]
fn a_header_that_breaks_off_is_refused() {
    let broker = Broker::start();
    let proxy = setup(&broker, "optional").start();
    for (n, bytes) in [&b"PROXx"[..], b"\r\n\r\n\0\r\nQUIT!"].iter().enumerate() {
        refused(&proxy, bytes, 1, Client::wait_until_taken);
        wait_for_ends(&proxy, "bad_proxy_header", n + 1);
    }
    let mut client = Client::connect(proxy.bootstrap("main"));
    client.send(b"PROXY TCP4 10.1");
    client.half_close();
    client.end();
    wait_for_ends(&proxy, "bad_proxy_header", 3);
    assert_eq!(broker.connections(), 0);
}
