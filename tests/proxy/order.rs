//! Answers come in the order of the requests, and anything else ends the session with its reason.

use crate::common::broker::Broker;
use crate::common::frames;
use crate::setup::{Setup, exchange, heartbeat, open, talking, told_end};

const NOT_A_BROKER: &str = "check that the address is a Kafka broker's";

// Trap 2
#[test]
fn a_thousand_pipelined_requests_are_answered_in_order() {
    let broker = Broker::answering(|request| Some(request.answer_bytes(b"alive")));
    let proxy = Setup::with(&broker).start();
    let mut client = crate::common::client::Client::connect(proxy.bootstrap("main"));
    let requests: Vec<u8> = (0..1000).flat_map(heartbeat).collect();
    client.send(&requests);
    for id in 0..1000i32 {
        assert_eq!(client.frame()[..4], id.to_be_bytes());
    }
    assert_eq!(broker.connections(), 1);
    proxy.assert_calm();
}

// Trap 2
#[test]
fn a_wrong_correlation_id_ends_the_session_and_none_of_the_answer_passes() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (mut client, mut link) = open(&proxy, &broker, &heartbeat(1));
    link.request();
    link.send(&frames::framed(&[0, 0, 0, 2, 9, 9, 9]));
    client.end();
    proxy.wait_for_end("main", "correlation_mismatch");
    let (message, remedy) = told_end(&proxy, "correlation_mismatch");
    assert_eq!(message, "session ended: correlation id 2 where 1 was due");
    assert_eq!(
        remedy,
        format!("the broker answered out of order; {NOT_A_BROKER}")
    );
}

// Trap 2
#[test]
fn reordered_answers_end_the_session() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (mut client, mut link) = open(&proxy, &broker, &[heartbeat(1), heartbeat(2)].concat());
    let requests = [link.request(), link.request()];
    link.send(&requests[1].answer_bytes(b"two"));
    // The proxy may be gone by now.
    let _ = link.try_send(&requests[0].answer_bytes(b"one"));
    client.end();
    proxy.wait_for_end("main", "correlation_mismatch");
}

// Trap 2
#[test]
fn an_answer_twice_ends_the_session_after_the_first() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (mut client, mut link) = open(&proxy, &broker, &heartbeat(1));
    let answer = link.request().answer_bytes(b"alive");
    link.send(&answer);
    assert_eq!(client.frame(), answer[4..]);
    link.send(&answer);
    client.end();
    proxy.wait_for_end("main", "unexpected_response");
    let (message, remedy) = told_end(&proxy, "unexpected_response");
    assert_eq!(message, "session ended: an answer that nobody asked for");
    assert_eq!(
        remedy,
        format!("the broker sent an answer without a request; {NOT_A_BROKER}")
    );
}

// Trap 2
#[test]
fn an_answer_before_any_request_of_its_own_ends_the_session() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (mut client, mut link) = talking(&proxy, &broker);
    link.send(&frames::framed(b"unasked for"));
    client.rest();
    proxy.wait_for_end("main", "unexpected_response");
}

#[test]
fn an_answer_may_come_before_its_request_is_whole() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let request = heartbeat(1);
    let (head, tail) = request.split_at(request.len() - 3);
    let (mut client, mut link) = open(&proxy, &broker, head);
    assert_eq!(link.read(head.len()), head);
    let early = frames::framed(&[0, 0, 0, 1, 42]);
    link.send(&early);
    assert_eq!(client.frame(), early[4..]);
    client.send(tail);
    assert_eq!(link.read(tail.len()), tail);
    exchange(&mut client, &mut link, 2);
}

#[test]
fn two_connections_with_the_same_correlation_ids_do_not_mix() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (mut client_a, mut link_a) = open(&proxy, &broker, &heartbeat(1));
    let (mut client_b, mut link_b) = open(&proxy, &broker, &heartbeat(1));
    let answer_a = link_a.request().answer_bytes(b"a");
    let answer_b = link_b.request().answer_bytes(b"b");
    link_b.send(&answer_b);
    link_a.send(&answer_a);
    assert_eq!(client_a.frame(), answer_a[4..]);
    assert_eq!(client_b.frame(), answer_b[4..]);
}

// Trap 2
#[test]
fn a_client_may_use_one_correlation_id_for_all_its_requests() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    for id in [7, 0, -1, i32::MIN, i32::MAX] {
        let all = [heartbeat(id), heartbeat(id), heartbeat(id)].concat();
        let (mut client, mut link) = open(&proxy, &broker, &all);
        for n in 0..3 {
            let answer = link.request().answer_bytes(&[n]);
            link.send(&answer);
            assert_eq!(client.frame(), answer[4..]);
        }
    }
    proxy.assert_calm();
}

#[test]
fn requests_beyond_a_full_buffer_behind_a_full_queue_are_not_lost() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[limits]\nin_flight = 1")
        .start();
    // A hundred kilobytes; a buffer holds 32.
    let requests: Vec<_> = (0..25)
        .map(|id| frames::raw_request(12, 0, id, &[7; 4000]))
        .collect();
    let (mut client, mut link) = open(&proxy, &broker, &requests.concat());
    for sent in &requests {
        let request = link.request();
        assert_eq!(request.frame, sent[4..]);
        let answer = request.answer_bytes(b"alive");
        link.send(&answer);
        assert_eq!(client.frame(), answer[4..]);
    }
    proxy.assert_calm();
}
