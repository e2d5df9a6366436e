//! SASL passes through: framed after SaslHandshake v1, raw tokens after v0, and both again in mid-stream.

use bytes::Bytes;
use kafka_protocol::messages::{
    MetadataRequest, SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest,
    SaslHandshakeResponse,
};

use crate::common::broker::{Broker, Link};
use crate::common::client::Client;
use crate::common::frames;
use crate::common::proxy::Proxy;
use crate::common::wire::End;
use crate::setup::{ADVERTISED_HOST, Setup, exchange, heartbeat, open, talking, told_end};

const SECRET: &str = "correct-horse-battery-staple";

fn handshake(id: i32, version: i16, mechanism: &str) -> Vec<u8> {
    let message = SaslHandshakeRequest::default().with_mechanism(mechanism.to_owned().into());
    frames::request(id, version, &message)
}

/// A connection on which the broker has agreed to a mechanism by SaslHandshake v0.
fn agreed(proxy: &Proxy, broker: &Broker, mechanism: &str) -> (Client, Link) {
    let (mut client, mut link) = open(proxy, broker, &handshake(1, 0, mechanism));
    let request = link.request();
    link.answer(&request, &SaslHandshakeResponse::default());
    let answer = client.answer::<SaslHandshakeRequest>(1, 0);
    assert_eq!(answer.error_code, 0);
    (client, link)
}

/// One raw token each way.
fn round(client: &mut Client, link: &mut Link, asks: &[u8], answers: &[u8]) {
    client.send(&frames::framed(asks));
    assert_eq!(link.frame(), asks);
    link.send(&frames::framed(answers));
    assert_eq!(client.frame(), answers);
}

/// Kafka requests follow, and the addresses in their answers are rewritten.
fn metadata_is_rewritten(client: &mut Client, link: &mut Link) {
    let id = client.request(1, &MetadataRequest::default());
    let request = link.request();
    link.answer(&request, &frames::metadata(1, &[0]));
    let told = client.answer::<MetadataRequest>(id, 1);
    assert_eq!(&*told.brokers[0].host, ADVERTISED_HOST);
    assert_eq!(told.brokers.len(), 1);
}

// Trap 5
#[test]
fn sasl_authenticate_passes_in_every_version_after_handshake_v1() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    for version in 0..=2 {
        let (mut client, mut link) = open(&proxy, &broker, &handshake(1, 1, "SCRAM-SHA-512"));
        let request = link.request();
        link.answer(&request, &SaslHandshakeResponse::default());
        client.answer::<SaslHandshakeRequest>(1, 1);
        for (asks, answers) in [
            (&b"n,,n=u,r=1"[..], &b"r=12,s=x"[..]),
            (b"c=biws", b"v=sig"),
        ] {
            let message =
                SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from_static(asks));
            let id = client.request(version, &message);
            let request = link.request();
            assert_eq!(request.decode::<SaslAuthenticateRequest>(), message);
            let answer =
                SaslAuthenticateResponse::default().with_auth_bytes(Bytes::from_static(answers));
            link.answer(&request, &answer);
            assert_eq!(
                client.answer::<SaslAuthenticateRequest>(id, version),
                answer
            );
        }
        metadata_is_rewritten(&mut client, &mut link);
    }
    proxy.assert_calm();
}

// Trap 5
#[test]
fn plain_after_handshake_v0_is_one_token_even_if_it_looks_like_a_request() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    // An empty authorization id and a user name that begins with the byte of Metadata's key.
    for token in [
        &b"\0user\0password"[..],
        b"\0\x03\0\x01\0\0\0\x01password",
        b"\0",
        b"",
    ] {
        let (mut client, mut link) = agreed(&proxy, &broker, "PLAIN");
        round(&mut client, &mut link, token, b"");
        metadata_is_rewritten(&mut client, &mut link);
    }
    proxy.assert_calm();
}

// Trap 5
#[test]
fn scram_after_handshake_v0_is_two_rounds() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let (mut client, mut link) = agreed(&proxy, &broker, mechanism);
        round(
            &mut client,
            &mut link,
            b"n,,n=user,r=nonce",
            b"r=nonce2,s=salt,i=4096",
        );
        round(
            &mut client,
            &mut link,
            b"c=biws,r=nonce2,p=proof",
            b"v=signature",
        );
        metadata_is_rewritten(&mut client, &mut link);
    }
    proxy.assert_calm();
}

// Trap 4
#[test]
fn a_request_of_an_unknown_api_is_no_token() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (mut client, mut link) = agreed(&proxy, &broker, "SCRAM-SHA-256");
    round(&mut client, &mut link, b"n,,n=u,r=1", b"r=12,s=x");
    round(&mut client, &mut link, b"c=biws", b"v=sig");
    // Its answer would pass as a token, whatever addresses are in it.
    client.send(&frames::raw_request(200, 0, 9, b"body"));
    assert_eq!(client.end(), End::Closed);
    assert_eq!(link.end(), End::Closed);
    assert_eq!(
        told_end(&proxy, "refused_request").0,
        "session ended: refused request: api key 200 is not known to this proxy"
    );
}

// Trap 5
#[test]
fn oauthbearer_after_handshake_v0_is_one_round_or_two_when_it_fails() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let token = b"n,,\x01auth=Bearer e30.e30.\x01\x01";
    let (mut client, mut link) = agreed(&proxy, &broker, "OAUTHBEARER");
    round(&mut client, &mut link, token, b"");
    metadata_is_rewritten(&mut client, &mut link);

    let (mut client, mut link) = agreed(&proxy, &broker, "OAUTHBEARER");
    round(
        &mut client,
        &mut link,
        token,
        b"{\"status\":\"invalid_token\"}",
    );
    client.send(&frames::framed(b"\x01"));
    assert_eq!(link.frame(), b"\x01");
    drop(link);
    client.end();
    proxy.assert_calm();
}

// Trap 5
#[test]
fn gssapi_after_handshake_v0_is_any_number_of_rounds() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (mut client, mut link) = agreed(&proxy, &broker, "GSSAPI");
    round(&mut client, &mut link, b"\x60\x82 AP-REQ", b"\x60 AP-REP");
    round(&mut client, &mut link, b"", b"\x05\x04 wrap: layers");
    round(&mut client, &mut link, b"\x05\x04 wrap: layer", b"");
    metadata_is_rewritten(&mut client, &mut link);
    proxy.assert_calm();
}

// Trap 5
#[test]
fn a_last_gssapi_token_without_an_answer_lets_no_later_answer_pass_unread() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (mut client, mut link) = agreed(&proxy, &broker, "GSSAPI");
    round(
        &mut client,
        &mut link,
        b"\x60\x82 AP-REQ",
        b"\x05\x04 wrap: layers",
    );
    client.send(&frames::framed(b"\x05\x04 wrap: layer"));
    link.frame();
    // Kafka's broker completes here and sends nothing.
    metadata_is_rewritten(&mut client, &mut link);
    metadata_is_rewritten(&mut client, &mut link);
    exchange(&mut client, &mut link, 77);
    proxy.assert_calm();
}

// Trap 5
#[test]
fn a_last_gssapi_token_without_an_answer_takes_no_place_in_the_queue() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[limits]\nin_flight = 1")
        .start();
    let (mut client, mut link) = agreed(&proxy, &broker, "GSSAPI");
    client.send(&frames::framed(b"\x05\x04 wrap: layer"));
    link.frame();
    metadata_is_rewritten(&mut client, &mut link);
}

// Trap 5
#[test]
fn after_a_refused_handshake_come_requests_and_no_tokens() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (mut client, mut link) = open(&proxy, &broker, &handshake(1, 0, "PLAIN"));
    let request = link.request();
    link.answer(
        &request,
        &SaslHandshakeResponse::default()
            .with_error_code(33)
            .with_mechanisms(vec!["SCRAM-SHA-256".into()]),
    );
    let answer = client.answer::<SaslHandshakeRequest>(1, 0);
    assert_eq!(answer.error_code, 33);
    assert_eq!(answer.mechanisms.len(), 1);
    metadata_is_rewritten(&mut client, &mut link);
    proxy.assert_calm();
}

// Trap 5
#[test]
fn a_token_sent_along_with_the_handshake_waits_for_its_answer() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let token = b"\0\x03\0\x01\0\0\0\x01secret";
    let both = [handshake(1, 0, "PLAIN"), frames::framed(token)].concat();
    let (mut client, mut link) = open(&proxy, &broker, &both);
    let request = link.request();
    assert!(link.is_silent(), "whether a token follows is not known yet");
    link.answer(&request, &SaslHandshakeResponse::default());
    client.answer::<SaslHandshakeRequest>(1, 0);
    assert_eq!(link.frame(), token);
    link.send(&frames::framed(b""));
    assert_eq!(client.frame(), b"");
    metadata_is_rewritten(&mut client, &mut link);
}

// Trap 5
#[test]
fn reauthentication_in_mid_stream_passes_between_other_requests() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (mut client, mut link) = talking(&proxy, &broker);
    let token = SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from_static(b"n,,"));
    client.send(
        &[
            heartbeat(1),
            handshake(2, 1, "SCRAM-SHA-256"),
            frames::request(3, 2, &token),
            heartbeat(4),
        ]
        .concat(),
    );
    for id in 1..=4i32 {
        let request = link.request();
        assert_eq!(request.correlation_id, id);
        match request.api_key {
            17 => link.answer(&request, &SaslHandshakeResponse::default()),
            36 => link.answer(&request, &SaslAuthenticateResponse::default()),
            _ => link.send(&request.answer_bytes(b"alive")),
        }
        assert_eq!(client.frame()[..4], id.to_be_bytes());
    }
    // And once more in the old way.
    client.send(&handshake(5, 0, "PLAIN"));
    let request = link.request();
    link.answer(&request, &SaslHandshakeResponse::default());
    client.answer::<SaslHandshakeRequest>(5, 0);
    round(&mut client, &mut link, b"\0user\0password", b"");
    metadata_is_rewritten(&mut client, &mut link);
    proxy.assert_calm();
}

// Trap 5
#[test]
fn a_framed_token_that_is_too_large_is_refused_by_its_size_alone() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let mut client = Client::connect(proxy.bootstrap("main"));
    let size = 50_000_000i32.to_be_bytes();
    client.send(&[&size[..], &[0, 36, 0, 2, 0, 0, 0, 1]].concat());
    client.end();
    assert_eq!(
        told_end(&proxy, "sasl_token_too_large"),
        (
            "session ended: a SASL token of 50000000 bytes, limits.sasl_bytes is 524288".to_owned(),
            "raise limits.sasl_bytes to the brokers' sasl.server.max.receive.size if the token is genuine".to_owned()
        )
    );
    assert_eq!(broker.connections(), 0);
}

// Trap 5
#[test]
fn a_framed_token_of_exactly_the_limit_passes_and_one_byte_more_does_not() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[limits]\nsasl_bytes = \"1KiB\"")
        .start();
    let filled = |size: usize| {
        let header = frames::raw_request(36, 0, 1, &[]).len() - 4;
        frames::raw_request(36, 0, 1, &vec![7; size - header])
    };
    let (mut client, mut link) = open(&proxy, &broker, &filled(1024));
    assert_eq!(link.request().frame.len(), 1024);
    client.send(&filled(1025));
    client.end();
    proxy.wait_for_end("main", "sasl_token_too_large");
    link.end();
}

// Trap 5
#[test]
fn a_raw_token_that_is_too_large_is_refused_by_its_size_alone() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[limits]\nsasl_bytes = \"1KiB\"")
        .start();
    for (mechanism, first) in [
        ("PLAIN", b"\0u"),
        ("SCRAM-SHA-256", b"n,"),
        ("GSSAPI", b"\x60\x82"),
    ] {
        let (mut client, mut link) = agreed(&proxy, &broker, mechanism);
        client.send(&[&1025i32.to_be_bytes()[..], first].concat());
        client.end();
        link.end();
    }
    crate::setup::wait_for_ends(&proxy, "sasl_token_too_large", 3);
    // What just fits passes.
    let (mut client, mut link) = agreed(&proxy, &broker, "PLAIN");
    round(&mut client, &mut link, &[7; 1024], b"");
}

// Trap 5
#[test]
fn tokens_are_never_logged() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[log]\nformat = \"json\"\nlevel = \"trace\"")
        .start();
    let (mut client, mut link) = agreed(&proxy, &broker, "PLAIN");
    round(&mut client, &mut link, SECRET.as_bytes(), b"");
    let token = SaslAuthenticateRequest::default().with_auth_bytes(SECRET.into());
    client.send(&frames::request(9, 2, &token));
    let request = link.request();
    // The session ends in a fault that is logged.
    link.send(&frames::framed(
        &[&8i32.to_be_bytes()[..], SECRET.as_bytes()].concat(),
    ));
    client.end();
    proxy.wait_for_end("main", "correlation_mismatch");
    assert_eq!(request.correlation_id, 9);
    assert!(!proxy.log_text().contains(SECRET));
}

// Trap 5
#[test]
fn tokens_come_byte_by_byte_as_well() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker)
        .section("[runtime]\nthreads = 1")
        .start();
    let mut other = talking(&proxy, &broker);
    let (mut client, mut link) = agreed(&proxy, &broker, "SCRAM-SHA-256");
    client.send_in_pieces(&frames::framed(b"n,,n=user,r=nonce"), 1);
    assert_eq!(link.frame(), b"n,,n=user,r=nonce");
    link.send_in_pieces(&frames::framed(b"r=nonce2"), 1);
    assert_eq!(client.frame(), b"r=nonce2");
    // A request is told from a token by its first bytes, which are not there yet when its size is.
    let request = frames::request(3, 1, &MetadataRequest::default());
    client.send(&request[..4]);
    // The one thread has read it when this is over.
    exchange(&mut other.0, &mut other.1, 5);
    client.send_in_pieces(&request[4..], 1);
    let received = link.request();
    assert_eq!(received.frame, request[4..]);
    link.answer(&received, &frames::metadata(1, &[0]));
    let told = client.answer::<MetadataRequest>(3, 1);
    assert_eq!(&*told.brokers[0].host, ADVERTISED_HOST);
}

// Trap 5
#[test]
fn after_the_first_request_nothing_passes_as_a_token() {
    let broker = Broker::start();
    let proxy = Setup::with(&broker).start();
    let (mut client, mut link) = agreed(&proxy, &broker, "SCRAM-SHA-256");
    round(&mut client, &mut link, b"n,,n=user,r=nonce", b"r=nonce2");
    metadata_is_rewritten(&mut client, &mut link);
    client.send(&frames::framed(b"n,, is no api key"));
    client.end();
    assert_eq!(link.rest().0, b"");
    proxy.wait_for_end("main", "refused_request");
}
