//! What a client sends before it has read that the proxy closes: records with acks=0 count as delivered for it, so they reach the
//! broker; all else it sends again elsewhere.

use std::io::Read;

use kafka_protocol::messages::ProduceRequest;
use kafka_protocol::protocol::StrBytes;

use crate::common::broker::{Broker, Link};
use crate::common::client::Client;
use crate::common::frames;
use crate::common::proxy::Proxy;
use crate::common::wire::End;
use crate::reload::Reloading;
use crate::setup::{Setup, exchange, heartbeat, talking, wait_for_ends};

/// A Produce request with acks=0 and so many bytes of records.
fn unheard(version: i16, bytes: usize) -> Vec<u8> {
    frames::request(1, version, &frames::produce(version, 0, &vec![7; bytes]))
}

/// A Produce request whose client waits for an answer.
fn heard(version: i16, bytes: usize) -> Vec<u8> {
    frames::request(2, version, &frames::produce(version, -1, &vec![8; bytes]))
}

/// A client that was told that no more answers come, and has not looked yet.
fn told(proxy: &Proxy, broker: &Broker) -> (Client, Link) {
    let (mut client, link) = talking(proxy, broker);
    proxy.terminate();
    assert_eq!(client.end(), End::Closed);
    (client, link)
}

/// The next frame that the broker gets is this request.
fn assert_gets(link: &mut Link, request: &[u8], what: &str) {
    let frame = link
        .try_frame()
        .unwrap_or_else(|| panic!("{what}: the end"));
    assert!(frame == request[4..], "{what}: the bytes differ");
}

#[test]
fn of_what_comes_late_the_broker_gets_the_records_with_acks_0_and_nothing_else() {
    let broker = Broker::start();
    for version in [3, 8, 9, 13] {
        for bytes in [10, 5_000, 40_000, 3_000_000] {
            let what = format!("version {version}, {bytes} bytes");
            let mut proxy = Setup::with(&broker).start();
            let (mut client, mut link) = told(&proxy, &broker);
            let (unheard, heard) = (unheard(version, bytes), heard(version, bytes));
            let expected = unheard.clone();
            let sending = std::thread::spawn(move || {
                let requests = [
                    &unheard,
                    &heard,
                    &heartbeat(3),
                    &unheard,
                    &unheard,
                    &heard,
                    &unheard,
                ];
                client.send(&requests.map(Vec::as_slice).concat());
                // Of this one not all comes.
                client.send(&unheard[..unheard.len() / 2]);
            });
            for _ in 0..4 {
                assert_gets(&mut link, &expected, &what);
            }
            let (rest, _) = link.rest();
            assert!(expected[..expected.len() / 2].starts_with(&rest), "{what}");
            sending.join().unwrap();
            assert_eq!(proxy.wait().code(), Some(0));
            assert_eq!(
                proxy
                    .log()
                    .iter()
                    .filter(|line| line["reason"] == "drained")
                    .count(),
                1
            );
            proxy.assert_calm();
        }
    }
}

#[test]
fn however_small_the_pieces_are_the_frames_are_told_apart() {
    let broker = Broker::start();
    for version in [2, 3, 9, 13] {
        let (unheard, heard) = match version {
            2 => {
                let body =
                    |acks: i16| [&acks.to_be_bytes()[..], &[0, 0, 117, 48], &[0; 4]].concat();
                let produce = |acks| frames::raw_request(0, 2, 1, &body(acks));
                (produce(0), produce(-1))
            }
            _ => (unheard(version, 20), heard(version, 20)),
        };
        let mut proxy = Setup::with(&broker).start();
        let (mut client, mut link) = told(&proxy, &broker);
        let requests = [&unheard, &heard, &heartbeat(3), &unheard];
        client.send_in_pieces(&requests.map(Vec::as_slice).concat(), 1);
        drop(client);
        for _ in 0..2 {
            assert_gets(&mut link, &unheard, &format!("version {version}"));
        }
        assert_eq!(link.end(), End::Closed);
        assert_eq!(proxy.wait().code(), Some(0));
        proxy.assert_calm();
    }
}

#[test]
fn what_waits_in_the_socket_while_an_answer_is_due_is_not_lost() {
    let broker = Broker::start();
    let mut proxy = Setup::with(&broker).start();
    let (mut client, mut link) = talking(&proxy, &broker);
    client.send(&heartbeat(1));
    let request = link.request();
    proxy.terminate();
    proxy.wait_for_log("draining: no more requests are taken from this client");
    let records = unheard(9, 100);
    for _ in 0..50 {
        client.send(&records);
    }
    link.send(&request.answer_bytes(b"alive"));
    client.frame();
    assert_eq!(client.end(), End::Closed);
    drop(client);
    for n in 0..50 {
        assert_gets(&mut link, &records, &n.to_string());
    }
    assert_eq!(link.end(), End::Closed);
    assert_eq!(proxy.wait().code(), Some(0));
}

#[test]
fn records_arrive_also_if_their_client_ends_by_a_reset() {
    let broker = Broker::start();
    let mut proxy = Setup::with(&broker).start();
    let (mut client, mut link) = told(&proxy, &broker);
    let records = unheard(9, 100);
    client.send(&records);
    assert_gets(&mut link, &records, "the first");
    client.into_wire().reset();
    assert_eq!(
        link.end(),
        End::Closed,
        "a reset would take away what the broker has not read"
    );
    assert_eq!(proxy.wait().code(), Some(0));
    proxy.assert_calm();
}

#[test]
fn what_nobody_understands_is_dropped_and_no_fault() {
    let broker = Broker::start();
    let long = StrBytes::from_string("t".repeat(32_767));
    let produce = frames::produce(3, 0, &[7; 10]).with_transactional_id(Some(long.into()));
    // Client id and transactional id are longer than any buffer here.
    let mut endless = frames::request(1, 3, &produce);
    let client_id = [&32_767i16.to_be_bytes()[..], &[b'c'; 32_767]].concat();
    let old = i16::from_be_bytes([endless[12], endless[13]]).max(0) as usize;
    endless.splice(12..14 + old, client_id);
    let size = (endless.len() - 4) as i32;
    endless[..4].copy_from_slice(&size.to_be_bytes());
    let cases = [
        ("garbage", vec![0xff; 100]),
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        (
            "a size that no request has",
            [&[0x7f; 4][..], &[0; 60]].concat(),
        ),
        (
            "Produce that is too short",
            frames::raw_request(0, 9, 1, &[]),
        ),
        (
            "Produce of an unknown version",
            frames::raw_request(0, 99, 1, &[0; 40]),
        ),
        (
            "an api key that is not there",
            frames::raw_request(999, 0, 1, &[0; 40]),
        ),
        ("a header that does not end", endless),
    ];
    for (what, bytes) in cases {
        let mut proxy = Setup::with(&broker).start();
        let (mut client, mut link) = told(&proxy, &broker);
        client.send(&bytes);
        drop(client);
        assert_eq!(link.rest().0, b"", "{what}");
        assert_eq!(proxy.wait().code(), Some(0), "{what}");
        proxy.assert_calm();
    }
}

#[test]
fn a_client_that_never_looks_and_goes_on_sending_is_read_until_the_grace_is_over() {
    let broker = Broker::start();
    let mut proxy = Setup::with(&broker)
        .section("[drain]\ngrace = \"3s\"")
        .start();
    let (mut client, mut link) = told(&proxy, &broker);
    let records = unheard(9, 1000);
    let expected = records.clone();
    let sending = std::thread::spawn(move || while client.try_send(&records).is_ok() {});
    let (bytes, _) = link.rest();
    assert!(bytes.len() > 100 * expected.len(), "{} bytes", bytes.len());
    for frame in bytes.chunks(expected.len()) {
        assert!(expected.starts_with(frame));
    }
    sending.join().unwrap();
    assert_eq!(proxy.wait().code(), Some(0));
    assert!(proxy.log_has("drain.grace is over"));
}

#[test]
fn the_same_holds_for_a_connection_that_is_too_old() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[timeouts]\nmax_connection_age = \"500ms\"")
        .start();
    let (mut client, mut link) = talking(&proxy, &broker);
    exchange(&mut client, &mut link, 5);
    assert_eq!(client.end(), End::Closed);
    let records = unheard(9, 100);
    client.send(&records);
    client.half_close();
    assert_gets(&mut link, &records, "the records");
    assert_eq!(link.end(), End::Closed);
    drop(client);
    wait_for_ends(&proxy, "max_connection_age", 1);
    proxy.assert_calm();
}

#[test]
fn a_client_that_neither_closes_nor_sends_is_let_go() {
    let broker = Broker::start();
    let mut proxy = Setup::with(&broker).start();
    let (client, _link) = told(&proxy, &broker);
    assert_eq!(proxy.wait().code(), Some(0));
    let mut stream = client.into_wire().into_stream();
    assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
    proxy.assert_calm();
}

#[test]
fn records_are_the_first_that_a_client_has_to_say() {
    let broker = Broker::start();
    let mut proxy = Setup::with(&broker).start();
    let mut client = Client::connect(proxy.bootstrap("main"));
    proxy.wait_for_metric(
        "portolan_connections{cluster=\"main\",route=\"bootstrap\"}",
        1.0,
    );
    proxy.terminate();
    assert_eq!(client.end(), End::Closed);
    let records = unheard(9, 100);
    client.send(&records);
    drop(client);
    let mut link = broker.accept();
    assert_gets(&mut link, &records, "the records");
    assert_eq!(proxy.wait().code(), Some(0));
    proxy.assert_calm();
}

/// What is asked here, only to show that the frames of this file are what they are said to be.
#[test]
fn the_requests_are_what_they_are_called() {
    let acks = |frame: &[u8]| frames::decode_request::<ProduceRequest>(&frame[4..]).acks;
    for version in [3, 8, 9, 13] {
        assert_eq!(
            (acks(&unheard(version, 9)), acks(&heard(version, 9))),
            (0, -1)
        );
    }
}

#[test]
fn a_client_that_a_reload_denies_writes_nothing_more() {
    let broker = Broker::start();
    let setup = Setup::with(&broker);
    let reloading = Reloading::start(&setup.toml());
    let (mut client, mut link) = talking(&reloading.proxy, &broker);
    reloading.reload(&setup.line("deny = [\"127.0.0.0/8\"]").toml());
    assert_eq!(client.end(), End::Closed);
    client.send(&unheard(9, 1000));
    drop(client);
    let (rest, _) = link.rest();
    assert!(rest.is_empty(), "{} bytes", rest.len());
    wait_for_ends(&reloading.proxy, "not_allowed", 1);
}

/// Nobody waits for them, so the end says itself that they are lost.
#[test]
fn records_with_acks_0_that_a_broker_does_not_take_end_with_the_grace_and_the_log_says_so() {
    let broker = Broker::start();
    let mut proxy = Setup::with(&broker)
        .section("[drain]\ngrace = \"200ms\"")
        .start();
    let (mut client, _link) = talking(&proxy, &broker);
    // More than all buffers on the way hold.
    let records = unheard(9, 64 << 20);
    let sending = std::thread::spawn(move || client.try_send(&records).is_err());
    proxy.wait_for_metric(
        "portolan_node_bytes_total{cluster=\"main\",direction=\"request\",node=\"bootstrap\"}",
        1e5,
    );
    proxy.terminate();
    assert!(sending.join().unwrap(), "the client is cut");
    assert_eq!(proxy.wait().code(), Some(0));
    let line = proxy.wait_for_log("session ended: drain.grace ran out before all was delivered");
    assert_eq!(line["reason"], "drain_timeout");
    assert_eq!(
        (&line["api"], &line["in_flight"]),
        (&"Produce".into(), &0.into())
    );
    let remedy = line["remedy"].as_str().unwrap();
    assert!(remedy.contains("records with acks=0 that had not reached the broker are lost"));
}
