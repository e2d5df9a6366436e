//! Size fields that lie: negative, zero, huge, truncated, on both sides. Nothing is allocated by them.

use kafka_protocol::messages::{FindCoordinatorRequest, MetadataRequest};

use crate::common::broker::Broker;
use crate::common::client::Client;
use crate::common::frames;
use crate::common::wire::End;
use crate::setup::{Setup, heartbeat, open, talking, told_end, wait_for_ends};

/// More than a session may make us hold beyond its configured bounds.
const MUCH: u64 = 16 * 1024 * 1024;

// Trap 6
#[test]
fn a_request_size_that_no_request_can_have_ends_the_session() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let sizes = [-1, i32::MIN, -2_000_000_000, 0, 1, 7];
    for (n, size) in sizes.into_iter().enumerate() {
        let mut client = Client::connect(proxy.bootstrap("main"));
        client.send(&size.to_be_bytes());
        client.end();
        wait_for_ends(&proxy, "bad_request_size", n + 1);
    }
    let (message, remedy) = told_end(&proxy, "bad_request_size");
    assert_eq!(message, "session ended: request size: -1 is negative");
    assert_eq!(remedy, "the peer does not speak the Kafka protocol");
    assert_eq!(broker.connections(), 0);
}

// Trap 6
#[test]
fn a_huge_request_size_is_refused_by_its_size_field_alone() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let before = proxy.resident_bytes();
    for size in [i32::MAX, 104_857_601] {
        let mut client = Client::connect(proxy.bootstrap("main"));
        client.send(&size.to_be_bytes());
        client.end();
    }
    let (message, remedy) = told_end(&proxy, "request_too_large");
    assert_eq!(
        message,
        "session ended: a request of 2147483647 bytes, limits.request_bytes is 104857600"
    );
    assert_eq!(
        remedy,
        "lower max.request.size in the client, or raise limits.request_bytes to the brokers' socket.request.max.bytes"
    );
    assert!(proxy.resident_bytes() < before + MUCH);
    assert_eq!(broker.connections(), 0);
}

// Trap 6
#[test]
fn a_request_of_exactly_the_limit_passes_and_one_byte_more_does_not() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[limits]\nrequest_bytes = \"1KiB\"")
        .start();
    let filled = |size: usize| {
        let header = frames::raw_request(12, 0, 1, &[]).len() - 4;
        frames::raw_request(12, 0, 1, &vec![7; size - header])
    };
    let (mut client, mut link) = open(&proxy, &broker, &filled(1024));
    assert_eq!(link.request().frame.len(), 1024);
    client.send(&filled(1025));
    client.rest();
    proxy.wait_for_end("main", "request_too_large");
    link.end();
}

// Trap 6
#[test]
fn an_answer_of_exactly_the_limit_is_held_and_one_byte_more_is_not() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[limits]\nresponse_rewrite_bytes = \"4KiB\"")
        .start();
    let text = |n: usize| [&(n as u16).to_be_bytes()[..], &vec![b'x'; n]].concat();
    // No brokers, the cluster's id, no controller: the head of a Metadata answer, behind which topics stream by.
    let head = |n: usize| [&[0; 4][..], &text(n - 14), &[0xff; 4], &[0; 4]].concat();
    // An error, its message, and no coordinator.
    let whole = |n: usize| [&[0, 0, 0, 0, 0, 15][..], &text(n - 22), &[0xff; 4], &[0; 6]].concat();
    for (n, (request, fits, too_large)) in [
        (
            frames::request(1, 2, &MetadataRequest::default()),
            head(4096),
            head(4097),
        ),
        (
            frames::request(1, 1, &FindCoordinatorRequest::default()),
            whole(4096),
            whole(4097),
        ),
    ]
    .iter()
    .enumerate()
    {
        let (mut client, mut link) = open(&proxy, &broker, request);
        let answer = link.request().answer_bytes(fits);
        link.send(&answer);
        assert_eq!(client.frame(), answer[4..]);
        client.send(request);
        let answer = link.request().answer_bytes(too_large);
        link.send(&answer);
        client.end();
        wait_for_ends(&proxy, "response_too_large", n + 1);
    }
}

// Trap 6
#[test]
fn a_handshake_too_long_for_a_mechanism_is_malformed() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let mut client = Client::connect(proxy.bootstrap("main"));
    client.send(&frames::raw_request(17, 0, 1, &[0; 9000])[..20]);
    client.end();
    let (message, _) = told_end(&proxy, "malformed_request");
    assert_eq!(
        message,
        "session ended: malformed request: SaslHandshake: too long"
    );
    assert_eq!(broker.connections(), 0);
}

// Trap 6
#[test]
fn a_request_cut_off_by_the_client_is_passed_as_far_as_it_came() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let request = heartbeat(1);
    for cut in [12, request.len() - 1] {
        let (client, mut link) = open(&proxy, &broker, &request[..cut]);
        client.half_close();
        assert_eq!(link.rest(), (request[..cut].to_vec(), End::Closed));
    }
    wait_for_ends(&proxy, "client_closed_mid_frame", 2);
    proxy.assert_calm();
}

// Trap 6
#[test]
fn an_answer_size_that_no_answer_can_have_ends_the_session() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let sizes = [-1, i32::MIN, 0, 3];
    for (n, size) in sizes.into_iter().enumerate() {
        let (mut client, mut link) = open(&proxy, &broker, &heartbeat(1));
        link.request();
        link.send(&[&size.to_be_bytes()[..], &[0, 0, 0, 1]].concat());
        client.end();
        wait_for_ends(&proxy, "bad_response_size", n + 1);
    }
    let (message, remedy) = told_end(&proxy, "bad_response_size");
    assert_eq!(message, "session ended: answer size: -1 is negative");
    assert_eq!(
        remedy,
        "what answers there does not speak the Kafka protocol; check the broker's address and listener"
    );
}

// Trap 6
#[test]
fn a_huge_answer_that_has_to_be_held_is_refused_by_its_size_field() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let before = proxy.resident_bytes();
    let request = frames::request(1, 4, &FindCoordinatorRequest::default());
    let (mut client, mut link) = open(&proxy, &broker, &request);
    link.request();
    link.send(&[&i32::MAX.to_be_bytes()[..], &[0, 0, 0, 1]].concat());
    client.end();
    let (message, remedy) = told_end(&proxy, "response_too_large");
    assert_eq!(
        message,
        "session ended: an answer that carries addresses needs 2147483647 bytes to be held, limits.response_rewrite_bytes is 1048576"
    );
    assert_eq!(remedy, "raise limits.response_rewrite_bytes");
    assert!(proxy.resident_bytes() < before + MUCH);
}

// Trap 6
#[test]
fn a_huge_answer_that_only_passes_costs_nothing_and_may_end_early() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let before = proxy.resident_bytes();
    let (mut client, mut link) = open(&proxy, &broker, &heartbeat(1));
    link.request();
    let beginning = [
        &i32::MAX.to_be_bytes()[..],
        &[0, 0, 0, 1],
        b"only this much",
    ]
    .concat();
    link.send(&beginning);
    assert_eq!(client.read(beginning.len()), beginning);
    assert!(proxy.resident_bytes() < before + MUCH);
    drop(link);
    client.end();
    drop(client);
    proxy.wait_for_end("main", "broker_closed_mid_frame");
    proxy.assert_calm();
}

// Trap 6
#[test]
fn a_broker_count_beyond_the_frame_ends_the_session_in_every_version_of_metadata() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let before = proxy.resident_bytes();
    for version in 0..=13 {
        let request = frames::request(1, version, &MetadataRequest::default());
        let (mut client, mut link) = open(&proxy, &broker, &request);
        let mut body = Vec::new();
        if version >= 9 {
            body.push(0);
        }
        if version >= 3 {
            body.extend_from_slice(&[0; 4]);
        }
        match version {
            ..9 => body.extend_from_slice(&i32::MAX.to_be_bytes()),
            9.. => body.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0x07]),
        }
        body.extend_from_slice(&[0; 100]);
        let answer = link.request().answer_bytes(&body);
        link.send(&answer);
        client.end();
    }
    wait_for_ends(&proxy, "malformed_response", 14);
    let (message, remedy) = told_end(&proxy, "malformed_response");
    assert_eq!(
        message,
        "session ended: malformed answer: Metadata array: length beyond the frame"
    );
    assert_eq!(
        remedy,
        "the broker's answer does not follow its schema; report it with the broker's version"
    );
    assert!(proxy.resident_bytes() < before + MUCH);
}

// Trap 6
#[test]
fn an_answer_that_is_only_a_correlation_id_passes() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (mut client, mut link) = open(&proxy, &broker, &heartbeat(9));
    let answer = link.request().answer_bytes(&[]);
    link.send(&answer);
    assert_eq!(client.frame(), 9i32.to_be_bytes());
}

#[test]
fn a_metadata_answer_cut_off_by_the_broker_ends_the_session() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let request = frames::request(1, 9, &MetadataRequest::default());
    let (mut client, mut link) = open(&proxy, &broker, &request);
    let answer = link.request().answer(&frames::metadata(9, &[0]));
    link.send(&answer[..answer.len() / 2]);
    drop(link);
    frames::assert_no_leak(&client.rest().0);
    drop(client);
    proxy.wait_for_end("main", "broker_closed_mid_frame");
}

#[test]
fn one_bad_session_does_not_touch_another() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (mut good, mut good_link) = talking(&proxy, &broker);
    let mut bad = Client::connect(proxy.bootstrap("main"));
    bad.send(&(-1i32).to_be_bytes());
    bad.rest();
    crate::setup::exchange(&mut good, &mut good_link, 5);
}
