//! Produce with acks=0 has no answer, and nobody waits for one.

use kafka_protocol::messages::{MetadataRequest, ProduceRequest, ProduceResponse};

use crate::common::broker::Broker;
use crate::common::frames;
use crate::common::wire::End;
use crate::setup::{Setup, answer_heartbeat, exchange, heartbeat, open, talking, told_end};

// Trap 1
#[test]
fn produce_with_acks_0_is_not_waited_for_in_any_version() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let versions = 3..=13;
    assert_eq!(versions.clone().count(), 11);
    for version in versions {
        let produce = frames::request(1, version, &frames::produce(version, 0, &[7; 100]));
        let (mut client, mut link) = open(&proxy, &broker, &produce);
        client.send(&frames::request(2, 1, &MetadataRequest::default()));
        assert_eq!(link.request().frame, produce[4..], "version {version}");
        let metadata = link.request();
        link.answer(&metadata, &frames::metadata(1, &[0]));
        assert_eq!(client.answer::<MetadataRequest>(2, 1).brokers.len(), 1);
    }
    proxy.assert_calm();
}

// Trap 1
#[test]
fn produce_before_version_3_has_no_transactional_id_in_front_of_acks() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (mut client, mut link) = talking(&proxy, &broker);
    for version in 0..=2 {
        for (id, acks) in [(1, -1i16), (2, 0), (3, 1)] {
            let body = [&acks.to_be_bytes()[..], &[0, 0, 117, 48], &[0; 4]].concat();
            client.send(&frames::raw_request(0, version, id, &body));
            let request = link.request();
            assert_eq!(request.correlation_id, id);
            if acks != 0 {
                link.send(&request.answer_bytes(b"produced"));
                assert_eq!(client.frame()[4..], *b"produced", "{version}, acks {acks}");
            }
        }
        exchange(&mut client, &mut link, 4);
    }
}

// Trap 1
#[test]
fn answers_match_when_produce_requests_of_all_acks_are_mixed() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (mut client, mut link) = talking(&proxy, &broker);
    let acks = [0, 1, 0, 0, -1, 1, 0];
    for (n, &acks) in acks.iter().enumerate() {
        client.send(&frames::request(
            n as i32,
            9,
            &frames::produce(9, acks, b"x"),
        ));
    }
    client.send(&heartbeat(99));
    for (n, &acks) in acks.iter().enumerate() {
        let request = link.request();
        assert_eq!(request.correlation_id, n as i32);
        assert_eq!(request.decode::<ProduceRequest>().acks, acks);
        if acks != 0 {
            link.answer(&request, &ProduceResponse::default());
        }
    }
    for n in [1, 4, 5] {
        client.answer::<ProduceRequest>(n, 9);
    }
    answer_heartbeat(&mut client, &mut link, 99);
    proxy.assert_calm();
}

// Trap 1
#[test]
fn acks_is_found_when_the_request_comes_byte_by_byte() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    for version in [3, 9, 13] {
        let (mut client, mut link) = talking(&proxy, &broker);
        for acks in [0, 1] {
            let produce = frames::request(7, version, &frames::produce(version, acks, b"record"));
            client.send_in_pieces(&produce, 1);
            let request = link.request();
            assert_eq!(request.frame, produce[4..]);
            if acks == 1 {
                link.answer(&request, &ProduceResponse::default());
                client.answer::<ProduceRequest>(7, version);
            }
        }
        exchange(&mut client, &mut link, 8);
    }
}

// Trap 1
#[test]
fn a_produce_request_too_short_for_acks_is_malformed() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let mut client = crate::common::client::Client::connect(proxy.bootstrap("main"));
    client.send(&frames::raw_request(0, 9, 1, &[]));
    client.rest();
    proxy.wait_for_end("main", "malformed_request");
    let (message, _) = told_end(&proxy, "malformed_request");
    assert!(
        message.starts_with("session ended: malformed request: Produce "),
        "{message}"
    );
}

// Trap 1
#[test]
fn drain_delivers_a_produce_request_with_acks_0_whole_and_waits_for_no_answer() {
    let broker = Broker::start();
    let mut proxy = Setup::with(&broker).start();
    let (mut client, mut link) = talking(&proxy, &broker);
    // More than all buffers on the way hold, so that it is under way when the signal comes.
    let produce = frames::request(1, 9, &frames::produce(9, 0, &vec![7; 40_000_000]));
    let expected = produce.clone();
    let sender = std::thread::spawn(move || {
        client.send(&produce);
        client
    });
    link.wait_for_bytes();
    proxy.terminate();
    proxy.wait_for_log("draining");
    assert!(link.frame() == expected[4..], "the bytes differ");
    assert_eq!(link.end(), End::Closed);
    drop(link);
    let mut client = sender.join().expect("the client sent it all");
    assert_eq!(client.end(), End::Closed);
    assert_eq!(proxy.wait().code(), Some(0));
    proxy.assert_calm();
}
